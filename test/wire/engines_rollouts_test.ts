/**
 * Rollouts where Flux or Argo CD applies the manifests: adoption under load, waiting for the engine, fences, and that
 * nothing unanalysed gets a share, whatever the engine does and whether or not the agent lives.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { stringify } from "yaml";
import { at, type KubeObject, listAt, numberAt, objectAt, stringAt } from "../../src/core/kube_object.ts";
import { FENCE_ANNOTATION } from "../../src/core/names.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Load, LoadEntry } from "../../src/sandbox/load/load_generator.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { appFiles, canaryFileOf, hostOf, imageOf, manifestOf } from "../support/app_files.ts";
import { type FakeEngine, startFakeArgo, startFakeFlux } from "../support/fake_engines.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const NAME = "shop";
const SERVICE_FILE = `apps/${NAME}/service.yaml`;
const TARGET = { apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name: NAME };
const CONFIG = { apiVersion: "v1", kind: "ConfigMap", namespace: "demo", name: NAME };
const SERVICE = { apiVersion: "v1", kind: "Service", namespace: "demo", name: NAME };

interface Row {
  readonly start: (sandbox: Sandbox) => FakeEngine;
  readonly manager: string;
  readonly isFenced: (object: KubeObject | undefined) => boolean;
  readonly waiting: RegExp;
  readonly failed: RegExp;
  readonly suspend: (stage: TestStage, on: boolean) => void;
}

const KUSTOMIZATION = {
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  namespace: "flux-system",
  name: "apps",
};
const APPLICATION = { apiVersion: "argoproj.io/v1alpha1", kind: "Application", namespace: "argocd", name: "apps" };

const ROWS: Readonly<Record<string, Row>> = {
  flux: {
    start: startFakeFlux,
    manager: "kustomize-controller",
    isFenced: (object) => object?.metadata.annotations?.["kustomize.toolkit.fluxcd.io/reconcile"] === "disabled",
    waiting: /has not applied [0-9a-f]{10} yet: Kustomization "flux-system\/apps" is at main@sha1:/,
    suspend: (stage, on) => void stage.sandbox.api.store.patch(KUSTOMIZATION, { spec: { suspend: on ? true : null } }),
    failed: /could not apply main@sha1:.*: ReconciliationFailed: admission webhook says no/,
  },
  argocd: {
    start: startFakeArgo,
    manager: "argocd-controller",
    isFenced: (object) => at(object, "spec", "paused") === true,
    waiting: /has not applied [0-9a-f]{10} yet: Application "argocd\/apps" is at /,
    suspend: (stage, on) => {
      const annotations = { "argocd.argoproj.io/skip-reconcile": on ? "true" : null };
      stage.sandbox.api.store.patch(APPLICATION, { metadata: { annotations } });
    },
    failed: /Application "argocd\/apps" could not sync [0-9a-f]{40}: admission webhook says no/,
  },
};

const SERVICE_MANIFEST = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: NAME, namespace: "demo" },
  spec: { selector: { app: NAME }, ports: [{ name: "http", port: 80, targetPort: 9898 }] },
};

function files(): Readonly<Record<string, string>> {
  return {
    ...appFiles({ name: NAME, replicas: 2, analysis: { stepWeights: [30, 60] } }),
    [SERVICE_FILE]: stringify(SERVICE_MANIFEST),
  };
}

for (const [id, row] of Object.entries(ROWS)) {
  Deno.test(`${id} applies the manifests`, async (t) => {
    const engines: FakeEngine[] = [];
    await withStage({
      files: files(),
      engine: "detect",
      initialised: false,
      sandbox: { scrapeMs: 300 },
      prepare: async (sandbox) => {
        const engine = row.start(sandbox);
        engines.push(engine);
        await engine.sync();
        return () => engine.stop();
      },
    }, async (stage) => {
      const [engine] = engines;
      ok(engine !== undefined);
      const isFlux = id === "flux";
      const story: readonly (readonly [string, (world: World) => Promise<void> | void])[] = [
        ["preflight: replicas in Git block, and taking them out changes nothing that runs", replicas],
        ...(isFlux ? [] : [["preflight: an apex Service of Argo CD must leave Git first", serviceOut] as const]),
        ["a serving application is adopted without a lost request", adoption],
        ...(isFlux ? [["the adopted Service outlives its manifest", serviceStays] as const] : []),
        ["not applied yet and apply failed are told apart, and are not the release's fault", waits],
        ["the fence is on while a share is, and off afterwards; the engine is asked to look", fence],
        ["a new bump under way gets no share unanalysed", bumpUnderWay],
        ["nor does one while the agent is dead", bumpWhileDead],
        ["a leftover fence is taken off at start", leftover],
        ["a bad release is reverted, and the engine applies the revert", bad],
        ["the target leaves Git under a fence: no outage, and it is gone", targetLeaves],
        ["the agent never applied a manifest of the user's", neverApplied],
        ["no user lost a request", noneLost],
      ];
      let world: World = { stage, engine, row, users: await serving(stage), edge: null };
      for (const [name, chapter] of story) {
        // What follows builds on what came before.
        if (!await t.step(name, () => chapter(world))) break;
        if (chapter === adoption) world = { ...world, edge: stage.loadOn({ host: hostOf(NAME), ratePerSecond: 40 }) };
      }
    });
  });
}

interface World {
  readonly stage: TestStage;
  readonly engine: FakeEngine;
  readonly row: Row;
  readonly users: Load;
  /** Users from outside, once there is a route. */
  readonly edge: Load | null;
}

