/** What the watch caches say about a canary: costs no request. */
import type { Canary } from "../core/canary.ts";
import { digestOf } from "../core/digest.ts";
import {
  at,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
  type ObjectRef,
  refOf,
  stringAt,
} from "../core/kube_object.ts";
import { type Names, namesOf, REVISION_ANNOTATION } from "../core/names.ts";
import type { ClusterFacts, Leaving } from "../core/observation.ts";
import { type Release, releaseOf } from "../core/release.ts";
import type { State } from "../core/state.ts";
import { isSubset } from "../core/subset.ts";
import { InvalidSpecError } from "../errors.ts";
import type { ClusterIdentity } from "../core/decision.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { RouterAdapter } from "../ports/router.ts";
import type { ScalerAdapter } from "../ports/scaler.ts";
import type { WorkloadAdapter } from "../ports/workload.ts";
import { configMapsOf, fencesConfigs } from "./fence.ts";
import { primaryScalerDrifted, targetScalerDrifted } from "./scaler_facts.ts";
import type { Tables } from "./tables.ts";
import { DETECT, UNDECIDED } from "./undecided.ts";

/** The adapters that one canary uses. */
export interface Chosen {
  readonly router: RouterAdapter;
  readonly workload: WorkloadAdapter;
  readonly scaler: ScalerAdapter | null;
}

export function choose(tables: Tables, canary: Canary): Chosen {
  const router = tables.routers.get(canary.provider);
  if (router === undefined) throw unsupported(canary, `provider "${canary.provider}"`, [...tables.routers.keys()]);
  const id = `${canary.target.apiVersion}/${canary.target.kind}`;
  const workload = tables.workloads.get(id);
  if (workload === undefined) throw unsupported(canary, `target kind "${id}"`, [...tables.workloads.keys()]);
  if (canary.scaler === null) return { router, workload, scaler: null };
  const scaler = [...tables.scalers.values()].find((adapter) => adapter.kind === canary.scaler?.kind);
  if (scaler === undefined) throw unsupported(canary, `autoscaler "${canary.scaler.kind}"`, [...tables.scalers.keys()]);
  return { router, workload, scaler };
}

function unsupported(canary: Canary, what: string, known: readonly string[]): InvalidSpecError {
  const { namespace, name } = canary.id;
  return new InvalidSpecError(`Cannot look after "${namespace}/${name}": ${what} is not supported`, {
    fix: `Use one of ${known.join(", ")}`,
  });
}

export interface Refs extends Names {
  readonly targetRef: ObjectRef;
  readonly primaryRef: ObjectRef;
  readonly scalerRef: ObjectRef | null;
  readonly primaryScalerRef: ObjectRef | null;
  readonly services: readonly ObjectRef[];
}

export function refsOf(canary: Canary, scaler: ScalerAdapter | null): Refs {
  const names = namesOf(canary);
  const { namespace } = canary.id;
  const { apiVersion, kind } = canary.target;
  const scalerRef = (name: string | null): ObjectRef | null =>
    scaler === null || name === null ? null : { apiVersion: scaler.apiVersion, kind: scaler.kind, namespace, name };
  return {
    ...names,
    targetRef: { apiVersion, kind, namespace, name: names.target },
    primaryRef: { apiVersion, kind, namespace, name: names.primary },
    scalerRef: scalerRef(names.scaler),
    primaryScalerRef: scalerRef(names.primaryScaler),
    services: [names.apex, names.primaryService, names.canaryService].map((name) => ({
      apiVersion: "v1",
      kind: "Service",
      namespace,
      name,
    })),
  };
}

/** The engine that applies a target: as the spec says, else by whose marks it carries. */
export function engineOf(
  tables: Tables,
  canary: Canary,
  live: KubeObject | undefined,
  fallback: string,
): EngineAdapter {
  const byId = (id: string): EngineAdapter => {
    // One engine may apply in several ways (Flux: Kustomization or Helm), each with a fence of its own.
    const rows = [...tables.engines.values()].filter((engine) => engine.id === id);
    const found = rows.find((engine) => live !== undefined && engine.owner(live) !== null) ?? rows[0];
    if (found === undefined) throw unsupported(canary, `engine "${id}"`, [...tables.engines.keys()]);
    return found;
  };
  if (canary.engine !== null) return byId(canary.engine);
  if (live !== undefined) {
    for (const engine of tables.engines.values()) if (!engine.applies && engine.owner(live) !== null) return engine;
  }
  if (fallback !== DETECT) return byId(fallback);
  // A target without anybody's marks was applied by hand or by us; one that is not there may be anybody's.
  return live === undefined ? UNDECIDED : byId("self");
}

