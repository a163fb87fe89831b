/** The main job over real HTTP: a good bump is promoted, a bad one is reverted, and users see neither. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { MANIFEST, REPOSITORY } from "../../src/demo/stage.ts";
import { isSound } from "../support/fsck.ts";
import { withStage } from "../support/stage.ts";

Deno.test("a good bump ends as a promotion commit, a bad one as a revert commit", async () => {
  await withStage({}, async (stage) => {
    const load = stage.load();
    await stage.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await stage.see("promoted", (view) => view.last?.outcome === "succeeded");
    const promotedAt = Date.now();
    await stage.clone.bump(MANIFEST, { from: ":6.0.1", to: ":6.0.2-bad", message: "Bump podinfo to 6.0.2-bad" });
    await stage.see("reverted", (view) => view.last?.outcome === "failed" && view.phase === "idle");
    const revertedAt = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await load.stop();
    await stage.clone.pull();

    const subjects = (await stage.clone.git("log", "--format=%s", "--reverse")).trim().split("\n");
    deepStrictEqual(subjects.slice(1), [
      "Initialise demo/podinfo at podinfo:6.0.0",
      "Bump podinfo to 6.0.1",
      "Promote demo/podinfo to podinfo:6.0.1",
      "Bump podinfo to 6.0.2-bad",
      "Revert demo/podinfo to podinfo:6.0.1",
    ]);
    const changed = await stage.clone.git("show", "--format=", "--unified=0", "HEAD", "--", ".", ":!.serin");
    const lines = changed.split("\n").filter((line) => /^[+-][^+-]/.test(line)).map((line) => line.trim());
    deepStrictEqual(lines, [
      "-          image: registry.example/podinfo:6.0.2-bad # a bot bumps this line",
      "+          image: registry.example/podinfo:6.0.1 # a bot bumps this line",
    ]);
    await isSound(stage.sandbox.git.path(REPOSITORY));

    const answered = load.log.filter((entry) => entry.atMs > revertedAt);
    ok(answered.length > 5, "load went on after the revert");
    ok(
      answered.every((entry) => entry.version === "6.0.1" && entry.status === 200),
      "only the good version answers after the rollback",
    );
    const lost = load.log.filter((entry) =>
      entry.status === 0 || (entry.status !== 200 && entry.version !== "6.0.2-bad")
    );
    deepStrictEqual(lost, []);
    ok(load.log.some((entry) => entry.atMs < promotedAt && entry.version === "6.0.0"));
  });
});
