/**
 * The writer over real HTTP before stock git: many decisions at once go out in few pushes, alone and beside a person who
 * pushes all the time; and a process that comes after one that was killed writes nothing twice.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { promoteAll, withCrowd, wrongAfter } from "../support/crowd.ts";

const CROWD = { canaries: 120, manifests: 480 };

Deno.test("120 decisions at once: 120 commits in three pushes", async () => {
  await withCrowd(CROWD, async (crowd) => {
    const burst = await promoteAll(crowd, { rivalEveryMs: null, timeoutMs: 60_000 });
    deepStrictEqual(await wrongAfter(crowd, burst), []);
    strictEqual(burst.lost, 0);
    ok(burst.pushes <= 3, `${burst.pushes} pushes`);
  });
});

Deno.test("120 decisions beside a person who pushes every 200 ms: all land, in few pushes, and nobody's commit is lost", async () => {
  await withCrowd(CROWD, async (crowd) => {
    const burst = await promoteAll(crowd, { rivalEveryMs: 200, timeoutMs: 60_000 });
    deepStrictEqual(await wrongAfter(crowd, burst), []);
    ok(burst.pushes <= 30, `${burst.pushes} pushes`);
    ok(burst.rival.landed.length > 0, "the person got none in");
  });
});

Deno.test("a process that comes after one that was killed between push and persist finds its decisions in Git", async () => {
  await withCrowd({ canaries: 20, manifests: 80 }, async (crowd) => {
    const first = await promoteAll(crowd, { rivalEveryMs: null, timeoutMs: 60_000 });
    const again = await promoteAll(crowd, { rivalEveryMs: null, timeoutMs: 60_000 });
    deepStrictEqual(again.decisions.map(({ id }) => id), first.decisions.map(({ id }) => id));
    deepStrictEqual([again.commits, again.pushes], [first.commits, 0]);
    deepStrictEqual(await wrongAfter(crowd, again), []);
  });
});
