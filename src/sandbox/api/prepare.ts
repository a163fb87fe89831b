/**
 * What the server itself decides about an object on its way into the store: allocated addresses, first statuses, which
 * part of the object an endpoint may write, and the generation.
 */
import { at, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { withField, withMeta } from "./json_edit.ts";
import { type Kind, kindId } from "./kinds.ts";
import type { ObjectStore } from "./store.ts";
import { sameJson } from "./typed_merge.ts";

/** What admission adds to every pod. */
const tolerations = ["not-ready", "unreachable"].map((what) => ({
  key: `node.kubernetes.io/${what}`,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: 300,
}));

/** Completes a new object: its status starts over, and the server's own fields are filled in. */
export function prepareCreate(kind: Kind, object: JsonObject, store: ObjectStore): JsonObject {
  const fresh = kind.status ? withField(object, "status", objectAt(kind.zero)["status"]) : object;
  switch (kindId(kind)) {
    case "/Namespace":
      return { ...fresh, spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } };
    case "/Pod":
      return {
        ...fresh,
        spec: { tolerations, priority: 0, preemptionPolicy: "PreemptLowerPriority", ...objectAt(fresh, "spec") },
        status: { phase: "Pending", qosClass: qosClass(fresh) },
      };
    case "/Event":
      // A time that is not set is told as null.
      return { eventTime: null, ...fresh };
    case "/Service":
      return { ...fresh, spec: withAddress(objectAt(fresh, "spec"), store) };
    case "autoscaling/HorizontalPodAutoscaler":
      return { ...fresh, status: { desiredReplicas: 0, currentMetrics: null } };
    default:
      return fresh;
  }
}

/** Puts back what this endpoint may not write, and what only the server sets. */
export function prepareUpdate(
  kind: Kind,
  before: JsonObject,
  after: JsonObject,
  subresource: string | undefined,
): JsonObject {
  const old = objectAt(before, "metadata");
  const kept: Record<string, JsonObject[string] | undefined> = {};
  for (const name of ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"]) {
    kept[name] = old[name];
  }
  const stamped = withMeta(after, kept);
  if (subresource === "status") {
    const metadata = kind.custom ? old : { ...objectAt(stamped, "metadata"), ...pick(old, "labels") };
    return { ...withField(before, "status", after["status"]), metadata };
  }
  const reset = kind.status ? withField(stamped, "status", before["status"]) : stamped;
  if (kindId(kind) === "/Service") {
    return { ...reset, spec: keepAddress(objectAt(before, "spec"), objectAt(reset, "spec")) };
  }
  if (kindId(kind) === "/Namespace") return { ...reset, spec: before["spec"] ?? {} };
  return reset;
}

function pick(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return value === undefined ? {} : { [name]: value };
}

/** Bumps `metadata.generation` when the desired state changed; says 1 on a new object. */
export function withGeneration(kind: Kind, before: JsonObject | undefined, after: JsonObject): JsonObject {
  if (kind.generation === "none") return withMeta(after, { generation: undefined });
  const old = numberAt(before, "metadata", "generation");
  if (before === undefined || old === undefined) return withMeta(after, { generation: 1 });
  const changed = !sameJson(desired(kind, before), desired(kind, after)) ||
    (kind.generation === "spec-and-annotations" &&
      !sameJson(objectAt(before, "metadata", "annotations"), objectAt(after, "metadata", "annotations")));
  return changed ? withMeta(after, { generation: old + 1 }) : after;
}

function desired(kind: Kind, object: JsonObject): JsonObject {
  const { metadata: _metadata, apiVersion: _apiVersion, kind: _kind, status, ...rest } = object;
  return kind.status || status === undefined ? rest : { ...rest, status };
}

function qosClass(pod: JsonObject): string {
  const containers = listAt(pod, "spec", "containers");
  const some = containers.some((one) => Object.keys(objectAt(one, "resources")).length > 0);
  if (!some) return "BestEffort";
  const guaranteed = containers.every((one) => {
    const limits = objectAt(one, "resources", "limits");
    return "cpu" in limits && "memory" in limits && sameJson(limits, objectAt(one, "resources", "requests"));
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** Gives a Service the first free address of 10.96.0.0/16, as far as it wants one. */
function withAddress(spec: JsonObject, store: ObjectStore): JsonObject {
  if (stringAt(spec, "type") === "ExternalName") return spec;
  const wanted = stringAt(spec, "clusterIP");
  const families = {
    ipFamilies: at(spec, "ipFamilies") ?? ["IPv4"],
    ipFamilyPolicy: at(spec, "ipFamilyPolicy") ?? "SingleStack",
  };
  if (wanted !== undefined) return { ...spec, clusterIP: wanted, clusterIPs: [wanted], ...families };
  const taken = new Set(store.list("/Service").map((service) => stringAt(service, "spec", "clusterIP")));
  for (let number = 10; number < 65_535; number++) {
    const address = `10.96.${number >> 8}.${number & 255}`;
    if (!taken.has(address)) return { ...spec, clusterIP: address, clusterIPs: [address], ...families };
  }
  return spec;
}

/** A Service that is written without its addresses keeps them. */
function keepAddress(before: JsonObject, after: JsonObject): JsonObject {
  if (stringAt(after, "type") === "ExternalName") return after;
  const address = stringAt(after, "clusterIP") ?? stringAt(before, "clusterIP");
  const kept = {
    ipFamilies: before["ipFamilies"] ?? ["IPv4"],
    ipFamilyPolicy: before["ipFamilyPolicy"] ?? "SingleStack",
  };
  return { ...kept, ...after, ...(address === undefined ? {} : { clusterIP: address, clusterIPs: [address] }) };
}
