/**
 * From a Service to the pods that may get its requests now: selected, ready, not on their way out, and listening. Kept
 * until an object changes, and taken in turn.
 */
import type { KubeObject } from "../../core/kube_object.ts";
import { isJsonObject, listAt, objectAt, stringAt } from "../../core/kube_object.ts";
import type { Address, AddressOf, ObjectSource } from "../object_source.ts";
import type { ServiceRef } from "./route_model.ts";

export interface Endpoint {
  readonly address: Address;
  readonly pod: string;
  readonly namespace: string;
  /** What made the pod: a Deployment's, DaemonSet's or StatefulSet's name, or the pod's own. */
  readonly workload: string;
}

/** Why a Service cannot be used at all, as opposed to one that has no ready pod just now. */
export type ServiceState = "ok" | "no-service" | "no-port" | "not-supported";

export class Endpoints {
  readonly #objects: ObjectSource;
  readonly #addressOf: AddressOf;
  readonly #ready = new Map<string, readonly KubeObject[]>();
  readonly #services = new Map<string, KubeObject | undefined>();
  readonly #turns = new Map<string, number>();

  constructor(objects: ObjectSource, addressOf: AddressOf) {
    this.#objects = objects;
    this.#addressOf = addressOf;
  }

  /** Call when any object changed. */
  forget(): void {
    this.#ready.clear();
    this.#services.clear();
  }

  stateOf(ref: ServiceRef): ServiceState {
    const service = this.#service(ref);
    if (service === undefined) return "no-service";
    const isSelecting = Object.keys(objectAt(service, "spec", "selector")).length > 0;
    if (stringAt(service, "spec", "type") === "ExternalName" || !isSelecting) return "not-supported";
    const ports = listAt(service, "spec", "ports").filter(isJsonObject).map((port) => port["port"]);
    return ref.port === undefined || ports.includes(ref.port) ? "ok" : "no-port";
  }

  /** The next pod of a Service in turn, leaving out those already tried; undefined when none is ready. */
  next(ref: ServiceRef, tried: readonly string[] = []): Endpoint | undefined {
    const candidates = this.#readyPods(ref).flatMap((pod) => {
      const { name, namespace = "default" } = pod.metadata;
      const address = this.#addressOf(namespace, name);
      return address === undefined || tried.includes(name)
        ? []
        : [{ address, pod: name, namespace, workload: workloadOf(pod) }];
    });
    const key = `${ref.namespace}/${ref.name}`;
    const turn = this.#turns.get(key) ?? 0;
    this.#turns.set(key, turn + 1);
    return candidates[turn % Math.max(1, candidates.length)];
  }

  #readyPods(ref: ServiceRef): readonly KubeObject[] {
    const key = `${ref.namespace}/${ref.name}`;
    const known = this.#ready.get(key);
    if (known !== undefined) return known;
    const selector = Object.entries(objectAt(this.#service(ref), "spec", "selector"));
    const ready = selector.length === 0
      ? []
      : this.#objects.list("v1", "Pod", ref.namespace).filter((pod) =>
        selector.every(([label, value]) => pod.metadata.labels?.[label] === value) && isServing(pod)
      );
    this.#ready.set(key, ready);
    return ready;
  }

  #service(ref: ServiceRef): KubeObject | undefined {
    const key = `${ref.namespace}/${ref.name}`;
    if (!this.#services.has(key)) {
      const services = this.#objects.list("v1", "Service", ref.namespace);
      this.#services.set(key, services.find((service) => service.metadata.name === ref.name));
    }
    return this.#services.get(key);
  }
}

function isServing(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined &&
    listAt(pod, "status", "conditions").some((each) =>
      stringAt(each, "type") === "Ready" && stringAt(each, "status") === "True"
    );
}

/** As Istio names workloads: a ReplicaSet's name loses the hash that its Deployment gave it. */
function workloadOf(pod: KubeObject): string {
  const owner = pod.metadata.ownerReferences?.find((reference) => reference["controller"] === true);
  const name = stringAt(owner, "name");
  if (name === undefined) return pod.metadata.name;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  const isHashed = stringAt(owner, "kind") === "ReplicaSet" && hash !== undefined && name.endsWith(`-${hash}`);
  return isHashed ? name.slice(0, -(hash.length + 1)) : name;
}
