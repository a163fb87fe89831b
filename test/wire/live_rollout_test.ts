/**
 * The agent on the sandbox with a target that an engine renders (`render: live`): a HelmRelease's new tag is rolled out and
 * promoted, the next one fails and goes back in the values, and a value that came in by `valuesFrom` is in no Git object
 * that was written, nor in what is remembered in ConfigMaps of ours.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { at, type KubeObject, stringAt } from "../../src/core/kube_object.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { type AppFiles, appFiles, canaryFileOf, NAMESPACE } from "../support/app_files.ts";
import { type FakeHelm, helmReleaseFile, startFakeHelm } from "../support/fake_helm.ts";
import {
  bareGit,
  closeGate,
  decisionsOf,
  deployment,
  type FaultStage,
  gated,
  openGate,
  promoted,
  rests,
  tagOf,
  usersOf,
} from "../support/fault_stage.ts";
import { fastClock } from "../support/fast_clock.ts";
import { machineClock } from "../../adapters/platform/clock.ts";
import { HookReceiver } from "../support/hook_receiver.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const NAME = "shop";
const SECRET = "s3cr3t-of-values-from";
const RELEASE = { namespace: NAMESPACE, name: NAME, file: `apps/${NAME}/release.yaml` };
const TARGET = { apiVersion: "apps/v1", kind: "Deployment", namespace: NAMESPACE, name: NAME };

interface LiveStage {
  readonly stage: FaultStage;
  readonly helm: () => FakeHelm;
}

async function withLive(body: (live: LiveStage) => Promise<void>): Promise<void> {
  const hooks = new HookReceiver();
  const app: AppFiles = gated(NAME, hooks, { spec: { render: "live" } });
  const engines: FakeHelm[] = [];
  try {
    await withStage({
      engine: "detect",
      clock: fastClock(10, machineClock.now()),
      requestTimeoutMs: 1_500,
      initialised: [NAME],
      files: {
        [canaryFileOf(NAME)]: appFiles(app)[canaryFileOf(NAME)] ?? "",
        [RELEASE.file]: helmReleaseFile(RELEASE, { tag: "1.0.0" }),
      },
      async prepare(sandbox) {
        sandbox.api.store.create({
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name: `${NAME}-values`, namespace: NAMESPACE },
          data: { token: btoa(SECRET) },
        });
        engines.push(startFakeHelm(sandbox, RELEASE));
        await until("the chart is installed", () => sandbox.api.store.get(TARGET) !== undefined);
        return async () => {
          for (const engine of engines) await engine.stop();
        };
      },
    }, async (stage: TestStage) => {
      const whole = Object.defineProperty(stage, "hooks", { value: hooks }) as FaultStage;
      await body({
        stage: whole,
        helm: () => {
          const [engine] = engines;
          ok(engine);
          return engine;
        },
      });
    });
  } finally {
    await hooks.stop();
  }
}

async function bumpRelease({ sandbox }: FaultStage, tag: string, greeting?: string): Promise<void> {
  const text = helmReleaseFile(RELEASE, { tag, ...(greeting === undefined ? {} : { greeting }) });
  await sandbox.git.commit(REPOSITORY, { [RELEASE.file]: text }, { message: `Bump shop to ${tag}` });
}

/** Every object of the repository, as text. */
async function allObjects({ sandbox }: FaultStage): Promise<readonly string[]> {
  const listed = await bareGit(sandbox, "cat-file", "--batch-check", "--batch-all-objects");
  const texts: string[] = [];
  for (const line of listed.trim().split("\n")) {
    const [oid = "", type = ""] = line.split(" ");
    if (type === "blob" || type === "commit" || type === "tag") {
      texts.push(await bareGit(sandbox, "cat-file", type, oid));
    }
  }
  return texts;
}

const HIDDEN = new RegExp(`${SECRET}|${btoa(SECRET)}`);

async function keptSecret(stage: FaultStage): Promise<void> {
  const objects = await allObjects(stage);
  ok(objects.some((text) => text.includes("kind: Primary")), "the lock is among them");
  ok(objects.some((text) => text.includes("kind: Status")), "the status file is among them");
  for (const text of objects) doesNotMatch(text, HIDDEN);
  const { store } = stage.sandbox.api;
  const state = store.get({ apiVersion: "v1", kind: "ConfigMap", namespace: NAMESPACE, name: `serin-${NAME}` });
  ok(stringAt(state, "data", "state"));
  doesNotMatch(JSON.stringify(state), HIDDEN);
  const said = stage.announced.map(({ message, details }) => JSON.stringify([message, details])).join("\n");
  doesNotMatch(said, HIDDEN);
  doesNotMatch(JSON.stringify(stage.logged), HIDDEN);
}

