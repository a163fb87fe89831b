/**
 * A stage for tests of faults: several small applications in one repository, a clock ten times as fast as the machine's
 * (so that minutes of back-off are seconds), and hooks that a test opens and closes to hold a rollout where it wants it.
 */
import { deepStrictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { runGit } from "../../src/demo/clone.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { at, type JsonObject, type KubeObject, numberAt } from "../../src/core/kube_object.ts";
import type { CanaryDetail } from "../../src/ports/agent.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { type AppFiles, appFiles, hostOf, imageOf, manifestOf, NAMESPACE } from "./app_files.ts";
import { fastClock } from "./fast_clock.ts";
import { HookReceiver } from "./hook_receiver.ts";
import { type TestStage, type TestStageOptions, withStage } from "./stage.ts";
import { until } from "./until.ts";

/** How much faster than the machine's the clock of a fault stage runs. */
export const SPEED = 10;

export interface FaultStage extends TestStage {
  readonly hooks: HookReceiver;
}

export interface FaultStageOptions extends Omit<TestStageOptions, "files"> {
  readonly apps: (hooks: HookReceiver) => readonly AppFiles[];
  /** More files for the first commit. */
  readonly more?: Readonly<Record<string, string>>;
}

export async function withFaults(
  options: FaultStageOptions,
  body: (stage: FaultStage) => Promise<void>,
): Promise<void> {
  const { apps, more, ...rest } = options;
  const hooks = new HookReceiver();
  const files = apps(hooks);
  try {
    await withStage({
      clock: fastClock(SPEED, machineClock.now()),
      requestTimeoutMs: 15_000 / SPEED,
      initialised: files.map(({ name }) => name),
      ...rest,
      files: { ...appFiles(...files), ...more },
    }, (stage) => body(withHooks(stage, hooks)));
  } finally {
    await hooks.stop();
  }
}

/** The stage with what its hooks were asked; getters stay getters. */
function withHooks(stage: TestStage, hooks: HookReceiver): FaultStage {
  return Object.defineProperty(stage, "hooks", { value: hooks }) as FaultStage;
}

/** One share of half; `<name>/check` is the judge, `<name>/gate` the gate before the promotion. Both answer 200. */
export function gated(name: string, hooks: HookReceiver, more: Partial<AppFiles> = {}): AppFiles {
  const hook = (type: string, path: string): JsonObject => ({
    name: path,
    type,
    url: `${hooks.url}/${name}/${path}`,
    timeout: "5s",
  });
  return {
    name,
    ...more,
    analysis: {
      interval: "2s",
      threshold: 3,
      stepWeights: [50],
      metrics: [],
      webhooks: [hook("rollout", "check"), hook("confirm-promotion", "gate")],
      ...more.analysis,
    },
  };
}

/** Closes the gate before the promotion, so that a rollout stays at half. */
export function closeGate({ hooks }: Pick<FaultStage, "hooks">, ...names: readonly string[]): void {
  for (const name of names) hooks.reply(`/${name}/gate`, { status: 403, body: "not yet" });
}

export function openGate({ hooks }: Pick<FaultStage, "hooks">, ...names: readonly string[]): void {
  for (const name of names) hooks.reply(`/${name}/gate`, { status: 200 });
}

/** Commits a new tag for applications, all in one commit, as a bot does. */
export async function bump(sandbox: Sandbox, tag: string, ...names: readonly string[]): Promise<string> {
  const files: Record<string, string> = {};
  for (const name of names) {
    const text = await sandbox.git.read(REPOSITORY, manifestOf(name)) ?? "";
    files[manifestOf(name)] = text.replace(/image: \S+/, `image: ${imageOf(name, tag)}`);
  }
  return await sandbox.git.commit(REPOSITORY, files, { message: `Bump ${names.join(", ")} to ${tag}` });
}

/** Bumps, and waits until half of the traffic is on the canary and the promotion waits for its gate. */
export async function holdAtHalf(stage: FaultStage, tag: string, ...names: readonly string[]): Promise<void> {
  closeGate(stage, ...names);
  await bump(stage.sandbox, tag, ...names);
  await Promise.all(
    names.map((name) =>
      stage.of(name).see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50)
    ),
  );
}

export function promoted(tag: string): (view: CanaryDetail) => boolean {
  return (view) =>
    view.phase === "idle" && view.last?.outcome === "succeeded" &&
    view.lockImages.every((image) => image.endsWith(`:${tag}`));
}

/** Subjects of the commits that touch one canary's own files, oldest first. */
export async function decisionsOf(sandbox: Sandbox, name: string): Promise<readonly string[]> {
  const folder = `.serin/sandbox/${NAMESPACE}/${name}`;
  return await subjectsOf(sandbox, "--", folder);
}

/** Subjects on the branch, oldest first. */
export async function subjectsOf(sandbox: Sandbox, ...args: readonly string[]): Promise<readonly string[]> {
  const log = await bareGit(sandbox, "log", "--reverse", "--format=%s", "main", ...args);
  return log.trim().split("\n").filter((line) => line !== "");
}

/** Runs git in the server's own repository, as its administrator. */
export function bareGit(sandbox: Sandbox, ...args: readonly string[]): Promise<string> {
  return runGit(sandbox.git.path(REPOSITORY), ["-c", "safe.directory=*", ...args]);
}

export function deployment(sandbox: Sandbox, name: string): KubeObject | undefined {
  return sandbox.api.store.get({ apiVersion: "apps/v1", kind: "Deployment", namespace: NAMESPACE, name });
}

export function replicasOf(sandbox: Sandbox, name: string): number {
  return numberAt(deployment(sandbox, name), "spec", "replicas") ?? 0;
}

/** Tag of the image that a Deployment's template names. */
export function tagOf(sandbox: Sandbox, name: string): string {
  const image = at(deployment(sandbox, name), "spec", "template", "spec", "containers", 0, "image");
  return String(image).split(":").at(-1) ?? "";
}

/** Weight of the canary in the live route. */
export function weightOf(sandbox: Sandbox, name: string): number {
  const route = routeOf(sandbox, name);
  const backends = at(route, "spec", "rules", 0, "backendRefs");
  if (!Array.isArray(backends)) return 0;
  const canary = backends.find((backend) => at(backend, "name") === `${name}-canary`);
  return numberAt(canary, "weight") ?? 0;
}

export function routeOf(sandbox: Sandbox, name: string): KubeObject | undefined {
  const ref = { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", namespace: NAMESPACE, name };
  return sandbox.api.store.get(ref);
}

/** All users are on the primary, which runs this tag; nothing of the canary is left. */
export async function rests(sandbox: Sandbox, name: string, tag: string): Promise<void> {
  await until(`${name} rests on ${tag}`, () => replicasOf(sandbox, name) === 0 && weightOf(sandbox, name) === 0);
  deepStrictEqual([tagOf(sandbox, `${name}-primary`), weightOf(sandbox, name), replicasOf(sandbox, name)], [tag, 0, 0]);
}

/** Real requests of the users of an application, a hundred a second. */
export function usersOf(stage: TestStage, name: string) {
  return stage.loadOn({ host: hostOf(name), ratePerSecond: 50 });
}

/** Announcements of a kind, in their order. */
export function told(stage: TestStage, name: string, kind: string): readonly string[] {
  return stage.of(name).announced().filter((one) => one.kind === kind).map(({ message }) => message);
}
