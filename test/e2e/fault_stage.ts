/**
 * A stage for faults: several small applications in one repository, each held at half of its traffic until its hooks say
 * otherwise, users of each, and what the agent remembers of each, read off the API server whichever agent wrote it.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { at, type Json, type KubeObject, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { State } from "../../src/core/state.ts";
import { runGit } from "../../src/demo/clone.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Load, LoadEntry } from "../../src/sandbox/load/load_generator.ts";
import { appFiles, hostOf, imageOf, manifestOf, NAMESPACE } from "../support/app_files.ts";
import { closeGate, gated } from "../support/fault_stage.ts";
import { HookReceiver } from "../support/hook_receiver.ts";
import { until } from "../support/until.ts";
import { type ApiAnswer, callApi } from "../wire/api_case.ts";
import type { Run } from "./suite.ts";
import { openWorld, RIGHTS, type World, type WorldOptions } from "./world.ts";

export interface FaultStage {
  readonly world: World;
  readonly hooks: HookReceiver;
  /** Ends the world too. */
  close(): Promise<void>;
}

const LOAD_PER_SECOND = 10;
const TIMEOUT_MS = 90_000;

/** Opens a world with these applications, all of them initialised. */
export async function openFaultStage(
  run: Run,
  names: readonly string[],
  options: Partial<WorldOptions> = {},
): Promise<FaultStage> {
  const hooks = new HookReceiver();
  const apps = names.map((name) => gated(name, hooks, { replicas: 2, spec: { promotion: { settle: "2s" } } }));
  const { files, ...rest } = options;
  const world = await openWorld(run, {
    engine: "self",
    rights: RIGHTS,
    allowedHosts: [new URL(hooks.url).host],
    ...rest,
    files: { ...files, ...appFiles(...apps) },
  });
  const stage: FaultStage = {
    world,
    hooks,
    async close() {
      world.git.faults.set({});
      await world.close();
      await hooks.stop();
    },
  };
  await each(names, (name) => remembers(stage, name, "is initialised", ended("initialised")));
  return stage;
}