function tokenOf(workload: KubeObject | undefined): unknown {
  return at(workload, "spec", "template", "spec", "containers", 0, "env", 0, "value");
}

function captures({ sandbox }: FaultStage): readonly string[] {
  return sandbox.api.store.list("v1", "Secret", NAMESPACE).map(({ metadata }) => metadata.name)
    .filter((name) => name.startsWith(`serin-${NAME}-`));
}

Deno.test("a release that Helm renders: promoted, and put back in its values", () =>
  withLive(async ({ stage }) => {
    const { sandbox } = stage;
    const load = usersOf(stage, NAME);
    strictEqual(tagOf(sandbox, `${NAME}-primary`), "1.0.0");
    strictEqual(tokenOf(deployment(sandbox, `${NAME}-primary`)), SECRET);
    closeGate(stage, NAME);
    await bumpRelease(stage, "2.0.0");
    await stage.of(NAME).see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50);
    await keptSecret(stage);
    openGate(stage, NAME);
    await stage.of(NAME).see("promoted", promoted("2.0.0"));
    await rests(sandbox, NAME, "2.0.0");
    strictEqual(tokenOf(deployment(sandbox, `${NAME}-primary`)), SECRET);
    strictEqual(await sandbox.git.read(REPOSITORY, RELEASE.file), helmReleaseFile(RELEASE, { tag: "2.0.0" }));

    stage.hooks.reply(`/${NAME}/check`, { status: 500, body: "no" });
    await bumpRelease(stage, "3.0.0");
    await stage.of(NAME).see("failed and back", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    strictEqual(await sandbox.git.read(REPOSITORY, RELEASE.file), helmReleaseFile(RELEASE, { tag: "2.0.0" }));
    await until("the engine has taken the revert", () => tagOf(sandbox, NAME) === "2.0.0");
    await rests(sandbox, NAME, "2.0.0");
    await stage.of(NAME).see("at rest", (view) => view.candidate === null && view.stalled === null);
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    match((await decisionsOf(sandbox, NAME)).join("\n"), /Initialise[^]*Promote demo\/shop[^]*Revert demo\/shop/);
    await keptSecret(stage);
    strictEqual(captures(stage).length, 2, "the lock's and the one before it");
  }));

Deno.test("a live release: restarts, hands on the target, a capture that is lost, and a primary that is deleted", () =>
  withLive(async ({ stage, helm }) => {
    const { sandbox } = stage;
    const { store } = sandbox.api;
    const started = () => stage.of(NAME).announced().filter(({ kind }) => kind === "started").length;
    // A restart and an edit by hand are no release of the engine's, nor is a rendering that comes to the same.
    const restartedAt = { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" };
    const restart = { spec: { template: { metadata: { annotations: restartedAt } } } };
    store.patch(TARGET, restart, { manager: "kubectl-rollout" });
    const { apiVersion, kind } = TARGET;
    const bare = { apiVersion, kind, metadata: { name: NAME, namespace: NAMESPACE } };
    const edit = { name: "app", env: [{ name: "BY_HAND", value: "1" }] };
    const edited = { ...bare, spec: { template: { spec: { containers: [edit] } } } };
    store.apply(edited, { manager: "somebody", force: true });
    await sandbox.git.commit(REPOSITORY, { "README.md": "# hello\n" }, { message: "Say hello" });
    const commit = await sandbox.git.tip(REPOSITORY);
    await stage.of(NAME).see("the agent has seen it", (view) => view.source.commit === commit);
    await stage.of(NAME).see("at rest", (view) => view.phase === "idle" && view.stalled === null);
    strictEqual(started(), 0);
    // The engine's next release takes the edit back with it: Helm replaces what it owns, and the rest was its own.
    store.apply(bare, { manager: "somebody", force: true });

    closeGate(stage, NAME);
    await bumpRelease(stage, "2.0.0");
    await stage.of(NAME).see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50);
    await stage.stopAgent();
    openGate(stage, NAME);
    await stage.startAgent();
    await stage.of(NAME).see("promoted after a restart", promoted("2.0.0"));
    await rests(sandbox, NAME, "2.0.0");

    // What was kept is lost, the primary too, and the engine has rendered something newer that is held back.
    await stage.stopAgent();
    for (const name of captures(stage)) store.remove({ apiVersion: "v1", kind: "Secret", namespace: NAMESPACE, name });
    closeGate(stage, NAME);
    await bumpRelease(stage, "3.0.0");
    await until("the engine has rendered it", () => tagOf(sandbox, NAME) === "3.0.0");
    store.remove({ ...TARGET, name: `${NAME}-primary` });
    await stage.startAgent();
    await until("the primary is back", () => tagOf(sandbox, `${NAME}-primary`) === "2.0.0");
    strictEqual(tokenOf(deployment(sandbox, `${NAME}-primary`)), SECRET);
    await stage.of(NAME).see("at half again", (view) => view.phase === "waiting-promotion" && view.weight === 50);
    ok(captures(stage).length >= 2);

    // A newer release restarts the rollout: the paused target shows what the engine wrote.
    await bumpRelease(stage, "4.0.0");
    openGate(stage, NAME);
    await stage.of(NAME).see("the newer one promoted", promoted("4.0.0"));
    await rests(sandbox, NAME, "4.0.0");
    ok(helm().polls);
    await keptSecret(stage);
  }));

