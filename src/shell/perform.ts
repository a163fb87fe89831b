/**
 * Does what a step decided, in order, stopping at the first failure. Every action may be repeated: each looks at the
 * cache first and writes only what is not so yet. Writes carry the version that the decision saw.
 */
import type { Action } from "../core/action.ts";
import type { Canary } from "../core/canary.ts";
import type { Lock } from "../core/decision.ts";
import { at, type JsonObject, type KubeObject, numberAt, type ObjectRef, refKey, refOf } from "../core/kube_object.ts";
import {
  ARGOCD_SYNC_OPTIONS_ANNOTATION,
  EPOCH_ANNOTATION,
  FENCE_ANNOTATION,
  FLUX_RECONCILE_ANNOTATION,
  FORMER_SYNC_OPTIONS_ANNOTATION,
  MANAGED_BY_LABEL,
  MANAGER,
  REVISION_ANNOTATION,
} from "../core/names.ts";
import type { Release } from "../core/release.ts";
import type { State } from "../core/state.ts";
import { isSubset } from "../core/subset.ts";
import { ConflictError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { RouteWrite } from "../ports/router.ts";
import { copiesOf, type Copying, makeCopies, pruneCopies } from "./copies.ts";
import { choose, type Chosen, engineOf, ownersOf, present, type Refs, refsOf, withSelector } from "./facts.ts";
import { fenceConfigs, fencesConfigs, type Fencing, unfenceConfigs, versionOf } from "./fence.ts";
import { takeMarksOff } from "./marks.ts";
import { protectLive } from "./protect.ts";
import type { Captures } from "./captures.ts";
import { type Capturing, keepRendered, keptPrimaries, renderedLock } from "./rendered_primary.ts";
import { scalerToCopy } from "./scaler_facts.ts";
import type { Tables } from "./tables.ts";

/** A 409 over a mere status change is tried again this often; anything else ends the turn. */
const CONFLICT_RETRIES_MAX = 5;

export interface Performers {
  readonly cluster: Cluster;
  readonly tables: Tables;
  readonly defaultEngine: string;
  /** Key of the hashes that name Secrets' copies, and what engines rendered; null: no Secret is ever asked for. */
  readonly secretKey: string | null;
  readonly captures: Captures;
  /** New each time it is called: the token that asks an engine to look again. */
  readonly token: () => string;
  readonly announce: (canary: Canary, state: State, action: Extract<Action, { type: "announce" }>) => Promise<void>;
  readonly callHooks: (canary: Canary, state: State, action: Extract<Action, { type: "call-hooks" }>) => void;
  readonly wake: (at: number) => void;
}

export interface Doing {
  readonly canary: Canary;
  readonly state: State;
  /** The target's autoscaler as the tip declares it, or null where it does not. */
  readonly scaler: KubeObject | null;
  readonly ledger: Ledger;
  readonly signal: AbortSignal;
}

interface Work extends Doing {
  readonly does: Performers;
  readonly chosen: Chosen;
  readonly refs: Refs;
}

export async function perform(does: Performers, doing: Doing, actions: readonly Action[]): Promise<void> {
  const chosen = choose(does.tables, doing.canary);
  const work: Work = { ...doing, does, chosen, refs: refsOf(doing.canary, chosen.scaler) };
  for (const action of actions) await performOne(work, action);
}

async function performOne(work: Work, action: Action): Promise<void> {
  const { does, canary, state } = work;
  switch (action.type) {
    case "apply-primary":
      return await applyPrimary(work, action);
    case "apply-services":
      return await applyServices(work, action.apex);
    case "apply-target":
      return await applyTarget(work, action.release);
    case "scale-target":
      return await scale(work, work.refs.targetRef, action.replicas);
    case "scale-primary":
      return await scale(work, work.refs.primaryRef, action.replicas);
    case "floor-primary":
      return await floorPrimary(work, action.floor);
    case "route":
      return await applyRoutes(work, work.chosen.router.render(canary, action.routes, routeObjects(work)));
    case "capture":
      return await keepRendered(capturing(work), action.release);
    case "fence":
      return await fence(work, action.rollout);
    case "unfence":
      return await unfence(work, action.gone);
    case "refresh-engine":
      return await refresh(work);
    case "protect-live":
      return await protectLive(does.cluster, work.refs, work.signal);
    case "prune-copies":
      return await pruneCopies(copying(work), {
        kept: await keptPrimaries(capturing(work), state),
        primary: does.cluster.get(work.refs.primaryRef),
      });
    case "submit":
      return work.ledger.submit(action.decision);
    case "withdraw":
      return void await work.ledger.withdraw(action.decision);
    case "call-hooks":
      return does.callHooks(canary, state, action);
    case "lead-over":
      return await leadOver(work, action.to);
    case "remove-derived":
      return await removeDerived(work, action.restoreRoutes);
    case "announce":
      return await does.announce(canary, state, action);
    case "wake":
      return does.wake(action.at);
  }
}

function engine(work: Work): EngineAdapter {
  const live = work.does.cluster.get(work.refs.targetRef);
  return engineOf(work.does.tables, work.canary, live, work.does.defaultEngine);
}

function routeObjects(work: Work): readonly KubeObject[] {
  return present(work.does.cluster, work.chosen.router.needs(work.canary));
}

/** Server-side apply on the version that the cache has; what is there already costs nothing. */
async function applyOver(work: Work, object: KubeObject): Promise<KubeObject> {
  const { cluster } = work.does;
  const live = cluster.get(refOf(object));
  const version = live?.metadata.resourceVersion;
  return await withRetries(work, refOf(object), version, (resourceVersion) =>
    cluster.apply(object, {
      force: true,
      signal: work.signal,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    }));
}

/** Tries a write again while only the status moved since the version that was decided on. */
async function withRetries<T>(
  work: Work,
  ref: ObjectRef,
  version: string | undefined,
  write: (resourceVersion: string | undefined) => Promise<T>,
): Promise<T> {
  const { cluster } = work.does;
  const decided = cluster.get(ref);
  let resourceVersion = version;
  for (let attempt = 0;; attempt += 1) {
    try {
      return await write(resourceVersion);
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt >= CONFLICT_RETRIES_MAX) throw error;
      const live = await cluster.live(ref, work.signal);
      if (live === undefined || decided === undefined || !onlyStatusMoved(decided, live)) throw error;
      resourceVersion = live.metadata.resourceVersion;
    }
  }
}

