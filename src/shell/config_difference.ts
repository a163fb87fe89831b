/**
 * Whether the ConfigMaps that a release's pods read are in the cluster as Git declares them. The primary gets copies of
 * what is declared; a canary whose ConfigMap an engine has not applied yet would be analysed with another one.
 */
import { isSame } from "../core/same.ts";
import { isJsonObject, type JsonObject, type KubeObject, stringAt } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import type { Cluster } from "../ports/cluster.ts";

/**
 * The first difference, named by its key and never by its value, or null. One GET each for ConfigMaps that Git declares.
 *
 * @param namespace the canary's
 */
export async function configDifference(
  cluster: Pick<Cluster, "live">,
  at: { readonly namespace: string; readonly release: Release },
  signal: AbortSignal,
): Promise<string | null> {
  for (const { declared, name } of at.release.configs) {
    if (declared === null || declared.kind !== "ConfigMap") continue;
    const live = await cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace: at.namespace, name }, signal);
    const difference = differenceOf(declared, live);
    if (difference !== null) return `ConfigMap "${name}" ${difference}`;
  }
  return null;
}

function differenceOf(declared: KubeObject, live: KubeObject | undefined): string | null {
  if (live === undefined) return "is not in the cluster";
  for (const field of ["data", "binaryData"] as const) {
    const [is, wanted] = [mapOf(live[field]), mapOf(declared[field])];
    for (const key of [...new Set([...Object.keys(wanted), ...Object.keys(is)])].sort()) {
      if (stringAt(is, key) === undefined) return `lacks ${field}["${key}"], which Git declares`;
      if (stringAt(wanted, key) === undefined) return `has ${field}["${key}"], which Git does not declare`;
      if (!isSame(is[key], wanted[key])) return `has another ${field}["${key}"] than Git declares`;
    }
  }
  return null;
}

function mapOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
