/** Validation by kind: complaints about a new object, about a change, and about a new status. */
import { at, isJsonObject, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../../../core/kube_object.ts";
import { complaints, withRulesRemark } from "../custom_resource.ts";
import { type Kind, kindId } from "../kinds.ts";
import type { FieldProblem } from "../status_error.ts";
import { sameJson } from "../typed_merge.ts";
import { metadataProblems, metadataUpdateProblems } from "./metadata.ts";
import {
  deploymentProblems,
  deploymentStatusProblems,
  podSpecProblems,
  replicaSetProblems,
  selectorProblems,
} from "./workloads.ts";

type Check = (object: JsonObject) => readonly FieldProblem[];
type ChangeCheck = (before: JsonObject, after: JsonObject) => readonly FieldProblem[];

const configKey = /^[-._a-zA-Z0-9]+$/;

function configProblems(object: JsonObject): readonly FieldProblem[] {
  const keys = [...Object.keys(objectAt(object, "data")), ...Object.keys(objectAt(object, "binaryData"))];
  return keys.filter((key) => !configKey.test(key)).map((key) => ({
    type: "Invalid",
    field: `data[${key}]`,
    value: key,
    detail:
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  }));
}

function immutableProblems(before: JsonObject, after: JsonObject): readonly FieldProblem[] {
  if (at(before, "immutable") !== true) return [];
  const detail = "field is immutable when `immutable` is set";
  const found: FieldProblem[] = [];
  if (at(after, "immutable") !== true) found.push({ type: "Forbidden", field: "immutable", detail });
  for (const field of ["data", "binaryData"]) {
    if (!sameJson(objectAt(before, field), objectAt(after, field))) found.push({ type: "Forbidden", field, detail });
  }
  return found;
}

function serviceProblems(object: JsonObject): readonly FieldProblem[] {
  const spec = objectAt(object, "spec");
  const ports = listAt(spec, "ports");
  if (stringAt(spec, "type") === "ExternalName") return [];
  if (ports.length === 0 && stringAt(spec, "clusterIP") !== "None") {
    return [{ type: "Required", field: "spec.ports", detail: "" }];
  }
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const field = `spec.ports[${index}]`;
    const name = stringAt(port, "name") ?? "";
    const found: FieldProblem[] = [];
    if (name === "" && ports.length > 1) found.push({ type: "Required", field: `${field}.name`, detail: "" });
    else if (name !== "" && names.has(name)) {
      found.push({ type: "Duplicate", field: `${field}.name`, value: name, detail: "" });
    }
    names.add(name);
    for (const key of ["port", "targetPort"]) {
      const number = numberAt(port, key);
      if (number === undefined || (number >= 1 && number <= 65535)) continue;
      const detail = "must be between 1 and 65535, inclusive";
      found.push({ type: "Invalid", field: `${field}.${key}`, value: number, detail });
    }
    return found;
  });
}

function clusterAddressProblems(before: JsonObject, after: JsonObject): readonly FieldProblem[] {
  const was = stringAt(before, "spec", "clusterIP");
  const is = stringAt(after, "spec", "clusterIP");
  if (was === undefined || was === is || stringAt(after, "spec", "type") === "ExternalName") return [];
  return [{ type: "Invalid", field: "spec.clusterIPs[0]", value: [is ?? ""], detail: "may not change once set" }];
}

function autoscalerProblems(object: JsonObject): readonly FieldProblem[] {
  const spec = objectAt(object, "spec");
  const min = numberAt(spec, "minReplicas") ?? 1;
  const max = numberAt(spec, "maxReplicas") ?? 0;
  const found: FieldProblem[] = [];
  if (min < 1) {
    found.push({
      type: "Invalid",
      field: "spec.minReplicas",
      value: min,
      detail: "must be greater than or equal to 1",
    });
  }
  if (max < 1) found.push({ type: "Invalid", field: "spec.maxReplicas", value: max, detail: "must be greater than 0" });
  if (max < min) {
    const detail = "must be greater than or equal to `minReplicas`";
    found.push({ type: "Invalid", field: "spec.maxReplicas", value: max, detail });
  }
  for (const name of ["kind", "name"]) {
    if (stringAt(spec, "scaleTargetRef", name)) continue;
    found.push({ type: "Required", field: `spec.scaleTargetRef.${name}`, detail: "" });
  }
  if (!stringAt(spec, "scaleTargetRef", "apiVersion")) {
    const detail = "apiVersion must specify API group";
    found.push({ type: "Invalid", field: "spec.scaleTargetRef.apiVersion", value: "", detail });
  }
  return found;
}