export interface FactsInput {
  readonly canary: Canary;
  readonly state: State;
  /** The candidate at the tip, or null. */
  readonly candidate: Release | null;
  /** The tip, or null before the first fetch. */
  readonly tip: string | null;
  readonly identity: ClusterIdentity;
  readonly defaultEngine: string;
  readonly blocked: string | null;
  /** The remembered lock's primary, also where the state has an outline of it alone; null: there is no lock. */
  readonly lockPrimary: KubeObject | null;
  readonly captured: boolean;
  /** Whether the tip certainly declares an object no more: read in full, and not there. */
  readonly undeclared: (ref: ObjectRef) => boolean;
}

/** Reads all that is known of a canary's objects. Throws InvalidSpecError where no adapter fits. */
export function clusterFacts(cluster: Cluster, tables: Tables, input: FactsInput): ClusterFacts {
  const { canary, state, candidate } = input;
  const chosen = choose(tables, canary);
  const refs = refsOf(canary, chosen.scaler);
  const target = cluster.get(refs.targetRef);
  const primary = cluster.get(refs.primaryRef);
  const engine = engineOf(tables, canary, target, input.defaultEngine);
  const routeObjects = present(cluster, chosen.router.needs(canary));
  const routes = chosen.router.read(canary, routeObjects);
  const scaler = refs.scalerRef === null ? undefined : cluster.get(refs.scalerRef);
  const manifest = withSelector(target, candidate?.target, state.lock?.release.target);
  const isRendered = candidate?.rendering !== undefined;
  const apex = manifest === undefined ? "absent" : apexOf(cluster, refs, tables.selector(manifest));
  return {
    uid: input.identity.uid,
    clusterName: input.identity.name,
    target: chosen.workload.read(target),
    primary: chosen.workload.read(primary),
    primaryDrifted: primary !== undefined && input.lockPrimary !== null && drifted(input.lockPrimary, primary),
    engineApplies: engine.applies,
    targetRevision: target?.metadata.annotations?.[REVISION_ANNOTATION] ?? null,
    routes,
    leadsOver: leadsOver(chosen.router, input, routeObjects),
    apex,
    servicesReady: manifest !== undefined && servicesReady(cluster, tables, { canary, refs, manifest, apex }),
    applied: isRendered
      ? rendered(engine, ownersOf(cluster, engine, target))
      : engine.applies
      ? { type: "applied", message: "The agent applies it." }
      : applied(engine, input, ownersOf(cluster, engine, target)),
    liveRelease: isRendered ? candidate : target === undefined ? null : liveRelease(target, canary),
    fence: target === undefined ? "none" : fenceOf(engine, target),
    fenceRun: target === undefined ? null : engine.fencedBy(target),
    targetUndeclared: input.undeclared(refs.targetRef),
    leaving: target === undefined
      ? null
      : leavingOf(engine, input, { target, owners: ownersOf(cluster, engine, target) }),
    heldUp: target === undefined ? null : engine.holdsUp(target, ownersOf(cluster, engine, target)),
    captured: input.captured,
    fenceNeeded: engine.fence("") !== null,
    primaryScalerDrifted: primaryScalerDrifted(canary, chosen.scaler, {
      declared: candidate?.scaler ?? null,
      lock: state.lock,
      target: scaler,
      primary: refs.primaryScalerRef === null ? undefined : cluster.get(refs.primaryScalerRef),
    }),
    targetScalerDrifted: chosen.scaler !== null && targetScalerDrifted(candidate, scaler),
    scalerMinimum: scaler === undefined || chosen.scaler === null ? 0 : chosen.scaler.minimum(scaler),
    declaredReplicas: numberAt(isRendered ? target : candidate?.target ?? target, "spec", "replicas") ?? 1,
    blocked: input.blocked,
  };
}

/** Asked for only where routes are led over, since a router may refuse to look at what is somebody else's. */
function leadsOver(
  router: RouterAdapter,
  { canary, state }: FactsInput,
  live: readonly KubeObject[],
): ClusterFacts["leadsOver"] {
  if (state.phase === "initialising") return router.leadOver?.pending(canary, live, "ours") ?? null;
  if (state.phase !== "handing-back") return null;
  if (router.leadOver !== undefined) return router.leadOver.pending(canary, live, "apex");
  return router.release(canary, live).restore.length === 0 ? null : "first";
}

/** A later commit counts too, as long as the tip still declares the same revision: an engine may skip commits. */
function applied(engine: EngineAdapter, input: FactsInput, owners: readonly KubeObject[]): ClusterFacts["applied"] {
  const { state, candidate, tip } = input;
  const release = state.run?.release ?? candidate;
  const first = engine.applied(release?.commit ?? "", owners);
  const isSame = release !== null && candidate?.revision === release.revision;
  if (first.type === "applied" || tip === null || !isSame || tip === release.commit) return first;
  const later = engine.applied(tip, owners);
  return later.type === "pending" && first.type === "failed" ? first : later;
}

