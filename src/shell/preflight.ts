/**
 * What stands in the way of looking after a canary, found before its first write, each with what settles it. Reads
 * caches only.
 */
import type { Canary } from "../core/canary.ts";
import { type KubeObject, listAt, stringAt } from "../core/kube_object.ts";
import { MANAGED_BY_LABEL, MANAGER } from "../core/names.ts";
import type { Release } from "../core/release.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { WorkloadAdapter } from "../ports/workload.ts";
import type { Refs } from "./facts.ts";

/** A person says: this object may be taken over. */
const ADOPT_ANNOTATION = "serin.dev/adopt";

export interface PreflightInput {
  readonly canary: Canary;
  readonly refs: Refs;
  readonly workload: WorkloadAdapter;
  readonly candidate: Release | null;
  readonly engineApplies: boolean;
  /** Why nothing can be pushed, or null. */
  readonly cannotPush: string | null;
}

/** The first thing that blocks, as a sentence with what to do; null when nothing does. */
export function preflight(cluster: Cluster, input: PreflightInput): string | null {
  const { refs, candidate, workload, canary } = input;
  if (input.cannotPush !== null) {
    return `Decisions cannot be written to Git: ${input.cannotPush} Give the agent credentials that may push.`;
  }
  const target = candidate?.target ?? cluster.get(refs.targetRef);
  const refusal = target === undefined ? null : workload.refusal(canary, target);
  if (refusal !== null) return refusal;
  const primary = cluster.get(refs.primaryRef);
  const foreign = primary === undefined ? null : foreignOwner(primary);
  if (foreign !== null) {
    return `"${refs.primary}" belongs to ${foreign}: stop that first, then annotate it with ${ADOPT_ANNOTATION}: "true" to hand it over.`;
  }
  return input.engineApplies ? null : apexByEngine(cluster, refs);
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

/** An apex Service that the engine applies would be taken back by it, selector and all. */
function apexByEngine(cluster: Cluster, refs: Refs): string | null {
  const ref = refs.services[0];
  const apex = ref === undefined ? undefined : cluster.get(ref);
  if (apex === undefined) return null;
  const labels = Object.keys(apex.metadata.labels ?? {});
  const annotations = apex.metadata.annotations ?? {};
  const flux = labels.some((key) =>
    key.startsWith("kustomize.toolkit.fluxcd.io/") || key.startsWith("helm.toolkit.fluxcd.io/")
  );
  const argo = annotations["argocd.argoproj.io/tracking-id"] !== undefined;
  const disabled = annotations["kustomize.toolkit.fluxcd.io/reconcile"] === "disabled";
  const pointsAtPrimary = Object.values(apex.spec?.["selector"] ?? {}).some((value) =>
    String(value).endsWith("-primary")
  );
  if ((!flux && !argo) || disabled || pointsAtPrimary) return null;
  return `The apex Service "${refs.apex}" is applied by ${
    flux ? "Flux" : "Argo CD"
  }: set its selector to the primary's in Git, or annotate it with ${
    flux ? 'kustomize.toolkit.fluxcd.io/reconcile: "disabled"' : 'argocd.argoproj.io/sync-options: "Prune=false"'
  } and take it out of Git after adoption.`;
}
