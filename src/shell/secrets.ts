/**
 * Copies of Secrets for the primary: immutable, named by a keyed hash of their content, so that neither name nor Git
 * tells anything of the value. The key is the agent's own Secret.
 */
import { createHmac } from "node:crypto";
import type { Canary } from "../core/canary.ts";
import { canonicalJson } from "../core/digest.ts";
import type { KubeObject } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import type { Cluster } from "../ports/cluster.ts";

/** Secrets that a release names and that exist, each with the end of its copy's name. */
export async function secretCopies(
  cluster: Pick<Cluster, "live">,
  named: { readonly canary: Canary; readonly release: Release; readonly key: string },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, { readonly object: KubeObject; readonly suffix: string }>> {
  const copies = new Map<string, { readonly object: KubeObject; readonly suffix: string }>();
  for (const config of named.release.configs.filter((tracked) => tracked.kind === "Secret")) {
    const ref = { apiVersion: "v1", kind: "Secret", namespace: named.canary.id.namespace, name: config.name };
    const object = await cluster.live(ref, signal);
    if (object === undefined) continue;
    const suffix = createHmac("sha256", named.key).update(canonicalJson(object.data ?? {})).digest("hex").slice(0, 8);
    copies.set(config.name, { object, suffix });
  }
  return copies;
}