function live(stage: TestStage, ref = TARGET): KubeObject | undefined {
  return stage.sandbox.api.store.get(ref);
}

/** Users inside the mesh who know nothing but the Service. */
async function serving(stage: TestStage): Promise<Load> {
  await until("the application serves", () => numberAt(live(stage), "status", "availableReplicas") === 2);
  return stage.loadOn({ url: stage.sandbox.mesh.meshUrl, host: `${NAME}.demo`, ratePerSecond: 40 });
}

async function change(stage: TestStage, path: string, from: string | RegExp, to: string): Promise<string> {
  const text = await stage.sandbox.git.read(REPOSITORY, path) ?? "";
  const changed = text.replace(from, to);
  ok(changed !== text, `${from} is not in ${path}`);
  return await stage.sandbox.git.commit(REPOSITORY, { [path]: changed }, { message: `${from} to ${to}` });
}

function bump(stage: TestStage, from: string, to: string): Promise<string> {
  return change(stage, manifestOf(NAME), imageOf(NAME, from), imageOf(NAME, to));
}

async function noneLost({ users, edge }: World): Promise<void> {
  await edge?.stop();
  await users.stop();
  deepStrictEqual(edge?.log.filter(({ status, version }) => status !== 200 && version !== "1.5.0-bad"), []);
  deepStrictEqual(users.log.filter(({ status }) => status !== 200), []);
}

async function replicas({ stage }: World): Promise<void> {
  const numbers: (number | undefined)[] = [];
  const stop = stage.sandbox.api.store.watch(({ object }) => {
    if (object.kind === "Deployment" && object.metadata.name === NAME) {
      numbers.push(numberAt(object, "spec", "replicas"));
    }
  });
  const view = await stage.of(NAME).see("blocked", ({ waitsFor }) => waitsFor?.includes("spec.replicas") ?? false);
  match(view.waitsFor ?? "", /take spec\.replicas out of its manifest/);
  strictEqual(stage.sandbox.api.store.get({ ...TARGET, name: `${NAME}-primary` }), undefined, "nothing was made yet");
  await until("the agent owns the number too", () => owners(stage, "f:replicas").includes("serin"));
  await change(stage, manifestOf(NAME), /\n {2}replicas: 2/, "");
  await until("the engine no longer names it", () => owners(stage, "f:replicas").every((owner) => owner === "serin"));
  stop();
  ok(!numbers.includes(1), "the engine's default was never written");
}

/** Managers of a field of the target's spec. */
function owners(stage: TestStage, field: string): readonly (string | undefined)[] {
  return listAt(live(stage), "metadata", "managedFields")
    .filter((entry) => objectAt(entry, "fieldsV1", "f:spec")[field] !== undefined)
    .map((entry) => stringAt(entry, "manager"));
}

async function serviceOut({ stage }: World): Promise<void> {
  await stage.of(NAME).see("blocked", ({ waitsFor }) => waitsFor?.includes("apex Service") ?? false);
  await until(
    "it is kept from pruning",
    () => (live(stage, SERVICE)?.metadata.annotations?.["argocd.argoproj.io/sync-options"] ?? "") === "Prune=false",
  );
  const commit = await stage.sandbox.git.commit(REPOSITORY, { [SERVICE_FILE]: null });
  await until(
    "Argo CD has seen that",
    () => JSON.stringify(stage.sandbox.api.store.list("argoproj.io/v1alpha1", "Application")).includes(commit),
  );
  ok(live(stage, SERVICE) !== undefined);
}

async function adoption({ stage, users }: World): Promise<void> {
  await stage.of(NAME).see("adopted", ({ phase, last }) => phase === "idle" && last?.outcome === "initialised");
  await until("the target rests", () => numberAt(live(stage), "spec", "replicas") === 0);
  await until(
    "users are on the primary",
    () => users.log.slice(-10).every(({ pod }) => pod?.includes("-primary-") ?? false),
  );
  deepStrictEqual(users.log.filter(({ status }) => status !== 200), []);
  strictEqual(numberAt(live(stage, { ...TARGET, name: `${NAME}-primary` }), "spec", "replicas"), 2);
}

