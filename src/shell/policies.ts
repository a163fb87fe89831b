/**
 * Services and policies that reach the target's pods by label but would not reach the primary's: found before the
 * first start, since users would lose them when the apex moves. An object annotated `serin.dev/ignore: "true"` is left out.
 */
import type { Canary } from "../core/canary.ts";
import { isJsonObject, type KubeObject, objectAt, stringAt } from "../core/kube_object.ts";
import { RejectedError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Refs } from "./facts.ts";

const IGNORE_ANNOTATION = "serin.dev/ignore";

interface PolicyKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Path of the map of labels that selects pods. */
  readonly selector: readonly string[];
}

const KINDS: readonly PolicyKind[] = [
  { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", selector: ["spec", "podSelector", "matchLabels"] },
  { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", selector: ["spec", "selector", "matchLabels"] },
  { apiVersion: "security.istio.io/v1", kind: "PeerAuthentication", selector: ["spec", "selector", "matchLabels"] },
  { apiVersion: "security.istio.io/v1", kind: "RequestAuthentication", selector: ["spec", "selector", "matchLabels"] },
  { apiVersion: "networking.istio.io/v1", kind: "Sidecar", selector: ["spec", "workloadSelector", "labels"] },
];

export interface PodLabels {
  readonly target: Readonly<Record<string, string>>;
  readonly primary: Readonly<Record<string, string>>;
}

/** Labels of the target's pods, and of the primary's, which differ in the selector's value. */
export function podLabelsOf(target: KubeObject, selector: { readonly key: string; readonly value: string }): PodLabels {
  const labels = Object.fromEntries(
    Object.entries(objectAt(target, "spec", "template", "metadata", "labels")).map((
      [key, value],
    ) => [key, String(value)]),
  );
  return { target: labels, primary: { ...labels, [selector.key]: `${selector.value}-primary` } };
}

/** The first Service or policy that would be lost, as a sentence with what settles it; null when there is none. */
export async function lostPolicies(
  cluster: Cluster,
  about: { readonly canary: Canary; readonly refs: Refs; readonly pods: PodLabels },
  signal: AbortSignal,
): Promise<string | null> {
  const { canary, refs, pods } = about;
  const own = new Set(refs.services.map(({ name }) => name));
  const services = cluster.all("v1", "Service", canary.id.namespace).filter(({ metadata }) => !own.has(metadata.name));
  for (const service of services) {
    if (isLost(service, ["spec", "selector"], pods)) return sentence(service, ["spec", "selector"], pods);
  }
  for (const kind of KINDS) {
    const scope = { apiVersion: kind.apiVersion, kind: kind.kind, namespace: canary.id.namespace };
    for (const object of await listed(cluster, scope, signal)) {
      if (isLost(object, kind.selector, pods)) return sentence(object, kind.selector, pods);
    }
  }
  return null;
}

/** A kind that is not served, or that may not be listed, has nothing to say. */
async function listed(
  cluster: Cluster,
  scope: Parameters<Cluster["list"]>[0],
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  try {
    return await cluster.list(scope, signal);
  } catch (error) {
    if (error instanceof RejectedError) return [];
    throw error;
  }
}

function isLost(object: KubeObject, path: readonly string[], pods: PodLabels): boolean {
  if (object.metadata.annotations?.[IGNORE_ANNOTATION] === "true") return false;
  const selector = objectAt(object, ...path);
  if (!isJsonObject(selector) || Object.keys(selector).length === 0) return false;
  const selects = (labels: Readonly<Record<string, string>>): boolean =>
    Object.keys(selector).every((key) => stringAt(selector, key) === labels[key]);
  return selects(pods.target) && !selects(pods.primary);
}

function sentence(object: KubeObject, path: readonly string[], pods: PodLabels): string {
  const selector = objectAt(object, ...path);
  const wanted = Object.keys(selector).map((key) => `${key}: ${pods.primary[key] ?? ""}`).join(", ");
  return `${object.kind} "${object.metadata.name}" selects the target's pods but would not select the primary's: set ${
    path.join(".")
  } to {${wanted}}, or annotate it with ${IGNORE_ANNOTATION}: "true".`;
}