/** Marks whose change is a decision of somebody's; all else in annotations may be a controller's bookkeeping. */
const DECIDED_ANNOTATIONS = [
  EPOCH_ANNOTATION,
  FENCE_ANNOTATION,
  REVISION_ANNOTATION,
  FLUX_RECONCILE_ANNOTATION,
  ARGOCD_SYNC_OPTIONS_ANNOTATION,
  FORMER_SYNC_OPTIONS_ANNOTATION,
];

function onlyStatusMoved(decided: KubeObject, live: KubeObject): boolean {
  const sameMarks = DECIDED_ANNOTATIONS.every((key) =>
    decided.metadata.annotations?.[key] === live.metadata.annotations?.[key]
  );
  return sameMarks && decided.metadata.uid === live.metadata.uid && isSubset(decided.spec ?? {}, live.spec ?? {}) &&
    isSubset(live.spec ?? {}, decided.spec ?? {});
}

async function applyPrimary(work: Work, action: Extract<Action, { type: "apply-primary" }>): Promise<void> {
  const { cluster } = work.does;
  const lock = await renderedLock(capturing(work), action.lock);
  await makeCopies(copying(work), lock);
  const before = cluster.get(work.refs.primaryRef);
  // First, since only a primary that is not as it should be is applied again: a scaler that failed after it would stay.
  if (before !== undefined) await applyScaler(work, lock, action.floor);
  const stored = await applyOver(work, lock.primary);
  const declared = numberAt(lock.release.target, "spec", "replicas");
  const has = numberAt(stored, "spec", "replicas") ?? 1;
  const scaled = work.chosen.scaler !== null;
  const wanted = before === undefined
    ? action.replicas
    : scaled || declared === undefined || declared === 0
    ? Math.max(has, has === 0 ? action.replicas : has)
    : Math.max(declared, action.floor ?? 0);
  if (wanted !== has) await scale(work, work.refs.primaryRef, wanted);
  if (before === undefined) await applyScaler(work, lock, action.floor);
}

