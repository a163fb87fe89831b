/**
 * Makes live objects safe before a person is asked to take them, or a field of them, out of Git: otherwise the engine
 * would delete a serving Service, or scale a serving workload to its default.
 */
import { type KubeObject, numberAt, objectAt, refOf } from "../core/kube_object.ts";
import { ARGOCD_SYNC_OPTIONS_ANNOTATION, MANAGER } from "../core/names.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Refs } from "./facts.ts";

export async function protectLive(cluster: Cluster, refs: Refs, signal: AbortSignal): Promise<void> {
  const target = cluster.get(refs.targetRef);
  if (target !== undefined) await coOwnReplicas(cluster, target, signal);
  const ref = refs.services[0];
  const apex = ref === undefined ? undefined : cluster.get(ref);
  if (apex !== undefined) await keepFromPruning(cluster, apex, signal);
}

/** With a second owner the value stays when the engine stops naming the field. */
async function coOwnReplicas(cluster: Cluster, target: KubeObject, signal: AbortSignal): Promise<void> {
  const replicas = numberAt(target, "spec", "replicas");
  if (replicas === undefined || ownsReplicas(target)) return;
  const { apiVersion, kind, metadata } = target;
  await cluster.apply({
    apiVersion,
    kind,
    metadata: { name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) },
    spec: { replicas },
  }, { force: true, signal });
}

function ownsReplicas(target: KubeObject): boolean {
  const entries = target.metadata.managedFields ?? [];
  return entries.some((entry) =>
    objectAt(entry)["manager"] === MANAGER && objectAt(entry, "fieldsV1", "f:spec")["f:replicas"] !== undefined
  );
}

async function keepFromPruning(cluster: Cluster, apex: KubeObject, signal: AbortSignal): Promise<void> {
  const annotations = apex.metadata.annotations ?? {};
  const options = annotations[ARGOCD_SYNC_OPTIONS_ANNOTATION] ?? "";
  if (annotations["argocd.argoproj.io/tracking-id"] === undefined || options.includes("Prune=false")) return;
  const value = options === "" ? "Prune=false" : `${options},Prune=false`;
  await cluster.patch(refOf(apex), { metadata: { annotations: { [ARGOCD_SYNC_OPTIONS_ANNOTATION]: value } } }, {
    signal,
  });
}
