/** Keeps one EndpointSlice a Service that has a selector, made of the pods it selects. */
import { at, type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { matchesMap } from "../api/selectors.ts";
import { sameJson } from "../api/typed_merge.ts";
import { isActive, isReady } from "./owned.ts";
import { type Controller, keyOf, splitKey } from "./runner.ts";
import { templateHash } from "./template_hash.ts";

const manager = "kube-controller-manager";

export function endpointSliceController(store: DirectAccess): Controller {
  return {
    name: "endpointslice",
    concerns({ object, before }) {
      if (object.apiVersion !== "v1") return [];
      if (object.kind === "Service") return [keyOf(object)];
      if (object.kind !== "Pod") return [];
      return store.list("v1", "Service", object.metadata.namespace)
        .filter((service) => selects(service, object) || (before !== undefined && selects(service, before)))
        .map(keyOf);
    },
    reconcile(key) {
      const service = store.get({ apiVersion: "v1", kind: "Service", ...splitKey(key) });
      if (service === undefined || Object.keys(objectAt(service, "spec", "selector")).length === 0) return undefined;
      const slice = sliceOf(
        service,
        store.list("v1", "Pod", service.metadata.namespace).filter((pod) => selects(service, pod)),
      );
      const live = store.get({ ...slice.metadata, apiVersion: slice.apiVersion, kind: slice.kind });
      if (live === undefined) store.create(slice, { manager });
      else if (!sameJson(body(live), body(slice))) store.put({ ...live, ...body(slice) }, { manager });
      return undefined;
    },
  };
}

function selects(service: KubeObject, pod: KubeObject): boolean {
  return matchesMap(objectAt(service, "spec", "selector"), pod.metadata.labels ?? {});
}

function body(slice: KubeObject): JsonObject {
  return { endpoints: at(slice, "endpoints") ?? [], ports: at(slice, "ports") ?? [] };
}

function sliceOf(service: KubeObject, pods: readonly KubeObject[]): KubeObject {
  const ports = listAt(service, "spec", "ports").map((port): JsonObject => ({
    name: stringAt(port, "name") ?? "",
    protocol: stringAt(port, "protocol") ?? "TCP",
    port: targetPort(port, pods),
  }));
  const endpoints = pods.filter((pod) =>
    stringAt(pod, "status", "podIP") !== undefined && (isActive(pod) || isTerminating(pod))
  )
    .map((pod): JsonObject => ({
      addresses: [stringAt(pod, "status", "podIP") ?? ""],
      conditions: { ready: isReady(pod), serving: isReady(pod), terminating: isTerminating(pod) },
      nodeName: stringAt(pod, "spec", "nodeName") ?? "",
      targetRef: {
        kind: "Pod",
        namespace: pod.metadata.namespace ?? "",
        name: pod.metadata.name,
        uid: pod.metadata.uid ?? "",
      },
    }));
  const slice: JsonObject & Pick<KubeObject, "apiVersion" | "kind"> = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    addressType: "IPv4",
    endpoints,
    ports,
  };
  return {
    ...slice,
    metadata: {
      name: `${service.metadata.name}-${templateHash(service.metadata.uid ?? "").slice(0, 5)}`,
      namespace: service.metadata.namespace ?? "",
      labels: {
        ...service.metadata.labels,
        "kubernetes.io/service-name": service.metadata.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
      ownerReferences: [{
        apiVersion: "v1",
        kind: "Service",
        name: service.metadata.name,
        uid: service.metadata.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
      }],
    },
  };
}

function isTerminating(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** The container port behind a Service's port; a name is looked up in the pods. */
function targetPort(port: Json, pods: readonly KubeObject[]): number {
  const target = objectAt(port)["targetPort"];
  if (typeof target === "number") return target;
  for (const container of pods.flatMap((pod) => listAt(pod, "spec", "containers"))) {
    for (const one of listAt(container, "ports")) {
      const number = objectAt(one)["containerPort"];
      if (stringAt(one, "name") === target && typeof number === "number") return number;
    }
  }
  const own = objectAt(port)["port"];
  return typeof own === "number" ? own : 0;
}
