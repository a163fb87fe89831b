/**
 * Several clusters on one repository, a cluster that is rebuilt in the middle of a rollout, and an agent that only
 * observes.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { appFiles, hostOf, imageOf, manifestOf } from "../support/app_files.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const NAME = "shop";
const files = () => appFiles({ name: NAME, analysis: { stepWeights: [30, 60] } });
const sandbox = { scrapeMs: 300 };

async function bump(stage: TestStage, from: string, to: string): Promise<void> {
  const text = await stage.sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "";
  const changed = text.replace(imageOf(NAME, from), imageOf(NAME, to));
  ok(changed !== text);
  await stage.sandbox.git.commit(REPOSITORY, { [manifestOf(NAME)]: changed }, { message: `Bump to ${to}` });
}

const ended = (outcome: string, tag: string) =>
(
  view: {
    readonly phase: string;
    readonly last: { readonly outcome: string } | null;
    readonly lockImages: readonly string[];
  },
) => view.phase === "idle" && view.last?.outcome === outcome && view.lockImages[0] === imageOf(NAME, tag);

Deno.test("two clusters on one repository", async (t) => {
  await withStage({ files: files(), initialised: [NAME], sandbox, cluster: "east" }, async (east) => {
    const repositoryUrl = east.sandbox.git.urlOf(REPOSITORY);
    await withStage({ repositoryUrl, initialised: [NAME], sandbox, cluster: "west" }, async (west) => {
      const loads = [east, west].map((stage) => stage.loadOn({ host: hostOf(NAME), ratePerSecond: 40 }));
      await t.step("each promotes on its own evidence, into a lock of its own", async () => {
        await bump(east, "1.0.0", "1.1.0");
        for (const stage of [east, west]) await stage.of(NAME).see("promoted", ended("succeeded", "1.1.0"));
        for (const cluster of ["east", "west"]) {
          const lock = await east.sandbox.git.read(REPOSITORY, `.serin/${cluster}/demo/${NAME}/primary.yaml`);
          match(lock ?? "", /shop:1\.1\.0/);
        }
      });
      await t.step("a failure in one never edits what the other one reads", async () => {
        await bump(east, "1.1.0", "1.2.0-bad");
        for (const stage of [east, west]) {
          await stage.of(NAME).see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
        }
        match(await east.sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "", /shop:1\.2\.0-bad/);
        for (const stage of [east, west]) {
          const view = await stage.of(NAME).see(
            "on its lock",
            ({ lockImages }) => lockImages[0] === imageOf(NAME, "1.1.0"),
          );
          strictEqual(view.weight, 0);
        }
        await east.clone.pull();
        const subjects = (await east.clone.git("log", "-4", "--format=%s")).trim().split("\n");
        deepStrictEqual(subjects.filter((subject) => subject.startsWith("Revert")), []);
        strictEqual(subjects.filter((subject) => subject.startsWith("Quarantine")).length, 2, subjects.join("; "));
      });
      await t.step("users of both are on the good release", async () => {
        for (const load of loads) {
          await until("users are on the lock", () => load.log.slice(-20).every(({ version }) => version === "1.1.0"));
          await load.stop();
          deepStrictEqual(load.log.filter(({ status, version }) => status !== 200 && version !== "1.2.0-bad"), []);
        }
      });
    });
  });
});

Deno.test("a cluster that is rebuilt in the middle of a rollout comes up on the lock and writes nothing before adopt", async (t) => {
  await withStage({ files: files(), initialised: [NAME], sandbox }, async (old) => {
    old.loadOn({ host: hostOf(NAME), ratePerSecond: 40 });
    await bump(old, "1.0.0", "1.1.0");
    await old.of(NAME).see("a share is on", ({ weight }) => weight === 30);
    await old.stopAgent();
    const before = await old.sandbox.git.tip(REPOSITORY);
    const repositoryUrl = old.sandbox.git.urlOf(REPOSITORY);
    await withStage({ repositoryUrl, initialised: false, sandbox }, async (fresh) => {
      const canary = fresh.of(NAME);
      await t.step("it serves the lock, not the release nobody approved", async () => {
        const view = await canary.see("on the lock", ({ phase, stalled }) => phase === "idle" && stalled !== null);
        match(view.stalled ?? "", /another cluster|belongs to cluster/);
        deepStrictEqual(view.lockImages, [imageOf(NAME, "1.0.0")]);
        const load = fresh.loadOn({ host: hostOf(NAME), ratePerSecond: 40 });
        await until(
          "users are answered",
          () => load.log.length > 20 && load.log.slice(-10).every(({ version }) => version === "1.0.0"),
        );
      });
      await t.step("nothing was written to Git, and nothing of the new release runs", async () => {
        strictEqual(await fresh.clone.git("rev-parse", "origin/main").then((text) => text.trim()), before);
        strictEqual(await old.sandbox.git.tip(REPOSITORY), before);
        const images = fresh.sandbox.api.store.list("v1", "Pod", "demo").map((pod) => JSON.stringify(pod.spec));
        ok(images.every((text) => !text.includes("1.1.0")));
      });
      await t.step("after adopt the rollout goes on, and the lock is this cluster's", async () => {
        strictEqual((await canary.command({ type: "adopt" })).type, "done");
        await canary.see("promoted", ended("succeeded", "1.1.0"));
        const uid = fresh.sandbox.api.store.get({ apiVersion: "v1", kind: "Namespace", name: "kube-system" })?.metadata
          .uid;
        const lock = await old.sandbox.git.read(REPOSITORY, `.serin/sandbox/demo/${NAME}/primary.yaml`);
        ok(uid !== undefined && (lock ?? "").includes(uid));
      });
    });
  });
});

Deno.test("mode: observe writes nothing and says what it would do", async (t) => {
  await withStage({ files: files(), initialised: false, sandbox, settings: "mode: observe\n" }, async (stage) => {
    const would = () =>
      stage.logged.filter(({ event }) => event === "would").map(({ fields }) => String(fields["would"]));
    const tip = await stage.sandbox.git.tip(REPOSITORY);
    await t.step("it says what a first start would do", async () => {
      await until("it has said it", () => would().some((text) => text.includes("commit the decision")));
      await until("it has come to the primary", () => would().some((text) => text.includes("apply the primary")));
      match(would().join("\n"), /commit the decision "initialise": First start/);
      match(would().join("\n"), /apply the primary "shop-primary" at revision [0-9a-f]{12}/);
    });
    await t.step("no request of its own wrote anything", async () => {
      const wrote = stage.sandbox.api.requests.filter(({ verb, path }) =>
        !["get", "list", "watch"].includes(verb) && !path.includes("dryRun=All")
      );
      deepStrictEqual(wrote, []);
      strictEqual(await stage.sandbox.git.tip(REPOSITORY), tip);
      ok(!stage.sandbox.git.requests.has(`POST /${REPOSITORY}/git-receive-pack`));
      strictEqual(stage.sandbox.api.store.list("apps/v1", "Deployment", "demo").length, 0);
    });
  });
});
