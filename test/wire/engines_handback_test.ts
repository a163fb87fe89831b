/**
 * Canaries that leave Git, under load: handed back to the target, or left with the primary, or gone with their target;
 * and what preflight refuses to take over.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type KubeObject, numberAt, objectAt } from "../../src/core/kube_object.ts";
import { type Clone, cloneRepository } from "../../src/demo/clone.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { appFiles, canaryFileOf, hostOf, imageOf, manifestOf } from "../support/app_files.ts";
import { isSound } from "../support/fsck.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const steps = { stepWeights: [50], metrics: [] };
const APPS = [
  { name: "back", spec: { revertOnDeletion: true }, analysis: steps },
  { name: "stays", analysis: steps },
  { name: "gone", spec: { revertOnDeletion: true }, analysis: steps },
  ...["a", "b", "c", "d"].map((letter) => ({ name: `other-${letter}`, analysis: steps })),
];

Deno.test("canaries that leave Git", async (t) => {
  const names = APPS.map(({ name }) => name);
  await withStage({ files: appFiles(...APPS), initialised: names }, async (stage) => {
    const { store } = stage.sandbox.api;
    const url = stage.sandbox.mesh.meshUrl;
    const users = stage.loadOn({ url, host: "back.demo", ratePerSecond: 60 });
    const others = stage.loadOn({ host: hostOf("stays"), ratePerSecond: 40 });
    await until("users are answered", () => users.log.length > 10 && others.log.length > 10);

    await t.step(
      "revertOnDeletion: the target serves again, then what was derived goes; no request is lost",
      async () => {
        await stage.sandbox.git.commit(REPOSITORY, { [canaryFileOf("back")]: null });
        await until("nothing derived is left", () => derived(stage, "back").length === 0, 30_000);
        strictEqual(numberAt(store.get(deployment("back")), "status", "availableReplicas"), 1);
        deepStrictEqual(objectAt(store.get(service("back")), "spec", "selector"), { app: "back" });
        await until("the agent forgot it", () => stage.of("back").view() === undefined);
        const since = Date.now();
        await until("users go on", () => users.log.filter(({ atMs }) => atMs > since).length > 30);
        await users.stop();
        deepStrictEqual(users.log.filter(({ status }) => status !== 200), []);
        ok(users.log.slice(-10).every(({ pod }) => !(pod ?? "-primary-").includes("-primary-")));
      },
    );
    await t.step("without it the primary stays, and that is said", async () => {
      await stage.sandbox.git.commit(REPOSITORY, { [canaryFileOf("stays")]: null });
      await until("it is said", () => stage.of("stays").announced().some(({ kind }) => kind === "removed"));
      match(stage.of("stays").announced().at(-1)?.message ?? "", /primary "stays-primary" stays in place and serves/);
      const since = Date.now();
      await until("users go on", () => others.log.filter(({ atMs }) => atMs > since).length > 30);
      await others.stop();
      deepStrictEqual(others.log.filter(({ status }) => status !== 200), []);
      ok(others.log.slice(-10).every(({ pod }) => pod?.includes("-primary-") ?? false));
    });
    await t.step("Canary and target both gone: everything derived goes, the lock last", async () => {
      const files = { [canaryFileOf("gone")]: null, [manifestOf("gone")]: null, "apps/gone/config.yaml": null };
      // Without an engine the agent would put a target back that is still in Git: both go while nobody looks.
      await stage.stopAgent();
      await stage.sandbox.git.commit(REPOSITORY, files);
      store.remove(deployment("gone"));
      await stage.startAgent();
      await until("nothing is left", () => derived(stage, "gone").length === 0, 30_000);
      await until("its Service neither", () => store.get(service("gone")) === undefined);
      await until("the agent forgot it", () => stage.of("gone").view() === undefined, 30_000);
      await withClone(stage, async (clone) => {
        strictEqual(await clone.git("ls-files", ".serin/*/demo/gone/*"), "");
        strictEqual(await clone.git("ls-files", ".serin/*/demo/back/*"), "", "nor has what was handed back a lock");
        match(await clone.git("ls-files", ".serin/*/demo/stays/*"), /primary\.yaml/, "a primary that stays keeps it");
        const message = await clone.git("log", "-1", "--format=%B");
        match(message, /^Remove the lock of demo\/gone\n[\s\S]*\nSerin-Decision: removal\n/);
        await isSound(clone.dir);
      });
    });
    await t.step("it comes back, newer: a first start", async () => {
      const [app] = APPS.filter(({ name }) => name === "gone");
      ok(app !== undefined);
      const files = appFiles({ ...app, tag: "3.0.0" });
      await stage.sandbox.git.commit(REPOSITORY, files);
      const view = await stage.of("gone").see("at rest", ({ phase, last }) => phase === "idle" && last !== null);
      deepStrictEqual([view.last?.outcome, view.lockImages], ["initialised", [imageOf("gone", "3.0.0")]]);
    });
    await t.step("many at once wait for a person", async () => {
      const others = ["a", "b", "c", "d"].map((letter) => `other-${letter}`);
      await stage.sandbox.git.commit(REPOSITORY, Object.fromEntries(others.map((name) => [canaryFileOf(name), null])));
      const view = await stage.of("other-a").see(
        "held",
        ({ waitsFor }) => waitsFor?.includes("confirm-removal") ?? false,
      );
      strictEqual(view.phase, "idle");
      ok(derived(stage, "other-a").length > 0);
      strictEqual((await stage.composed.agent.confirmRemoval("robin")).type, "done");
      await until("now it is believed", () => stage.of("other-a").announced().some(({ kind }) => kind === "removed"));
    });
  });
});

async function withClone(stage: TestStage, look: (clone: Clone) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  try {
    await look(await cloneRepository(stage.sandbox.git.urlOf(REPOSITORY), `${dir}/clone`));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function deployment(name: string) {
  return { apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name };
}

function service(name: string) {
  return { apiVersion: "v1", kind: "Service", namespace: "demo", name };
}

function route(name: string) {
  return { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", namespace: "demo", name };
}

/** Objects that the agent made for a canary and that are still there; the apex Service is the users'. */
function derived(stage: TestStage, name: string): readonly string[] {
  const { store } = stage.sandbox.api;
  const kinds = [
    ["apps/v1", "Deployment"],
    ["v1", "Service"],
    ["v1", "ConfigMap"],
    ["v1", "Secret"],
    ["gateway.networking.k8s.io/v1", "HTTPRoute"],
  ] as const;
  return kinds.flatMap(([apiVersion, kind]) => store.list(apiVersion, kind, "demo"))
    .filter((object) => object.metadata.labels?.["serin.dev/canary-name"] === name)
    .filter((object) => !(object.kind === "Service" && object.metadata.name === name))
    .map((object) => `${object.kind}/${object.metadata.name}`);
}

