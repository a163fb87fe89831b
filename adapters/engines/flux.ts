/**
 * Flux: what kustomize-controller and helm-controller say of a target they apply, how they are asked to look again, and
 * how they are kept from starting unanalysed pods. They are two rows, since helm-controller heeds no annotation.
 */
import { canonicalJson } from "../../src/core/digest.ts";
import {
  at,
  isJsonObject,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  type ObjectRef,
  stringAt,
} from "../../src/core/kube_object.ts";
import { FENCE_ANNOTATION, FLUX_RECONCILE_ANNOTATION } from "../../src/core/names.ts";
import type { AppliedView, EngineAdapter } from "../../src/ports/engine.ts";
import { pauseFence } from "./parts/pause_fence.ts";

const KUSTOMIZE = "kustomize.toolkit.fluxcd.io";
const HELM = "helm.toolkit.fluxcd.io";
const REQUESTED_ANNOTATION = "reconcile.fluxcd.io/requestedAt";

/** Targets of a Kustomization. @see https://fluxcd.io/flux/components/kustomize/kustomizations/ */
export const flux = {
  id: "flux",
  applies: false,
  owner: (target) =>
    helmOwner(target) ?? labelled(target, KUSTOMIZE, { apiVersion: `${KUSTOMIZE}/v1`, kind: "Kustomization" }),
  applied,
  refresh,
  fence: (rollout) => ({
    metadata: { annotations: { [FLUX_RECONCILE_ANNOTATION]: "disabled", [FENCE_ANNOTATION]: rollout } },
  }),
  unfence: () => ({ metadata: { annotations: { [FLUX_RECONCILE_ANNOTATION]: null, [FENCE_ANNOTATION]: null } } }),
  // Neither applied nor pruned, nor the ConfigMaps that carry the same mark.
  keeps: (target) =>
    stringAt(target, "metadata", "annotations", FLUX_RECONCILE_ANNOTATION)?.toLowerCase() === "disabled",
  forgotten,
  // Flux neither applies nor checks what is fenced: nothing waits for it.
  holdsUp: () => null,
  writes: (manager) => manager === "kustomize-controller" || manager === "helm-controller",
  renderedFrom,
  isAsked: ([owner]) => owner !== undefined && isAsked(owner),
  restates: true,
  seen: ([owner]) => {
    const commit = /[:/]([0-9a-f]{40}|[0-9a-f]{64})$/.exec(stringAt(owner, "status", "lastAttemptedRevision") ?? "");
    return owner?.kind === "Kustomization" && commit?.[1] !== undefined ? [commit[1]] : [];
  },
  fencedBy: (target) => stringAt(target, "metadata", "annotations", FENCE_ANNOTATION) ?? null,
  ours: (target) => {
    const annotations = objectAt(target, "metadata", "annotations");
    if (annotations[FENCE_ANNOTATION] !== undefined) return true;
    return stringAt(annotations, FLUX_RECONCILE_ANNOTATION)?.toLowerCase() === "disabled" ? false : null;
  },
} as const satisfies EngineAdapter;

/** Targets of a HelmRelease. @see https://fluxcd.io/flux/components/helm/helmreleases/ */
export const fluxHelm = { ...flux, owner: helmOwner, restates: false, ...pauseFence } as const satisfies EngineAdapter;

function helmOwner(target: KubeObject): readonly ObjectRef[] | null {
  return labelled(target, HELM, { apiVersion: `${HELM}/v2`, kind: "HelmRelease" });
}

function labelled(
  target: KubeObject,
  group: string,
  owner: { readonly apiVersion: string; readonly kind: string },
): readonly ObjectRef[] | null {
  const name = target.metadata.labels?.[`${group}/name`];
  const namespace = target.metadata.labels?.[`${group}/namespace`];
  return name === undefined || namespace === undefined ? null : [{ ...owner, namespace, name }];
}

function applied(commit: string, owners: readonly KubeObject[]): AppliedView {
  const [owner] = owners;
  if (owner === undefined) {
    return { type: "pending", message: "The Flux object that the target's labels name does not exist" };
  }
  const name = `${owner.kind} "${owner.metadata.namespace ?? ""}/${owner.metadata.name}"`;
  if (at(owner, "spec", "suspend") === true) return { type: "suspended", message: `${name} is suspended` };
  return owner.kind === "HelmRelease" ? helmApplied(owner, name) : kustomizationApplied(commit, owner, name);
}

/**
 * A canary in progress keeps a Kustomization that waits for health in its health check, so that an attempt that has
 * come that far counts as applied.
 */
function kustomizationApplied(commit: string, owner: KubeObject, name: string): AppliedView {
  const revisionOf = (field: string): string => stringAt(owner, "status", field) ?? "";
  const lastApplied = revisionOf("lastAppliedRevision");
  // Asked after a fence came off: until then it may have applied the commit all but what was fenced.
  if (isAsked(owner)) {
    return { type: "pending", message: `${name} is asked to reconcile, and has not done so yet` };
  }
  if (isCommit(lastApplied, commit)) return { type: "applied", message: `${name} applied ${lastApplied}` };
  const attempted = revisionOf("lastAttemptedRevision");
  if (!isCommit(attempted, commit)) {
    return { type: "pending", message: `${name} is at ${attempted || "no revision"} yet` };
  }
  const ready = conditionOf(owner, "Ready");
  if (ready.reason.startsWith("HealthCheck") || ready.message.startsWith("Running health checks")) {
    return { type: "applied", message: `${name} applied ${attempted}, and waits for health` };
  }
  if (ready.status === "False" && FAILED_REASONS.includes(ready.reason)) {
    return { type: "failed", message: `${name} could not apply ${attempted}: ${ready.reason}: ${ready.message}` };
  }
  return {
    type: "pending",
    message: `${name} is applying ${attempted}${ready.message === "" ? "" : `: ${ready.message}`}`,
  };
}

