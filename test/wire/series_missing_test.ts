/**
 * A metric of which no series exists, over real HTTP: the rollout stalls before its first share, says what it asked for,
 * and goes on by itself once there is something to measure.
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { appFiles, hostOf, imageOf, manifestOf, METRICS } from "../support/app_files.ts";
import { withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const NAME = "shop";

Deno.test("without a series of its metric a rollout gets no share, and none is needed to say so", async (t) => {
  const files = appFiles({ name: NAME, analysis: { stepWeights: [50], metrics: METRICS } });
  await withStage({ files, initialised: [NAME], sandbox: { scrapeMs: 300 } }, async (stage) => {
    const canary = stage.of(NAME);
    const { sandbox } = stage;
    await t.step("nobody has sent a request yet: it stalls at weight 0", async () => {
      const text = await sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "";
      const bumped = text.replace(/image: \S+/, `image: ${imageOf(NAME, "2.0.0")}`);
      await sandbox.git.commit(REPOSITORY, { [manifestOf(NAME)]: bumped }, { message: "Bump to 2.0.0" });
      const view = await canary.see("stalled", ({ waitsFor }) => waitsFor?.includes("cannot be measured") ?? false);
      deepStrictEqual([view.phase, view.weight, view.failedChecks], ["starting", 0, 0]);
      match(
        view.waitsFor ?? "",
        /Metric "request-success-rate" .* has no series for count\(http_request_duration_seconds_count\{/,
      );
      ok(canary.announced().some(({ kind, alert }) => kind === "stalled" && alert), "people are told");
    });
    await t.step("users come, and it goes on and promotes", async () => {
      const users = stage.loadOn({ host: hostOf(NAME), ratePerSecond: 40 });
      await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded", 60_000);
      await until("users are on it", () => users.log.slice(-10).every(({ version }) => version === "2.0.0"));
      await users.stop();
      deepStrictEqual(users.log.filter(({ status }) => status !== 200), []);
    });
  });
});