async function applyScaler(work: Work, lock: Lock, floor: number | null): Promise<void> {
  const { scaler } = work.chosen;
  const { scalerRef } = work.refs;
  if (scaler === null || scalerRef === null) return;
  const original = scalerToCopy({ declared: work.scaler, lock, target: work.does.cluster.get(scalerRef) });
  if (original === undefined) return;
  const wanted = scaler.primary(work.canary, original, floor);
  const live = work.does.cluster.get(refOf(wanted));
  if (live !== undefined && isSubset(wanted.spec ?? {}, live.spec ?? {})) return;
  await applyOver(work, wanted);
}

async function floorPrimary(work: Work, floor: number | null): Promise<void> {
  const { lock } = work.state;
  if (lock !== null && work.chosen.scaler !== null) await applyScaler(work, lock, floor);
}

async function applyServices(work: Work, apex: "primary" | "target"): Promise<void> {
  const { cluster, tables } = work.does;
  const { run, lock } = work.state;
  const manifest = withSelector(cluster.get(work.refs.targetRef), run?.release.target, lock?.release.target);
  if (manifest === undefined) return;
  const live = present(cluster, work.refs.services);
  for (const service of tables.services(work.canary, { apexSelects: apex, target: manifest, live })) {
    // Until the apex moves to the primary it belongs to the user, and is left alone.
    const early = apex === "target" && service.metadata.name === work.refs.apex && work.state.phase === "initialising";
    if (!early) await applyOver(work, service);
  }
}

/** Engine `self`: the release unit as Git declares it, without replicas; configs first. */
async function applyTarget(work: Work, release: Release): Promise<void> {
  const { cluster } = work.does;
  const { namespace } = work.canary.id;
  for (const config of release.configs) {
    if (config.declared === null || config.declared.kind !== config.kind) continue;
    const object = { ...config.declared, metadata: { ...config.declared.metadata, namespace } };
    await cluster.apply(object, { force: true, signal: work.signal });
  }
  const target = work.chosen.workload.target(work.canary, release);
  const marked: KubeObject = {
    ...target,
    metadata: {
      ...target.metadata,
      namespace,
      annotations: { ...target.metadata.annotations, [REVISION_ANNOTATION]: release.revision },
    },
  };
  const before = cluster.get(work.refs.targetRef);
  await applyOver(work, marked);
  if (before === undefined && work.state.lock !== null) await scale(work, work.refs.targetRef, 0);
  if (release.scaler !== null) {
    await cluster.apply({ ...release.scaler, metadata: { ...release.scaler.metadata, namespace } }, {
      force: true,
      signal: work.signal,
    });
  }
}

async function scale(work: Work, ref: ObjectRef, replicas: number): Promise<void> {
  const { cluster } = work.does;
  const live = cluster.get(ref);
  if (live === undefined || numberAt(live, "spec", "replicas") === replicas) return;
  await withRetries(work, ref, live.metadata.resourceVersion, (resourceVersion) =>
    cluster.scale(ref, replicas, {
      signal: work.signal,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    }));
}

async function applyRoutes(work: Work, writes: readonly RouteWrite[]): Promise<void> {
  for (const write of writes) await applyOver(work, write.object);
}

async function leadOver(work: Work, to: "ours" | "apex"): Promise<void> {
  const { router } = work.chosen;
  const live = routeObjects(work);
  const steps = router.leadOver?.step(work.canary, live, to);
  await applyRoutes(work, steps ?? (to === "apex" ? router.release(work.canary, live).restore : []));
}

async function patchTarget(work: Work, patch: JsonObject | null): Promise<void> {
  if (patch === null) return;
  const { cluster } = work.does;
  const live = cluster.get(work.refs.targetRef);
  if (live === undefined || isSubset(patch, live)) return;
  await withRetries(
    work,
    work.refs.targetRef,
    live.metadata.resourceVersion,
    (resourceVersion) =>
      cluster.patch(work.refs.targetRef, patch, {
        signal: work.signal,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      }),
  );
}