function leaseProblems(object: JsonObject): readonly FieldProblem[] {
  const spec = objectAt(object, "spec");
  const found: FieldProblem[] = [];
  const duration = numberAt(spec, "leaseDurationSeconds");
  if (duration !== undefined && duration <= 0) {
    found.push({
      type: "Invalid",
      field: "spec.leaseDurationSeconds",
      value: duration,
      detail: "must be greater than 0",
    });
  }
  const transitions = numberAt(spec, "leaseTransitions");
  if (transitions !== undefined && transitions < 0) {
    const detail = "must be greater than or equal to 0";
    found.push({ type: "Invalid", field: "spec.leaseTransitions", value: transitions, detail });
  }
  return found;
}

function eventProblems(object: JsonObject): readonly FieldProblem[] {
  const value = stringAt(object, "involvedObject", "namespace") ?? "";
  const namespace = stringAt(object, "metadata", "namespace") ?? "";
  // What has no namespace is written about in "default".
  if (value === namespace || (value === "" && namespace === "default")) return [];
  return [{ type: "Invalid", field: "involvedObject.namespace", value, detail: "does not match event.namespace" }];
}

const checks: Readonly<Record<string, Check>> = {
  "/Event": eventProblems,
  "/ConfigMap": configProblems,
  "/Secret": configProblems,
  "/Service": serviceProblems,
  "/Pod": (object) => podSpecProblems(objectAt(object, "spec"), "spec"),
  "apps/Deployment": deploymentProblems,
  "apps/ReplicaSet": replicaSetProblems,
  "autoscaling/HorizontalPodAutoscaler": autoscalerProblems,
  "coordination.k8s.io/Lease": leaseProblems,
};

const changeChecks: Readonly<Record<string, ChangeCheck>> = {
  "/ConfigMap": immutableProblems,
  "/Secret": immutableProblems,
  "/Service": clusterAddressProblems,
  "apps/Deployment": selectorProblems,
  "apps/ReplicaSet": selectorProblems,
};

/** Complaints about an object that is about to be stored; `before` is what it replaces. */
export function problemsOf(kind: Kind, after: JsonObject, before: JsonObject | undefined): readonly FieldProblem[] {
  const id = kindId(kind);
  const change = before === undefined
    ? []
    : [...metadataUpdateProblems(before, after), ...changeChecks[id]?.(before, after) ?? []];
  const own = kind.custom ? withRulesRemark(bodyProblems(kind, after), kind.rules) : checks[id]?.(after) ?? [];
  return [...metadataProblems(id, after), ...own, ...change];
}

/** Complaints about a new status. */
export function statusProblems(kind: Kind, after: JsonObject): readonly FieldProblem[] {
  if (kindId(kind) === "apps/Deployment") return deploymentStatusProblems(after);
  if (!kind.custom) return [];
  const problems = bodyProblems(kind, after).filter((one) => one.field.startsWith("status"));
  // The validator of the subresource words its paths from the status on.
  const worded = problems.map((one) => ({ ...one, detail: one.detail.replace(/^status\./, "") }));
  return withRulesRemark(worded, kind.rules);
}

function bodyProblems(kind: Kind, object: JsonObject): readonly FieldProblem[] {
  const { metadata: _checkedElsewhere, ...body } = object;
  return isJsonObject(body) ? complaints(body, kind.schema) : [];
}