export async function each(names: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> {
  await Promise.all(names.map(work));
}

export const ended = (outcome: string) => (state: State): boolean =>
  state.phase === "idle" && state.last?.outcome === outcome;

export const atHalf = (state: State): boolean => state.phase === "waiting-promotion" && state.run?.weight === 50;

/** Promoted to a tag, and idle again. */
export const promotedTo = (tag: string) => (state: State): boolean =>
  ended("succeeded")(state) && state.lock?.release.images.every(({ image }) => image.endsWith(`:${tag}`)) === true;

export async function live(
  { world }: FaultStage,
  apiVersion: string,
  kind: string,
  name: string,
): Promise<KubeObject | undefined> {
  return await world.plane.cluster.live({ apiVersion, kind, namespace: NAMESPACE, name });
}

/** What the agents remember of a canary. */
export async function stateOf(stage: FaultStage, name: string): Promise<State | undefined> {
  const text = stringAt(await live(stage, "v1", "ConfigMap", `serin-${name}`), "data", "state");
  return text === undefined ? undefined : JSON.parse(text);
}

/** Waits for what is remembered of a canary. */
export async function remembers(
  stage: FaultStage,
  name: string,
  what: string,
  condition: (state: State) => boolean,
  timeoutMs = TIMEOUT_MS,
): Promise<State> {
  let last: State | undefined;
  const met = async (): Promise<boolean> => {
    // An API server that is away for a moment is asked again.
    last = await stateOf(stage, name).catch(() => last);
    return last !== undefined && condition(last) || (await machineClock.sleep(100), false);
  };
  await until(`${name} ${what}`, met, timeoutMs).catch(async (error) => {
    const view = await stage.world.agent.canary(NAMESPACE, name).catch(() => undefined);
    const said = view?.events.slice(-8).map(({ message }) => message).join(" | ") ?? "";
    const { phase, run } = last ?? {};
    const where = { phase, stage: run?.stage, weight: run?.weight, waitsFor: view?.waitsFor, stalled: view?.stalled };
    throw new Error(`${error instanceof Error ? error.message : error}; ${JSON.stringify(where)}; ${said}`);
  });
  if (last === undefined) throw new Error(`${name} has no state`);
  return last;
}

/** Commits a new tag for applications, all in one commit, as a bot does. */
export async function bump({ world }: FaultStage, tag: string, ...names: readonly string[]): Promise<string> {
  const files: Record<string, string> = {};
  for (const name of names) {
    const text = await world.git.read(REPOSITORY, manifestOf(name)) ?? "";
    files[manifestOf(name)] = text.replace(/image: \S+/, `image: ${imageOf(name, tag)}`);
  }
  return await world.git.commit(REPOSITORY, files, { message: `Bump ${names.join(", ")} to ${tag}` });
}

/** Bumps, and waits until half of the traffic is on the canary and the promotion waits for its gate. */
export async function holdAtHalf(stage: FaultStage, tag: string, ...names: readonly string[]): Promise<void> {
  closeGate(stage, ...names);
  await bump(stage, tag, ...names);
  await each(names, (name) =>
    remembers(
      stage,
      name,
      `is at half with ${tag}`,
      (state) => atHalf(state) && state.run?.release.images.every(({ image }) => image.endsWith(`:${tag}`)) === true,
    ));
}

/** Subjects of the commits that touch one canary's own files, oldest first. */
export async function decisionsOf(stage: FaultStage, name: string): Promise<readonly string[]> {
  const log = await bareGit(stage, "log", "--reverse", "--format=%s", "main", "--", `.serin/e2e/${NAMESPACE}/${name}`);
  return log.trim().split("\n").filter((line) => line !== "");
}

/** Runs git in the server's own repository, as its administrator. */
export function bareGit({ world }: FaultStage, ...args: readonly string[]): Promise<string> {
  return runGit(world.git.path(REPOSITORY), ["-c", "safe.directory=*", ...args]);
}

/** Weight of the canary in the live route; undefined where there is no route. */
export async function weightOf(stage: FaultStage, name: string): Promise<number | undefined> {
  const route = await live(stage, "gateway.networking.k8s.io/v1", "HTTPRoute", name);
  const backends = listAt(route, "spec", "rules", 0, "backendRefs");
  const canary = backends.find((backend) => at(backend, "name") === `${name}-canary`);
  return route === undefined ? undefined : numberAt(canary, "weight") ?? 0;
}

/** Tag of the image that a Deployment's template names. */
export async function tagOf(stage: FaultStage, name: string): Promise<string | undefined> {
  const image = at(
    await live(stage, "apps/v1", "Deployment", name),
    "spec",
    "template",
    "spec",
    "containers",
    0,
    "image",
  );
  return typeof image === "string" ? image.split(":").at(-1) : undefined;
}

/** All users are on the primary, which runs this tag; nothing of the canary is left. */
export async function rests(stage: FaultStage, name: string, tag: string): Promise<void> {
  const replicas = async () => numberAt(await live(stage, "apps/v1", "Deployment", name), "spec", "replicas") ?? 0;
  await until(
    `${name} rests`,
    async () => await replicas() === 0 && await weightOf(stage, name) === 0 || (await machineClock.sleep(100), false),
    30_000,
  );
  strictEqual(await tagOf(stage, `${name}-primary`), tag);
}

/** Real requests of the users of an application; their log is kept to the end of the world. */
export function usersOf({ world }: FaultStage, name: string, ratePerSecond = LOAD_PER_SECOND): Load {
  return world.load(ratePerSecond, { host: hostOf(name) });
}

/** Requests that were not answered 200. */
export function lostOf(load: Load, fromMs = 0, toMs = Infinity): readonly LoadEntry[] {
  return load.log.filter(({ status, atMs }) => status !== 200 && atMs >= fromMs && atMs < toMs);
}

/**
 * Ends loads; none of their requests may have been lost.
 *
 * @returns how many there were, for people
 */
export async function nothingLost(loads: readonly Load[]): Promise<string> {
  for (const load of loads) await load.stop();
  deepStrictEqual(loads.flatMap((load) => lostOf(load)).slice(0, 5), []);
  return `${loads.reduce((sum, load) => sum + load.log.length, 0)} requests`;
}

/** What a person does to an object by hand, with `kubectl edit` and the like. */
export async function byHand(
  { world }: FaultStage,
  call: { readonly method: "PATCH" | "DELETE"; readonly path: string; readonly body?: Json },
): Promise<ApiAnswer> {
  const { method, path, body } = call;
  const patching = method === "PATCH" ? { contentType: "application/merge-patch+json" } : {};
  const sent = method === "DELETE" ? { propagationPolicy: "Background" } : body;
  const answer = await callApi(world.plane.admin, {
    method,
    path: `${path}?fieldManager=kubectl-edit`,
    ...patching,
    body: sent,
  });
  if (answer.status >= 300) throw new Error(`Cannot ${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer;
}

/** Paths of an application's objects in the API. */
export const PATHS = {
  deployment: (name: string) => `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${name}`,
  service: (name: string) => `/api/v1/namespaces/${NAMESPACE}/services/${name}`,
  route: (name: string) => `/apis/gateway.networking.k8s.io/v1/namespaces/${NAMESPACE}/httproutes/${name}`,
  canary: (name: string) => `/apis/serin.dev/v1/namespaces/${NAMESPACE}/canaries/${name}`,
} as const;
