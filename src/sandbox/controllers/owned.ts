/** Who owns whom among workloads, and what a pod's status says. */
import { type JsonObject, type KubeObject, listAt, stringAt } from "../../core/kube_object.ts";

/** The owner reference that marks its object as the one controller. */
export function controllerRef(owner: KubeObject): JsonObject {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return (object.metadata.ownerReferences ?? []).some((ref) =>
    ref["controller"] === true && ref["uid"] === owner.metadata.uid
  );
}

/** "kind name" of the controller, or undefined. */
export function controllerOf(object: KubeObject): { readonly kind: string; readonly name: string } | undefined {
  const ref = (object.metadata.ownerReferences ?? []).find((one) => one["controller"] === true);
  const kind = stringAt(ref, "kind");
  const name = stringAt(ref, "name");
  return kind === undefined || name === undefined ? undefined : { kind, name };
}

/** One condition of an object's status. */
export function conditionOf(object: KubeObject, type: string): JsonObject | undefined {
  const found = listAt(object, "status", "conditions").find((one) => stringAt(one, "type") === type);
  return typeof found === "object" && found !== null && !Array.isArray(found) ? found as JsonObject : undefined;
}

export function isReady(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && stringAt(conditionOf(pod, "Ready"), "status") === "True";
}

/** Neither ended nor about to be. */
export function isActive(pod: KubeObject): boolean {
  const phase = stringAt(pod, "status", "phase");
  return pod.metadata.deletionTimestamp === undefined && phase !== "Succeeded" && phase !== "Failed";
}

/** Milliseconds until a ready pod has been ready for so long; 0 when it has, undefined when it is not ready. */
export function untilAvailableMs(pod: KubeObject, minReadySeconds: number, now: number): number | undefined {
  if (!isReady(pod)) return undefined;
  const since = Date.parse(stringAt(conditionOf(pod, "Ready"), "lastTransitionTime") ?? "");
  return Number.isNaN(since) ? undefined : Math.max(0, since + minReadySeconds * 1000 - now);
}