async function serviceStays({ stage }: World): Promise<void> {
  const commit = await stage.sandbox.git.commit(REPOSITORY, { [SERVICE_FILE]: null });
  await until(
    "Flux has applied that",
    () =>
      JSON.stringify(stage.sandbox.api.store.list("kustomize.toolkit.fluxcd.io/v1", "Kustomization")).includes(commit),
  );
  ok(live(stage, SERVICE) !== undefined);
}

async function waits({ stage, engine, row }: World): Promise<void> {
  engine.polls = false;
  await bump(stage, "1.0.0", "1.1.0");
  const canary = stage.of(NAME);
  const waiting = await canary.see(
    "waits for the engine",
    ({ phase, waitsFor }) => phase === "starting" && waitsFor !== null,
  );
  match(waiting.waitsFor ?? "", row.waiting);
  row.suspend(stage, true);
  await canary.see("told that it is suspended", ({ waitsFor }) => /is suspended|skip-reconcile/.test(waitsFor ?? ""));
  row.suspend(stage, false);
  engine.failure = "admission webhook says no";
  await engine.sync();
  const failed = await canary.see("told of the failure", ({ waitsFor }) => row.failed.test(waitsFor ?? ""));
  strictEqual(failed.phase, "starting");
  strictEqual(failed.failedChecks, 0);
  engine.failure = null;
}

async function fence({ stage, engine, row }: World): Promise<void> {
  const asked = engine.asked.length;
  await engine.sync();
  const canary = stage.of(NAME);
  await canary.see("a share is on", ({ weight }) => weight === 30);
  ok(row.isFenced(live(stage)));
  ok(live(stage)?.metadata.annotations?.[FENCE_ANNOTATION] !== undefined);
  if (row.manager === "kustomize-controller") ok(row.isFenced(live(stage, CONFIG)), "its ConfigMap is fenced too");
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
  await until("the fence is off", () => !row.isFenced(live(stage)) && !row.isFenced(live(stage, CONFIG)));
  strictEqual(live(stage)?.metadata.annotations?.[FENCE_ANNOTATION], undefined);
  await until("the engine was asked to look", () => engine.asked.length > asked);
  const tip = await stage.sandbox.git.tip(REPOSITORY) ?? "";
  await until("it has seen the promotion commit without polling", () => reported(stage).includes(tip));
  engine.polls = true;
}

