/**
 * The fence around a target while something of it is under analysis: put up and taken off on the live objects, also on
 * the ConfigMaps that only it uses, where the engine heeds a mark on objects.
 */
import type { Canary } from "../core/canary.ts";
import { isJsonObject, type JsonObject, type KubeObject, type ObjectRef, refKey, refOf } from "../core/kube_object.ts";
import { FENCE_ANNOTATION } from "../core/names.ts";
import { configNamesOf, podTemplateOf } from "../core/release.ts";
import type { Cluster } from "../ports/cluster.ts";

export interface Fencing {
  readonly cluster: Cluster;
  readonly canary: Canary;
  readonly target: KubeObject;
  readonly primary: ObjectRef;
  readonly signal: AbortSignal;
}

/** A fence that is nothing but annotations works on any object; one that pauses works on workloads alone. */
export function fencesConfigs(fence: JsonObject | null): boolean {
  return fence !== null && fence["spec"] === undefined && isJsonObject(fence["metadata"]);
}

/** Live ConfigMaps that the target's pods name and no other workload of its kind does (the primary has copies). */
async function ownConfigs(fencing: Fencing): Promise<readonly KubeObject[]> {
  const { cluster, target, primary, canary, signal } = fencing;
  const { namespace } = canary.id;
  const others = cluster.all(target.apiVersion, target.kind, namespace)
    .filter((other) => refKey(refOf(other)) !== refKey(refOf(target)) && refKey(refOf(other)) !== refKey(primary));
  const shared = new Set(others.flatMap((other) => configMapsOf(other)));
  const live = await Promise.all(
    configMapsOf(target).filter((name) => !shared.has(name))
      .map((name) => cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace, name }, signal)),
  );
  return live.flatMap((config) => config === undefined ? [] : [config]);
}

function configMapsOf(workload: KubeObject): readonly string[] {
  return configNamesOf(podTemplateOf(workload)).flatMap(({ kind, name }) => kind === "ConfigMap" ? [name] : []);
}

/** Marks the ConfigMaps that only the target uses; one that somebody else has fenced is left alone. */
export async function fenceConfigs(
  fencing: Fencing,
  fence: JsonObject,
  ours: (object: KubeObject) => boolean | null,
): Promise<void> {
  for (const config of await ownConfigs(fencing)) {
    if (ours(config) === null) await fencing.cluster.patch(refOf(config), fence, { signal: fencing.signal });
  }
}

/** Takes our marks off again. */
export async function unfenceConfigs(fencing: Fencing, unfence: JsonObject): Promise<void> {
  for (const config of await ownConfigs(fencing)) {
    if (config.metadata.annotations?.[FENCE_ANNOTATION] === undefined) continue;
    await fencing.cluster.patch(refOf(config), unfence, { signal: fencing.signal });
  }
}
