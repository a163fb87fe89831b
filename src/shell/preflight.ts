/**
 * What stands in the way of looking after a canary, found before its first write, each with what settles it. Reads
 * caches only.
 */
import type { Canary } from "../core/canary.ts";
import { type KubeObject, listAt, numberAt, objectAt, type ObjectRef, stringAt } from "../core/kube_object.ts";
import { MANAGED_BY_LABEL, MANAGER } from "../core/names.ts";
import type { Release } from "../core/release.ts";
import { BugError, ForeignError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { WorkloadAdapter } from "../ports/workload.ts";
import { changedByEngine } from "./engine_changes.ts";
import { ownersOf, type Refs } from "./facts.ts";
import { undecided } from "./undecided.ts";

/** A person says: this object may be taken over. */
export const ADOPT_ANNOTATION = "serin.dev/adopt";

export interface PreflightInput {
  readonly canary: Canary;
  readonly refs: Refs;
  readonly workload: WorkloadAdapter;
  readonly candidate: Release | null;
  readonly engine: EngineAdapter;
  /** Replicas that an engine wrote which renders the target; null: it does not, or leaves them alone. */
  readonly renderedReplicas: number | null;
  /** Renders the routes over the live ones, as the first write will. */
  readonly renderRoutes: () => unknown;
  /** Whether the canary's own source declares an object. */
  readonly declares: (ref: ObjectRef) => boolean;
  /** Why nothing can be pushed, or null. */
  readonly cannotPush: string | null;
  /** A lock is in Git or remembered. */
  readonly locked: boolean;
}

/** The first thing that blocks, as a sentence with what to do; null when nothing does. */
export function preflight(cluster: Cluster, input: PreflightInput): string | null {
  const { refs, candidate, workload, canary } = input;
  if (input.cannotPush !== null) {
    return `Decisions cannot be written to Git: ${input.cannotPush} Give the agent credentials that may push.`;
  }
  const live = cluster.get(refs.targetRef);
  const target = candidate?.rendering !== undefined ? live : candidate?.target ?? live;
  const unknown = undecided(input.engine, refs.target);
  // With a lock the primary can be brought up all the same; only the next candidate waits for its engine.
  if (unknown !== null && !input.locked) return unknown;
  const refusal = target === undefined ? null : workload.refusal(canary, target);
  if (refusal !== null) return refusal;
  const primary = cluster.get(refs.primaryRef);
  const foreign = primary === undefined ? null : foreignOwner(primary);
  if (foreign !== null) {
    return `"${refs.primary}" belongs to ${foreign}: stop that first, then annotate it with ${ADOPT_ANNOTATION}: "true" to hand it over.`;
  }
  const route = foreignRoute(input);
  if (route !== null) return route;
  if (input.engine.applies) return null;
  // A primary that is still to be brought up from its lock needs no candidate.
  const owners = input.locked && primary === undefined ? [] : ownersOf(cluster, input.engine, live);
  return missingKind(cluster, input) ?? replicasByEngine(input) ?? apexByEngine(cluster, input) ??
    changedByEngine(owners, canary, candidate);
}

/** Who else looks after an object; null when it is ours or was handed over. */
function foreignOwner(object: KubeObject): string | null {
  if (object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGER) return null;
  if (object.metadata.annotations?.[ADOPT_ANNOTATION] === "true") return null;
  const owner = listAt(object, "metadata", "ownerReferences").find((reference) =>
    stringAt(reference, "kind") === "Canary"
  );
  if (owner !== undefined) return `Flagger's Canary "${stringAt(owner, "name") ?? ""}"`;
  return "someone else (it does not carry our label)";
}

/** A route that may not be taken over is found by what a write would say, before anything else was written. */
function foreignRoute({ renderRoutes }: PreflightInput): string | null {
  try {
    renderRoutes();
    return null;
  } catch (error) {
    if (error instanceof ForeignError) return `${error.message}. ${error.fix ?? "Remove it"}.`;
    // What else cannot be rendered is told by the write itself, and keeps nobody from going back.
    return null;
  }
}

/** An engine that syncs the Canary's file fails as a whole while the kind is not installed. */
function missingKind(cluster: Cluster, { canary, refs, engine, candidate }: PreflightInput): string | null {
  if (isWatched(cluster, canary.api)) return null;
  const target = cluster.get(refs.targetRef);
  const [ref] = (target === undefined ? null : engine.owner(target)) ?? [];
  const owner = ref === undefined ? undefined : cluster.get(ref);
  const path = stringAt(owner, "spec", "path") ?? stringAt(owner, "spec", "source", "path");
  if (owner === undefined || path === undefined) return null;
  // A kind that may only not be watched is no reason: then the engine is well.
  if (engine.applied(candidate?.commit ?? "", [owner]).type !== "failed") return null;
  const folder = path.replace(/^\.?\/+|\/+$/g, "").replace(/^\.$/, "");
  if (folder !== "" && !canary.source.file.startsWith(`${folder}/`)) return null;
  const group = canary.api.split("/")[0] ?? "";
  return `${owner.kind} "${owner.metadata.name}" syncs "${canary.source.file}", and the kind Canary of ${group} is not installed, so that all of it fails: apply deploy/crds/${group}_canaries.yaml, or move the Canary out of "${
    folder || "/"
  }".`;
}

/** Canaries are watched wherever their kind is served. */
function isWatched(cluster: Cluster, api: string): boolean {
  try {
    cluster.all(api, "Canary");
    return true;
  } catch (error) {
    if (error instanceof BugError) return false;
    throw error;
  }
}

/** An engine that names replicas starts the target's pods again whenever they rest at none. */
function replicasByEngine({ candidate, refs, engine, renderedReplicas }: PreflightInput): string | null {
  const rendered = engine.restates ? renderedReplicas ?? undefined : undefined;
  const declared = candidate === null || candidate.rendering !== undefined
    ? rendered
    : numberAt(candidate.target, "spec", "replicas");
  if (declared === undefined || declared === 0) return null;
  return `${refs.targetRef.kind} "${refs.target}" names spec.replicas (${declared}), which ${
    nameOf(engine)
  } would write again while the target rests at none: take spec.replicas out of its manifest. The live number stays as it is.`;
}

/**
 * An apex Service that an engine applies would be taken back by it, selector and all. Flux leaves it alone from the
 * write that moves it to the primary, which carries its annotation for that; Argo CD and Helm do not.
 */
function apexByEngine(cluster: Cluster, { refs, declares }: PreflightInput): string | null {
  const ref = refs.services[0];
  const apex = ref === undefined ? undefined : cluster.get(ref);
  if (ref === undefined || apex === undefined) return null;
  const selector = Object.values(objectAt(apex, "spec", "selector"));
  if (selector.some((value) => String(value).endsWith("-primary"))) return null;
  const annotations = apex.metadata.annotations ?? {};
  if (apex.metadata.labels?.["helm.toolkit.fluxcd.io/name"] !== undefined) {
    return `The apex Service "${refs.apex}" is part of a Helm release, which would take it back: take it out of the chart's values first, with helm.sh/resource-policy: keep.`;
  }
  if (annotations["argocd.argoproj.io/tracking-id"] === undefined) return null;
  const isSafe = (annotations["argocd.argoproj.io/sync-options"] ?? "").includes("Prune=false");
  if (isSafe && !declares(ref)) return null;
  return `The apex Service "${refs.apex}" is applied by Argo CD, which would take it back: take it out of Git. It is annotated with argocd.argoproj.io/sync-options: Prune=false and goes on serving.`;
}

function nameOf(engine: EngineAdapter): string {
  return engine.id === "argocd" ? "Argo CD" : "Flux";
}