function reported(stage: TestStage): string {
  const { store } = stage.sandbox.api;
  return JSON.stringify([
    store.list("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    store.list("argoproj.io/v1alpha1", "Application"),
  ]);
}

/** When the first announcement of a share for a revision's rollout was made. */
function firstShareMs(stage: TestStage, revision: string): number {
  const told = stage.of(NAME).announced().find((one) => one.kind === "advanced" && one.revision === revision);
  ok(told !== undefined, `${revision} was never given a share`);
  return told.atMs;
}

async function noneBefore(stage: TestStage, load: Load | null, version: string): Promise<void> {
  const view = await stage.of(NAME).see(
    "promoted",
    ({ phase, lockImages, candidate, lock }) =>
      phase === "idle" && candidate === lock && lockImages.some((image) => image.endsWith(`:${version}`)),
  );
  const since = firstShareMs(stage, view.lock ?? "");
  const early = (entry: LoadEntry) => entry.version === version && entry.atMs < since - 50;
  deepStrictEqual(load?.log.filter(early), []);
}

async function bumpUnderWay({ stage, row, edge }: World): Promise<void> {
  await bump(stage, "1.1.0", "1.2.0");
  const first = await stage.of(NAME).see("a share is on", ({ weight }) => weight === 30);
  await bump(stage, "1.2.0", "1.3.0");
  await stage.of(NAME).see("superseded", ({ candidate }) => candidate !== first.candidate);
  await noneBefore(stage, edge, "1.3.0");
  ok(stage.of(NAME).announced().some(({ kind }) => kind === "restarted"));
  await until("the fence is off", () => !row.isFenced(live(stage)));
}

async function bumpWhileDead({ stage, row, edge }: World): Promise<void> {
  await bump(stage, "1.3.0", "1.4.0");
  await stage.of(NAME).see("a share is on", ({ weight }) => weight === 30);
  await stage.stopAgent();
  const commit = await bump(stage, "1.4.0", "1.5.0");
  await change(stage, `apps/${NAME}/config.yaml`, "hello from Git", "hello again");
  await until("the engine went on", () => reported(stage).includes(commit) || !reported(stage).includes("1.4.0"));
  const tip = await stage.sandbox.git.tip(REPOSITORY) ?? "";
  await until("the engine is at the tip", () => reported(stage).includes(tip));
  const running = stage.sandbox.api.store.list("v1", "Pod", "demo")
    .map((pod) => stringAt(listAt(pod, "spec", "containers")[0], "image") ?? "");
  ok(running.includes(imageOf(NAME, "1.4.0")), "the analysed release goes on");
  ok(!running.includes(imageOf(NAME, "1.5.0")), "no pod of the new one was started");
  if (row.manager === "kustomize-controller") {
    strictEqual(objectAt(live(stage, CONFIG), "data")["greeting"], "hello from Git", "nor was its ConfigMap changed");
  }
  await stage.startAgent();
  await noneBefore(stage, edge, "1.5.0");
}

async function leftover({ stage, row }: World): Promise<void> {
  await stage.stopAgent();
  const patch = row.manager === "kustomize-controller"
    ? { metadata: { annotations: { [FENCE_ANNOTATION]: "old", "kustomize.toolkit.fluxcd.io/reconcile": "disabled" } } }
    : { metadata: { annotations: { [FENCE_ANNOTATION]: "old" } }, spec: { paused: true } };
  stage.sandbox.api.store.patch(TARGET, patch, { manager: "serin" });
  await stage.startAgent();
  await until("the leftover is gone", () => !row.isFenced(live(stage)));
}

async function bad({ stage, engine, edge }: World): Promise<void> {
  await bump(stage, "1.5.0", "1.5.0-bad");
  const canary = stage.of(NAME);
  await canary.see("a share is on", ({ weight }) => weight === 30);
  engine.polls = false;
  await canary.see("reverted", ({ phase, last }) => phase === "idle" && last?.outcome === "failed", 60_000);
  match(await stage.sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "", /shop:1\.5\.0\n/);
  await until(
    "the engine applied the revert without polling",
    () =>
      stringAt(listAt(live(stage), "spec", "template", "spec", "containers")[0], "image") === imageOf(NAME, "1.5.0"),
  );
  await until("users are on the lock", () => edge?.log.slice(-20).every(({ version }) => version === "1.5.0") ?? false);
  engine.polls = true;
}

/** Flux forgets what left Git behind a fence. */
async function targetLeaves({ stage, edge }: World): Promise<void> {
  await bump(stage, "1.5.0", "1.6.0");
  const canary = stage.of(NAME);
  await canary.see("a share is on", ({ weight }) => weight === 30);
  const manifest = await stage.sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "";
  const removed = await stage.sandbox.git.commit(REPOSITORY, { [manifestOf(NAME)]: null });
  await until("the target is gone", () => live(stage) === undefined);
  ok(reported(stage).includes(removed), "not before the engine had applied that");
  await canary.see("at rest", ({ phase, weight }) => phase === "idle" && weight === 0);
  await until("users are on the lock", () => edge?.log.slice(-20).every(({ version }) => version === "1.5.0") ?? false);
  const back = manifest.replace(imageOf(NAME, "1.6.0"), imageOf(NAME, "1.5.0"));
  await stage.sandbox.git.commit(REPOSITORY, { [manifestOf(NAME)]: back });
  await until("it is back, and rests", () => numberAt(live(stage), "spec", "replicas") === 0);
}

function neverApplied({ stage, row }: World): void {
  for (const ref of [TARGET, CONFIG]) {
    const entries = listAt(live(stage, ref), "metadata", "managedFields");
    const owners = entries.filter((entry) => /"f:(template|data)"/.test(JSON.stringify(entry)))
      .map((entry) => stringAt(entry, "manager"));
    deepStrictEqual([...new Set(owners)], [row.manager], ref.kind);
  }
}

Deno.test("preflight: a Canary in a synced path whose kind is not installed", async () => {
  const given = files();
  const canaryFile = canaryFileOf(NAME);
  await withStage({
    files: Object.fromEntries(Object.entries(given).filter(([path]) => path !== canaryFile)),
    engine: "detect",
    initialised: false,
    sandbox: { without: ["serin.dev/Canary"] },
    prepare: async (sandbox) => {
      const engine = startFakeFlux(sandbox);
      await engine.sync();
      return () => engine.stop();
    },
  }, async (stage) => {
    await stage.sandbox.git.commit(REPOSITORY, { [canaryFile]: given[canaryFile] ?? "" });
    const view = await stage.of(NAME).see("blocked", ({ waitsFor }) => waitsFor !== null);
    match(
      view.waitsFor ?? "",
      /Kustomization "apps" syncs "apps\/shop\/canary\.yaml", and the kind Canary of serin\.dev is not installed.*deploy\/crds\/serin\.dev_canaries\.yaml/,
    );
    strictEqual(live(stage, { ...TARGET, name: `${NAME}-primary` }), undefined);
  });
});