Deno.test("a live release whose chart's own content changed is held, with its image offered as a branch", () =>
  withLive(async ({ stage }) => {
    const { sandbox } = stage;
    stage.hooks.reply(`/${NAME}/check`, { status: 500, body: "no" });
    // The token is part of the pod template: more than the image differs.
    const secret = { apiVersion: "v1", kind: "Secret", namespace: NAMESPACE, name: `${NAME}-values` };
    store(sandbox).patch(secret, { data: { token: btoa("another-token") } });
    await bumpRelease(stage, "2.0.0");
    const view = await stage.of(NAME).see("failed", (seen) => seen.phase === "idle" && seen.last?.outcome === "failed");
    match(view.last?.reason ?? "", /more than images differs from the lock/);
    strictEqual(await sandbox.git.read(REPOSITORY, RELEASE.file), helmReleaseFile(RELEASE, { tag: "2.0.0" }));
    const branches = await bareGit(sandbox, "branch", "--list", "serin/revert/*", "--format=%(refname:short)");
    match(branches, /^serin\/revert\/demo\/shop\//);
    const offered = await bareGit(sandbox, "show", `${branches.trim()}:${RELEASE.file}`);
    strictEqual(offered, helmReleaseFile(RELEASE, { tag: "1.0.0" }));
    await rests(sandbox, NAME, "1.0.0");
    strictEqual(tokenOf(deployment(sandbox, `${NAME}-primary`)), SECRET);
    for (const text of await allObjects(stage)) doesNotMatch(text, /another-token/);
  }));

Deno.test("a Canary that leaves Git together with its HelmRelease takes all with it, once the engine has removed the target", () =>
  withLive(async ({ stage }) => {
    const { sandbox } = stage;
    closeGate(stage, NAME);
    await bumpRelease(stage, "2.0.0");
    await stage.of(NAME).see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50);
    ok(captures(stage).length > 0);
    // A repository that declares nothing at all would be taken for a mistake.
    const other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: demo}\n";
    const files = { [canaryFileOf(NAME)]: null, [RELEASE.file]: null, "apps/other.yaml": other };
    await sandbox.git.commit(REPOSITORY, files, { message: "Remove the shop" });
    // It was the only one of its source.
    await stage.of(NAME).see("held", ({ waitsFor }) => waitsFor?.includes("confirm-removal") === true);
    strictEqual((await stage.composed.agent.confirmRemoval("robin")).type, "done");
    await until("the agent forgot it", () => stage.of(NAME).view() === undefined, 30_000);
    deepStrictEqual(captures(stage), []);
    strictEqual(deployment(sandbox, `${NAME}-primary`), undefined);
    strictEqual(await sandbox.git.read(REPOSITORY, `.serin/sandbox/${NAMESPACE}/${NAME}/primary.yaml`), undefined);
  }));

function store({ api }: FaultStage["sandbox"]): FaultStage["sandbox"]["api"]["store"] {
  return api.store;
}
