/** The scale subresource: a view on a workload's replica count, written as an ordinary change of the workload. */
import { isJsonObject, type JsonObject, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { decodePatched } from "./body.ts";
import { decodeBuiltIn } from "./decode.ts";
import { mergePatch } from "./json_edit.ts";
import { type Kind, kindId, scaleSchema } from "./kinds.ts";
import { subjectOf, type WriteRequest } from "./request_context.ts";
import { badRequest, invalid, notFound, staleVersion } from "./status_error.ts";
import type { ObjectStore } from "./store.ts";
import type { Writes } from "./writes.ts";

/** What only decoding and its complaints need to know of the Scale kind. */
function scaleKind(kind: Kind): Kind {
  return { ...kind, group: "autoscaling", versions: ["v1"], kind: "Scale", custom: false, schema: scaleSchema };
}

/** The Scale of a workload. */
export function readScale(store: ObjectStore, request: WriteRequest): JsonObject {
  const live = store.get(kindId(request.kind), request.namespace, request.name);
  if (live === undefined) throw notFound(subjectOf(request, request.name));
  return scaleOf(live);
}

function scaleOf(workload: JsonObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = objectAt(workload, "metadata");
  const replicas = numberAt(workload, "spec", "replicas") ?? 0;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    // Zero is how an empty count goes over the wire.
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: numberAt(workload, "status", "replicas") ?? 0, selector: selectorText(workload) },
  };
}

function selectorText(workload: JsonObject): string {
  const labels = Object.entries(objectAt(workload, "spec", "selector", "matchLabels"));
  return labels.sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key}=${String(value)}`).join(",");
}

/** Merge patch on the scale subresource. */
export function patchScale(store: ObjectStore, writes: Writes, request: WriteRequest, patch: JsonObject): JsonObject {
  const patched = mergePatch(readScale(store, request), patch);
  const asScale = { ...request, kind: scaleKind(request.kind), version: "v1" };
  const { object } = decodePatched(asScale, isJsonObject(patched) ? patched : {});
  return writeScale(store, writes, request, object);
}

/** PUT on the scale subresource. */
export function putScale(store: ObjectStore, writes: Writes, request: WriteRequest, body: JsonObject): JsonObject {
  if (stringAt(body, "kind") !== undefined && stringAt(body, "kind") !== "Scale") {
    throw badRequest(`expected input object type to be Scale, but ${stringAt(body, "kind") ?? ""}`);
  }
  return writeScale(store, writes, request, decodeBuiltIn(body, scaleSchema).object);
}

function writeScale(store: ObjectStore, writes: Writes, request: WriteRequest, scale: JsonObject): JsonObject {
  const live = readScale(store, request);
  const version = stringAt(scale, "metadata", "resourceVersion");
  if (version !== undefined && version !== stringAt(live, "metadata", "resourceVersion")) {
    throw staleVersion(subjectOf(request, request.name));
  }
  const replicas = numberAt(scale, "spec", "replicas") ?? 0;
  if (replicas < 0) {
    const detail = "must be greater than or equal to 0";
    const subject = { group: "autoscaling", plural: "scales", kind: "Scale", name: request.name };
    throw invalid(subject, [{ type: "Invalid", field: "spec.replicas", value: replicas, detail }]);
  }
  return scaleOf(writes.mergePatch(request, { spec: { replicas } }).object);
}
