/**
 * Invariants of traffic, pods and order, asked at every change of the cluster. Each names the sentence of the design
 * that it stands for.
 */
import { digestOf } from "../../src/core/digest.ts";
import { at, type KubeObject, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { refKey } from "../../src/core/kube_object.ts";
import { REVISION_ANNOTATION } from "../../src/core/names.ts";
import { PROXIES_FOLLOW_MS } from "../../src/core/readiness.ts";
import type { State } from "../../src/core/state.ts";
import type { Change } from "./kube_server.ts";
import type { RunRecord, ShopRecord } from "./records.ts";
import { SETTLE_MS } from "./shop.ts";
import type { Traffic, World } from "./world.ts";

/** What an agent knows may be this old: the longest watch lag, a call's way, and a little. */
const STALE_MS = 5_000;
/** "Nothing unanalysed gets a share" for longer than a live, undisturbed leader needs to see it and write. */
const UNANALYSED_MS = 12_000;

export function watchTraffic(world: World, records: ReadonlyMap<string, ShopRecord>, leads: () => boolean): void {
  world.server.onChange((change) => {
    for (const record of records.values()) changed(world, record, change);
  });
  const tick = (): void => {
    for (const record of records.values()) lookAround(world, record, leads());
    world.timeline.after(1_000, tick);
  };
  world.timeline.after(1_000, tick);
}

function isAgent(by: string): boolean {
  return by.startsWith("serin-");
}

function changed(world: World, record: ShopRecord, change: Change): void {
  const { refs } = record.shop;
  const key = refKey(change.ref);
  if (key === refKey(refs.target) || key === refKey(refs.primary)) notePods(world, record);
  const before = record.traffic;
  const traffic = world.traffic(record.shop);
  if (traffic.weight > 0 || traffic.mirror) record.zeroSince = null;
  else record.zeroSince ??= world.timeline.elapsed;
  record.traffic = traffic;
  if (refs.route !== null && key === refKey(refs.route)) record.routeBy = change.by;
  if (!isAgent(change.by)) return;
  const state = world.state(record.shop);
  if (refs.route !== null && key === refKey(refs.route)) routeWritten(world, record, { before, traffic, state });
  if (key === refKey(refs.target)) targetWritten(world, record, change);
  if (key === refKey(refs.primary)) primaryWritten(world, record, change, state);
}

function notePods(world: World, record: ShopRecord): void {
  const now = world.timeline.elapsed;
  const { target, primary } = record.shop.refs;
  const since = now - 2 * STALE_MS;
  const before = record.pods.findLast(({ at }) => at <= since);
  record.pods = [...(before === undefined ? [] : [before]), ...record.pods.filter(({ at }) => at > since), {
    at: now,
    target: world.readyOf(target),
    primary: newestReady(world, record) ? world.readyOf(primary) : 0,
  }];
}

/** All pods of the primary are of its newest template, and as many as wanted. */
function newestReady(world: World, record: ShopRecord): boolean {
  const { primary } = record.shop.refs;
  const template = digestOf(at(world.server.get(primary), "spec", "template") ?? null);
  const pods = world.controllers.readyPods(primary);
  return pods.length >= world.replicasOf(primary) && pods.every((pod) => pod.template === template);
}

/** The most that was ready at any moment an agent may have looked at. */
function readyLately(world: World, record: ShopRecord, who: "target" | "primary"): number {
  notePods(world, record);
  const since = world.timeline.elapsed - STALE_MS;
  const before = record.pods.findLast(({ at }) => at <= since);
  const seen = record.pods.filter(({ at }) => at > since);
  return Math.max(before?.[who] ?? 0, ...seen.map((entry) => entry[who]));
}

function routeWritten(
  world: World,
  record: ShopRecord,
  seen: { readonly before: Traffic; readonly traffic: Traffic; readonly state: State | null },
): void {
  const { traffic, before, state } = seen;
  const { weight } = traffic;
  if (!Number.isInteger(weight) || weight < 0 || weight > 100) {
    world.violate("Weights stay in 0 to 100", `weight ${weight} is written`);
  }
  // A person deleted the state between the save and this write: there is nothing to hold it against.
  if (state === null) return;
  if (weight > before.weight) rises(world, record, { before, weight }, state);
  if (weight < before.weight) falls(world, record, state);
}

/** A pod of the canary was ready when it had to be, as far as an agent may have seen it. */
function knownToProxies(world: World, record: ShopRecord): boolean {
  const until = world.timeline.elapsed - PROXIES_FOLLOW_MS;
  const earlier = record.pods.filter(({ at }) => at <= until);
  const oldest = earlier.findLast(({ at }) => at <= until - STALE_MS);
  return earlier.some((entry) => entry.target > 0 && (entry.at > until - STALE_MS || entry === oldest));
}

function rises(
  world: World,
  record: ShopRecord,
  { before, weight }: { readonly before: Traffic; readonly weight: number },
  state: State | null,
): void {
  const run = state?.run ?? null;
  const record_ = run === null ? undefined : record.runs.get(run.id);
  if (state === null || run === null || record_ === undefined) {
    return world.violate("No share without a rollout", `weight ${weight} is written without a run`);
  }
  if (run.weight !== weight && !(weight === 100 && ["promoting", "restoring"].includes(state.phase))) {
    world.violate(
      "Persist, then act",
      `weight ${weight} is written while the state says ${run.weight} in phase "${state.phase}"`,
    );
  }
  const wanted = Math.ceil((weight * Math.max(1, world.replicasOf(record.shop.refs.primary))) / 100);
  const ready = readyLately(world, record, "target");
  if (ready < wanted && !record.troubled) {
    world.violate(
      "Before a share moves, the workload that receives it has the ready pods for it",
      `weight ${weight} wants ${wanted} pods of the canary: ${ready} are ready`,
    );
  }
  if (["promoting", "restoring"].includes(state.phase)) return;
  if (before.weight === 0 && !before.mirror && !record.troubled && !knownToProxies(world, record)) {
    world.violate("Before a first share, proxies had time to learn of its pods", `weight ${weight} is written`);
  }
  if (!["progressing", "waiting-promotion", "pushing"].includes(state.phase)) {
    world.violate("A share rises only under checks", `weight ${weight} is written in phase "${state.phase}"`);
  }
  if (weight > record_.granted) granted(world, record, record_, weight);
}

/** A share above all before it: a round of checks has passed since the last one, and the gate was open. */
function granted(world: World, record: ShopRecord, run: RunRecord, weight: number): void {
  const isFirst = run.granted === 0 && !run.mirrored && record.shop.strategy !== "blue-green";
  if (!isFirst && run.rounds === 0) {
    world.violate(
      "Weights rise only after a passed analysis",
      `weight ${weight} follows ${run.granted} without a round`,
    );
  }
  const gated = record.shop.hooks.includes("confirm-traffic-increase") &&
    ["weights", "step-weights", "slow-back"].includes(record.shop.strategy);
  if (gated && run.openings === 0) {
    world.violate("Weights rise only with gates open", `weight ${weight} is written, and nobody opened the gate`);
  }
  run.granted = weight;
  run.rounds = 0;
  run.openings = 0;
}

function falls(world: World, record: ShopRecord, state: State | null): void {
  if (state === null || record.troubled) return;
  const takesBack = state.phase === "promoting" || state.phase === "restoring" || state.phase === "finalising";
  if (takesBack && readyLately(world, record, "primary") === 0) {
    world.violate(
      "Once promotion began, the primary's share never rises while it is not ready",
      `the share falls in phase "${state.phase}" while the primary has no pods of its newest template ready`,
    );
  }
}

function targetWritten(world: World, record: ShopRecord, { before, after }: Change): void {
  if (before === undefined || after === undefined) return;
  const { traffic, shop } = record;
  const was = numberAt(before, "spec", "replicas") ?? 0;
  const is = numberAt(after, "spec", "replicas") ?? 0;
  const share = traffic.apex === "target" ? 100 : traffic.weight;
  const wanted = Math.ceil((share * Math.max(1, world.replicasOf(shop.refs.primary))) / 100);
  if (is < was && is < wanted) {
    world.violate(
      "The canary is not scaled down while it has a share",
      `scaled from ${was} to ${is}, with a share of ${share} %, apex to the ${traffic.apex}`,
    );
  }
  const settled = record.zeroSince !== null && world.timeline.elapsed - record.zeroSince >= SETTLE_MS;
  if (is === 0 && was > 0 && shop.refs.route !== null && !settled && record.routeBy.startsWith("serin-")) {
    world.violate("Nothing is scaled down before the route has settled", `share since ${record.zeroSince}`);
  }
  if (is === 0 && was > 0 && world.readyOf(shop.refs.primary) === 0 && !record.troubled) {
    world.violate("The user's target never goes to zero before the primary is ready", "no pod of the primary is ready");
  }
  const moved = digestOf(at(before, "spec", "template") ?? null) !== digestOf(at(after, "spec", "template") ?? null);
  if (moved && (share > 0 || traffic.mirror)) {
    world.violate(
      "The agent moves traffic before it applies",
      `a new template is applied to the target while it has ${share} %${traffic.mirror ? " and a mirror" : ""}`,
    );
  }
}

function primaryWritten(world: World, record: ShopRecord, { before, after }: Change, state: State | null): void {
  const revision = revisionIn(after);
  if (after === undefined || revision === null || revision === revisionIn(before)) return;
  const lock = state?.lock ?? null;
  if (lock?.release.revision !== revision) {
    world.violate(
      "The primary only runs the lock",
      `revision ${revision} is applied while the state's lock is ${lock?.release.revision ?? "none"}`,
    );
  }
  const first = state?.phase === "initialising";
  if (!record.committed.has(revision) && !first) {
    world.violate("The primary only runs what was committed", `revision ${revision} was never a lock in Git`);
  }
}

export function revisionIn(primary: KubeObject | undefined): string | null {
  return stringAt(primary, "spec", "template", "metadata", "annotations", REVISION_ANNOTATION) ?? null;
}

/** Once a second: what must not last. */
function lookAround(world: World, record: ShopRecord, undisturbed: boolean): void {
  const state = world.state(record.shop);
  const { traffic } = record;
  const run = state?.run ?? null;
  const digest = run?.templateDigest ?? null;
  const pods = world.controllers.readyPods(record.shop.refs.target);
  // Once the promotion is committed the two rules meet: a share must not go to a primary that is not ready either.
  const mayTurn = state !== null && !["promoting", "restoring", "finalising"].includes(state.phase);
  const strange = mayTurn && traffic.weight > 0 && digest !== null && pods.some((pod) => pod.template !== digest);
  const orphaned = traffic.weight > 0 && run === null && state !== null;
  if (!(strange || orphaned) || !undisturbed) record.strangeMs = 0;
  else record.strangeMs += 1_000;
  if (record.strangeMs > UNANALYSED_MS) {
    world.violate("Nothing unanalysed gets a share", `${traffic.weight} % go to a template that was not analysed`);
  }
}
