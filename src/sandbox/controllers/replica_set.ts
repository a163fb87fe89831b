/** Keeps as many pods as a ReplicaSet wants, and counts them. */
import type { Clock } from "../../ports/clock.ts";
import { type JsonObject, type KubeObject, numberAt, objectAt } from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { sameJson } from "../api/typed_merge.ts";
import { controllerOf, controllerRef, isActive, isControlledBy, isReady, untilAvailableMs } from "./owned.ts";
import { type Controller, keyOf, splitKey } from "./runner.ts";

const manager = "kube-controller-manager";

export function replicaSetController(store: DirectAccess, clock: Clock): Controller {
  return {
    name: "replicaset",
    concerns({ object }) {
      if (object.apiVersion === "apps/v1" && object.kind === "ReplicaSet") return [keyOf(object)];
      const owner = object.kind === "Pod" ? controllerOf(object) : undefined;
      return owner?.kind === "ReplicaSet" ? [`${object.metadata.namespace ?? ""}/${owner.name}`] : [];
    },
    reconcile(key) {
      const set = store.get({ apiVersion: "apps/v1", kind: "ReplicaSet", ...splitKey(key) });
      if (set === undefined) return undefined;
      const pods = store.list("v1", "Pod", set.metadata.namespace).filter((pod) => isControlledBy(pod, set));
      if (set.metadata.deletionTimestamp === undefined) scale(store, set, pods.filter(isActive));
      const now = store.list("v1", "Pod", set.metadata.namespace).filter((pod) => isControlledBy(pod, set));
      const terminating = now.filter((pod) => pod.metadata.deletionTimestamp !== undefined).length;
      return writeStatus(store, clock, set, { active: now.filter(isActive), terminating });
    },
  };
}

function scale(store: DirectAccess, set: KubeObject, pods: readonly KubeObject[]): void {
  const wanted = numberAt(set, "spec", "replicas") ?? 1;
  for (let count = pods.length; count < wanted; count++) {
    const template = objectAt(set, "spec", "template");
    const pod: JsonObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...objectAt(template, "metadata"),
        generateName: `${set.metadata.name}-`,
        namespace: set.metadata.namespace ?? "",
        ownerReferences: [controllerRef(set)],
      },
      spec: objectAt(template, "spec"),
    };
    store.createNamed(pod, { manager });
  }
  const surplus = [...pods].sort(lessWorthFirst).slice(0, Math.max(0, pods.length - wanted));
  for (const pod of surplus) store.remove({ ...pod.metadata, apiVersion: "v1", kind: "Pod" });
}

/** Pods that serve nobody go first, then the youngest. */
function lessWorthFirst(a: KubeObject, b: KubeObject): number {
  const ready = Number(isReady(a)) - Number(isReady(b));
  if (ready !== 0) return ready;
  const age = (pod: KubeObject) => `${pod.metadata.creationTimestamp ?? ""} ${pod.metadata.name}`;
  return age(a) < age(b) ? 1 : -1;
}

function writeStatus(
  store: DirectAccess,
  clock: Clock,
  set: KubeObject,
  counted: { readonly active: readonly KubeObject[]; readonly terminating: number },
): number | undefined {
  const pods = counted.active;
  const minReadySeconds = numberAt(set, "spec", "minReadySeconds") ?? 0;
  const waits = pods.map((pod) => untilAvailableMs(pod, minReadySeconds, clock.now()));
  const ready = waits.filter((wait) => wait !== undefined).length;
  const available = waits.filter((wait) => wait === 0).length;
  const status: JsonObject = {
    replicas: pods.length,
    ...(pods.length === 0 ? {} : { fullyLabeledReplicas: pods.length }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    terminatingReplicas: counted.terminating,
    observedGeneration: set.metadata.generation ?? 1,
  };
  if (!sameJson(set.status, status)) store.putStatus({ ...withoutVersion(set), status }, { manager });
  const pending = waits.filter((wait) => wait !== undefined && wait > 0);
  return pending.length === 0 ? undefined : Math.min(...pending.map((wait) => wait ?? 0));
}

function withoutVersion(object: KubeObject): KubeObject {
  const { resourceVersion: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}
