/** A first look at a large repository must not keep the Lease and the health checks from their turn. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { shopFiles } from "../../test/support/shop_files.ts";
import type { Clock } from "../ports/clock.ts";
import { createSource } from "./source.ts";

/** A machine on which each file takes 20 ms to parse: every look at the clock is that much later. */
function slowMachine(): Clock {
  const clock = new ManualClock();
  let nowMs = 0;
  return {
    now: () => clock.now(),
    random: () => clock.random(),
    monotonic: () => nowMs += 20,
    sleep: async (_ms, signal) => void await setImmediate(undefined, signal === undefined ? {} : { signal }),
  };
}

Deno.test("a source that parses many files lets others have their turn in between", async () => {
  const git = new MemoryGit(shopFiles("1.0.0"));
  const source = createSource({
    name: "main",
    remote: git.connect(),
    clock: slowMachine(),
    pollMs: 30_000,
    paths: [],
    cluster: "eu",
    capabilities: testCapabilities(),
  });
  await source.poll();
  const files: Record<string, string> = {};
  for (let index = 0; index < 40; index += 1) {
    files[`more/${index}.yaml`] =
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: more-${index}, namespace: prod }\n`;
  }
  git.commit({ files });

  let turns = 0;
  let looking = true;
  const others = (async () => {
    for (; looking; turns += 1) await setImmediate();
  })();
  await source.poll();
  looking = false;
  await others;
  assert.ok(turns >= 8, `${turns} turns in 800 ms of parsing`);
  assert.equal(source.view.catalogue?.manifests.has("v1/ConfigMap/prod/more-39"), true);
});
