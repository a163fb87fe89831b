/**
 * The fence around a target while something of it is under analysis: put up and taken off on the live objects, also on
 * the ConfigMaps that only it uses, where the engine heeds a mark on objects. What such an engine has forgotten because
 * of the fence is deleted when it comes off.
 */
import type { Canary } from "../core/canary.ts";
import { isJsonObject, type JsonObject, type KubeObject, type ObjectRef, refKey, refOf } from "../core/kube_object.ts";
import { FENCE_ANNOTATION } from "../core/names.ts";
import { configNamesOf, podTemplateOf } from "../core/release.ts";
import type { Cluster, WriteOptions } from "../ports/cluster.ts";

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

/** ConfigMaps that a workload's pods name. */
export function configMapsOf(workload: KubeObject): readonly ObjectRef[] {
  const { namespace } = workload.metadata;
  return configNamesOf(podTemplateOf(workload)).flatMap(({ kind, name }) =>
    kind === "ConfigMap" ? [{ apiVersion: "v1", kind, name, ...(namespace === undefined ? {} : { namespace }) }] : []
  );
}

/** Live ConfigMaps that the target's pods name and no other workload of its kind does (the primary has copies). */
async function ownConfigs(fencing: Fencing): Promise<readonly KubeObject[]> {
  const { cluster, target, primary, canary, signal } = fencing;
  const others = cluster.all(target.apiVersion, target.kind, canary.id.namespace)
    .filter((other) => refKey(refOf(other)) !== refKey(refOf(target)) && refKey(refOf(other)) !== refKey(primary));
  const shared = new Set(others.flatMap((other) => configMapsOf(other)).map(refKey));
  const live = await Promise.all(
    configMapsOf(target).filter((ref) => !shared.has(refKey(ref))).map((ref) => cluster.live(ref, signal)),
  );
  return live.flatMap((config) => config === undefined ? [] : [config]);
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

/** Takes our marks off again; one that is given up goes with its mark. */
export async function unfenceConfigs(
  fencing: Fencing,
  unfence: JsonObject,
  givenUp: (object: KubeObject) => boolean,
): Promise<void> {
  const { cluster, signal } = fencing;
  for (const config of await ownConfigs(fencing)) {
    if (config.metadata.annotations?.[FENCE_ANNOTATION] === undefined) continue;
    if (givenUp(config)) await cluster.remove(refOf(config), versionOf(config, signal));
    else await cluster.patch(refOf(config), unfence, { signal });
  }
}

/** On the version that was looked at: one that somebody has taken over meanwhile is not deleted. */
export function versionOf({ metadata }: KubeObject, signal: AbortSignal): WriteOptions {
  const { resourceVersion } = metadata;
  return { signal, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
}