function isAsked(owner: KubeObject): boolean {
  const asked = stringAt(owner, "metadata", "annotations", REQUESTED_ANNOTATION);
  return asked !== undefined && asked !== stringAt(owner, "status", "lastHandledReconcileAt");
}

const FAILED_REASONS = ["ReconciliationFailed", "BuildFailed", "PruneFailed", "ArtifactFailed"];

/** A HelmRelease names chart versions, not commits: it has applied what it was given when its own generation is ready. */
function helmApplied(owner: KubeObject, name: string): AppliedView {
  const ready = conditionOf(owner, "Ready");
  const seen = numberAt(owner, "status", "observedGeneration") ?? 0;
  if (seen < (owner.metadata.generation ?? 0)) {
    return { type: "pending", message: `${name} has not been looked at yet` };
  }
  if (ready.status === "True") return { type: "applied", message: `${name}: ${ready.message}` };
  // The pods of a canary are not the chart's failure: what was released counts.
  if (conditionOf(owner, "Released").status === "True") return { type: "applied", message: `${name} is released` };
  const stalled = conditionOf(owner, "Stalled").status === "True" || /Failed$|^Rollback/.test(ready.reason);
  return ready.status === "False" && stalled
    ? { type: "failed", message: `${name}: ${ready.reason}: ${ready.message}` }
    : { type: "pending", message: `${name}: ${ready.message || "no status yet"}` };
}

/** The commit of a Kustomization; of a HelmRelease, which names none, the chart and the digests of what went into it. */
function renderedFrom([owner]: readonly KubeObject[]): string | null {
  if (owner?.kind !== "HelmRelease") {
    const ready = conditionOf(owner, "Ready");
    const waits = ready.reason.startsWith("HealthCheck") || ready.message.startsWith("Running health checks");
    return stringAt(owner, "status", waits ? "lastAttemptedRevision" : "lastAppliedRevision") ?? null;
  }
  // One that failed was not rendered to the end, and is rolled back or tried again.
  const release = listAt(owner, "status", "history").find((one) =>
    (stringAt(one, "status") ?? "deployed") === "deployed"
  );
  const config = stringAt(release, "configDigest");
  if (config === undefined) return null;
  const { chartVersion, ociDigest } = objectAt(release);
  return canonicalJson([chartVersion, ociDigest, config, stringAt(owner, "status", "observedPostRenderersDigest")]);
}

/** As kustomize-controller would have pruned it: the inventory was written by its last apply. */
function forgotten(object: KubeObject, owners: readonly KubeObject[]): boolean {
  const [ref] = labelled(object, KUSTOMIZE, { apiVersion: `${KUSTOMIZE}/v1`, kind: "Kustomization" }) ?? [];
  const owner = owners.find(({ kind, metadata }) =>
    kind === ref?.kind && metadata.name === ref.name && metadata.namespace === ref.namespace
  );
  if (owner === undefined || at(owner, "spec", "prune") !== true || at(owner, "spec", "suspend") === true) return false;
  if (stringAt(object, "metadata", "annotations", `${KUSTOMIZE}/prune`)?.toLowerCase() === "disabled") return false;
  const { namespace = "", name } = object.metadata;
  const group = object.apiVersion.includes("/") ? object.apiVersion.split("/")[0] : "";
  const id = `${namespace}_${name}_${group}_${object.kind}`;
  const inventory = at(owner, "status", "inventory");
  return isJsonObject(inventory) && !listAt(inventory, "entries").some((entry) => stringAt(entry, "id") === id);
}

function conditionOf(
  owner: KubeObject | undefined,
  type: string,
): { readonly status: string; readonly reason: string; readonly message: string } {
  const found = listAt(owner, "status", "conditions").find((condition) => stringAt(condition, "type") === type);
  return {
    status: stringAt(found, "status") ?? "Unknown",
    reason: stringAt(found, "reason") ?? "",
    message: stringAt(found, "message") ?? "",
  };
}

/** Revisions read "main@sha1:<commit>", "sha1:<commit>", or before version 1 "main/<commit>". */
function isCommit(revision: string, commit: string): boolean {
  return revision === commit || revision.endsWith(`:${commit}`) || revision.endsWith(`/${commit}`);
}

/** Sources first: what they fetch enqueues the rest. */
function refresh(owners: readonly ObjectRef[], token: string): ReturnType<EngineAdapter["refresh"]> {
  const isSource = (ref: ObjectRef): boolean => ref.apiVersion.startsWith("source.toolkit.fluxcd.io/");
  const patch: JsonObject = { metadata: { annotations: { [REQUESTED_ANNOTATION]: token } } };
  return [...owners.filter(isSource), ...owners.filter((ref) => !isSource(ref))].map((ref) => ({ ref, patch }));
}

/** The source of a live Kustomization or HelmRelease, so that it can be watched and refreshed along with it. */
export function fluxSourceOf(owner: KubeObject): ObjectRef | null {
  const source = owner.kind === "Kustomization"
    ? objectAt(owner, "spec", "sourceRef")
    : objectAt(owner, "spec", "chart", "spec", "sourceRef");
  const [kind, name] = [stringAt(source, "kind"), stringAt(source, "name")];
  const namespace = stringAt(source, "namespace") ?? owner.metadata.namespace;
  if (kind === undefined || name === undefined || namespace === undefined) return null;
  return { apiVersion: "source.toolkit.fluxcd.io/v1", kind, namespace, name };
}