/**
 * There is a candidate only once the engine has said what it rendered it from. Asked after a fence came off, it is about to
 * render something newer.
 */
function rendered(engine: EngineAdapter, owners: readonly KubeObject[]): ClusterFacts["applied"] {
  return engine.isAsked(owners)
    ? { type: "pending", message: "It is asked to look at the tip, and has not done so yet." }
    : { type: "applied", message: "The engine rendered it." };
}

/** The first that says how its pods are told: of what an engine rendered, a lock from Git does not. */
export function withSelector(...known: readonly (KubeObject | undefined)[]): KubeObject | undefined {
  return known.find((one) => one?.spec?.["selector"] !== undefined);
}

/** The live objects by which an engine owns a target. */
export function ownersOf(
  cluster: Cluster,
  engine: EngineAdapter,
  target: KubeObject | undefined,
): readonly KubeObject[] {
  return present(cluster, (target === undefined ? null : engine.owner(target)) ?? []);
}

/** Behind a fence that keeps an engine from deleting too: the target, and its ConfigMaps where they are fenced as well. */
function leavingOf(
  engine: EngineAdapter,
  { canary, tip, undeclared }: FactsInput,
  live: { readonly target: KubeObject; readonly owners: readonly KubeObject[] },
): Leaving | null {
  if (engine.ours(live.target) !== true || !engine.keeps(live.target)) return null;
  // Git declares no such target: whether it left is what the engine says.
  if (canary.render === "live") {
    return engine.forgotten(live.target, live.owners) ? { refs: [refOf(live.target)], applied: true } : null;
  }
  const configs = fencesConfigs(engine.fence("")) ? configMapsOf(live.target) : [];
  const refs = [refOf(live.target), ...configs].filter(undeclared);
  if (refs.length === 0) return null;
  return { refs, applied: tip !== null && engine.applied(tip, live.owners).type === "applied" };
}

export function present(cluster: Cluster, refs: readonly ObjectRef[]): readonly KubeObject[] {
  return refs.flatMap((ref) => {
    const object = cluster.get(ref);
    return object === undefined ? [] : [object];
  });
}

/** Metadata but labels and annotations of ours is the server's; replicas are the scaler's. */
function drifted(applied: KubeObject, live: KubeObject): boolean {
  const { annotations, labels } = applied.metadata;
  const spec: JsonObject = objectAt(applied, "spec");
  const { replicas: _replicas, ...rest } = spec;
  return !isSubset({ labels: labels ?? {}, annotations: annotations ?? {} }, live.metadata) ||
    !isSubset(rest, live.spec);
}

function apexOf(
  cluster: Cluster,
  refs: Refs,
  selector: { readonly key: string; readonly value: string },
): ClusterFacts["apex"] {
  const ref = refs.services[0];
  const apex = ref === undefined ? undefined : cluster.get(ref);
  if (apex === undefined) return "absent";
  return stringAt(apex, "spec", "selector", selector.key) === `${selector.value}-primary` ? "primary" : "target";
}

function servicesReady(
  cluster: Cluster,
  tables: Tables,
  input: {
    readonly canary: Canary;
    readonly refs: Refs;
    readonly manifest: KubeObject;
    readonly apex: ClusterFacts["apex"];
  },
): boolean {
  const apexSelects = input.apex === "primary" ? "primary" : "target";
  const live = present(cluster, input.refs.services);
  const missing = tables.services(input.canary, { apexSelects, target: input.manifest, live });
  // Before the apex has moved, a missing or foreign apex is no reason to write it.
  return missing.every((service) => apexSelects === "target" && service.metadata.name === input.refs.apex);
}

function fenceOf(engine: EngineAdapter, target: KubeObject): ClusterFacts["fence"] {
  const ours = engine.ours(target);
  return ours === null ? "none" : ours ? "ours" : "foreign";
}

/** What runs, as if Git had declared it: for a first lock where Git declares something else. */
function liveRelease(target: KubeObject, canary: Canary): Release {
  const { name, namespace, labels, annotations } = target.metadata;
  const kept = Object.fromEntries(
    Object.entries(annotations ?? {}).filter(([key]) =>
      !key.startsWith("kubectl.kubernetes.io/") && !key.startsWith("deployment.kubernetes.io/")
    ),
  );
  const manifest: KubeObject = {
    apiVersion: target.apiVersion,
    kind: target.kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(Object.keys(kept).length === 0 ? {} : { annotations: kept }),
    },
    ...(target.spec === undefined ? {} : { spec: target.spec }),
  };
  return releaseOf("", manifest, () => null, { scaler: null, tracking: canary.configTracking !== "off" });
}

/** A digest of the live pod template, as `WorkloadView.templateDigest` has it. */
export function templateDigest(object: KubeObject): string {
  return digestOf(at(object, "spec", "template") ?? null);
}