/** ConfigMaps first: the share waits for the mark on the target. */
async function fence(work: Work, rollout: string): Promise<void> {
  const target = work.does.cluster.get(work.refs.targetRef);
  const patch = target === undefined ? null : engine(work).fence(rollout, target);
  if (patch === null || target === undefined) return;
  if (fencesConfigs(patch)) await fenceConfigs(fencing(work, target), patch, engine(work).ours);
  await patchTarget(work, patch);
}

/**
 * Takes our fence off, the target's mark last, and asks the engine to reconcile at once: a hotfix must not wait. Of what
 * left Git meanwhile, that which the engine has forgotten is deleted.
 */
async function unfence(work: Work, gone: readonly ObjectRef[]): Promise<void> {
  const { cluster } = work.does;
  const live = cluster.get(work.refs.targetRef);
  if (live === undefined || engine(work).ours(live) !== true) return;
  const patch = engine(work).unfence(live);
  const owners = ownersOf(cluster, engine(work), live);
  const keys = new Set(gone.map(refKey));
  const givenUp = (object: KubeObject): boolean =>
    keys.has(refKey(refOf(object))) && engine(work).forgotten(object, owners);
  if (patch !== null && fencesConfigs(patch)) await unfenceConfigs(fencing(work, live), patch, givenUp);
  if (givenUp(live)) return await cluster.remove(refOf(live), versionOf(live, work.signal));
  await patchTarget(work, patch);
  await refresh(work);
}

function fencing(work: Work, target: KubeObject): Fencing {
  return {
    cluster: work.does.cluster,
    canary: work.canary,
    target,
    primary: work.refs.primaryRef,
    signal: work.signal,
  };
}

function copying(work: Work): Copying {
  const { cluster, secretKey } = work.does;
  return { cluster, copiesSecrets: secretKey !== null, canary: work.canary, signal: work.signal };
}

function capturing(work: Work): Capturing {
  const { captures, secretKey } = work.does;
  const { workload } = work.chosen;
  return { copying: copying(work), captures, key: secretKey, workload, ref: work.refs.targetRef, engine: engine(work) };
}

async function refresh(work: Work): Promise<void> {
  const live = work.does.cluster.get(work.refs.targetRef);
  if (live === undefined) return;
  const owners = engine(work).owner(live) ?? [];
  const sources = present(work.does.cluster, owners).flatMap((owner) => work.does.tables.engineSources(owner));
  for (const { ref, patch } of engine(work).refresh([...owners, ...sources], work.does.token())) {
    await work.does.cluster.patch(ref, patch, { signal: work.signal });
  }
}

/** Routes, services, primary, its scaler, copies: in this order, and only what carries our label. */
async function removeDerived(work: Work, restoreRoutes: boolean): Promise<void> {
  const { cluster } = work.does;
  const left = work.chosen.router.release(work.canary, routeObjects(work));
  if (restoreRoutes) {
    const { targetRef, services: [apex] } = work.refs;
    const target = cluster.get(targetRef);
    if (target !== undefined && apex !== undefined) {
      const live = present(cluster, [apex]);
      const wanted = work.does.tables.services(work.canary, { apexSelects: "target", target, live, handsBack: true });
      for (const service of wanted) if (service.metadata.name === apex.name) await applyOver(work, service);
    }
    const staying = [...work.chosen.router.needs(work.canary), ...(apex === undefined ? [] : [apex]), targetRef];
    await takeMarksOff(cluster, staying, work.signal);
  }
  const { primaryService, canaryService } = work.refs;
  const services = work.refs.services.filter((ref) =>
    !restoreRoutes || ref.name === primaryService || ref.name === canaryService
  );
  const workloads = [work.refs.primaryScalerRef, work.refs.primaryRef].flatMap((ref) => ref === null ? [] : [ref]);
  const copies = await copiesOf(copying(work));
  const seen = new Set<string>();
  for (const ref of [...left.remove, ...services, ...workloads]) {
    if (seen.has(refKey(ref))) continue;
    seen.add(refKey(ref));
    const live = cluster.get(ref);
    if (live !== undefined && at(live, "metadata", "labels", MANAGED_BY_LABEL) === MANAGER) {
      await cluster.remove(ref, { signal: work.signal });
    }
  }
  for (const copy of copies) await cluster.remove(refOf(copy), { signal: work.signal });
}