Deno.test("preflight refuses to take over what is somebody else's", async (t) => {
  const apps = ["flagged", "foreign", "plain", "routed"].map((name) => ({ name, analysis: steps }));
  const running = (name: string, metadata: Partial<KubeObject["metadata"]>): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "demo", ...metadata },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "app", image: "registry.example/x:1" }] },
      },
    },
  });
  await withStage({
    files: appFiles(...apps),
    initialised: ["plain"],
    prepare(sandbox) {
      const { store } = sandbox.api;
      const owner = store.create({
        apiVersion: "flagger.app/v1beta1",
        kind: "Canary",
        metadata: { name: "flagged", namespace: "demo" },
        spec: {
          targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "flagged" },
          analysis: { interval: "1m", threshold: 1, stepWeight: 10 },
        },
      });
      store.create(running("flagged-primary", {
        labels: { app: "flagged-primary" },
        ownerReferences: [{
          apiVersion: "flagger.app/v1beta1",
          kind: "Canary",
          name: "flagged",
          uid: owner.metadata.uid ?? "",
          controller: true,
        }],
      }));
      store.create(running("foreign-primary", {}));
      store.create(running("routed", {}));
      store.create({
        apiVersion: route("routed").apiVersion,
        kind: route("routed").kind,
        metadata: { name: "routed", namespace: "demo" },
        spec: { parentRefs: [{ name: "public" }], rules: [{ backendRefs: [{ name: "routed", port: 80 }] }] },
      });
    },
  }, async (stage) => {
    const { store } = stage.sandbox.api;
    await t.step("a primary of a live Flagger", async () => {
      const view = await stage.of("flagged").see("refused", ({ waitsFor }) => waitsFor !== null);
      match(view.waitsFor ?? "", /"flagged-primary" belongs to Flagger's Canary "flagged": stop that first/);
    });
    await t.step("a primary that nobody knows, until a person hands it over", async () => {
      const view = await stage.of("foreign").see("refused", ({ waitsFor }) => waitsFor !== null);
      match(
        view.waitsFor ?? "",
        /"foreign-primary" belongs to someone else.*annotate it with serin\.dev\/adopt: "true"/,
      );
      strictEqual(
        store.get({ apiVersion: "v1", kind: "ConfigMap", namespace: "demo", name: "foreign-primary" }),
        undefined,
      );
      deepStrictEqual(store.get(deployment("foreign-primary"))?.metadata.labels, undefined);
    });
    await t.step("a route that nobody handed over, before anything else is written", async () => {
      const view = await stage.of("routed").see("refused", ({ waitsFor }) => waitsFor !== null);
      match(view.waitsFor ?? "", /HTTPRoute.*belongs to the user.*annotate it with serin\.dev\/adopt: "true"/);
      strictEqual(store.get(deployment("routed-primary")), undefined);
      strictEqual(store.get(service("routed-primary")), undefined);
      store.patch(route("routed"), { metadata: { annotations: { "serin.dev/adopt": "true" } } });
      await until("it is taken over", () => stage.of("routed").announced().some(({ kind }) => kind === "initialised"));
    });
  });
});
