/** Validation of pods, pod templates and the workloads that own them, as far as the agent's objects reach. */
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
} from "../../../core/kube_object.ts";
import { matchesSelector } from "../selectors.ts";
import type { FieldProblem } from "../status_error.ts";
import { sameJson } from "../typed_merge.ts";

const notNegative = "must be greater than or equal to 0";

/** A number that must not be below zero. */
export function negative(value: number | undefined, field: string): readonly FieldProblem[] {
  return value !== undefined && value < 0 ? [{ type: "Invalid", field, value, detail: notNegative }] : [];
}

export function podSpecProblems(spec: JsonObject, path: string): readonly FieldProblem[] {
  const containers = listAt(spec, "containers");
  if (containers.length === 0) return [{ type: "Required", field: `${path}.containers`, detail: "" }];
  const found: FieldProblem[] = [];
  const seen = new Set<string>();
  containers.forEach((container, index) => {
    const field = `${path}.containers[${index}]`;
    const name = stringAt(container, "name") ?? "";
    if (name === "") found.push({ type: "Required", field: `${field}.name`, detail: "" });
    else if (seen.has(name)) found.push({ type: "Duplicate", field: `${field}.name`, value: name, detail: "" });
    seen.add(name);
    if ((stringAt(container, "image") ?? "") === "") {
      found.push({ type: "Required", field: `${field}.image`, detail: "" });
    }
    listAt(container, "ports").forEach((port, at) => found.push(...portProblems(port, `${field}.ports[${at}]`)));
    const volumes = new Set(listAt(spec, "volumes").map((volume) => stringAt(volume, "name")));
    listAt(container, "volumeMounts").forEach((mount, at) => {
      const volume = stringAt(mount, "name") ?? "";
      if (volumes.has(volume)) return;
      found.push({ type: "NotFound", field: `${field}.volumeMounts[${at}].name`, value: volume, detail: "" });
    });
  });
  return found;
}

function portProblems(port: Json, field: string): readonly FieldProblem[] {
  const number = numberAt(port, "containerPort");
  if (number === undefined || number === 0) return [{ type: "Required", field: `${field}.containerPort`, detail: "" }];
  if (number >= 1 && number <= 65535) return [];
  return [{
    type: "Invalid",
    field: `${field}.containerPort`,
    value: number,
    detail: "must be between 1 and 65535, inclusive",
  }];
}

function templateProblems(object: JsonObject): readonly FieldProblem[] {
  const spec = objectAt(object, "spec");
  const selector = at(spec, "selector");
  const labels = at(spec, "template", "metadata", "labels");
  const found: FieldProblem[] = [];
  if (!isJsonObject(selector)) found.push({ type: "Required", field: "spec.selector", detail: "" });
  else if (Object.keys(selector).length === 0) {
    const detail = "empty selector is invalid for deployment";
    found.push({ type: "Invalid", field: "spec.selector", value: selector, detail });
  }
  found.push(...negative(numberAt(spec, "replicas"), "spec.replicas"));
  if (!isJsonObject(selector) || !matchesSelector(selector, objectAt(labels))) {
    const detail = "`selector` does not match template `labels`";
    found.push({ type: "Invalid", field: "spec.template.metadata.labels", value: labels ?? null, detail });
  }
  found.push(...podSpecProblems(objectAt(spec, "template", "spec"), "spec.template.spec"));
  const restart = stringAt(spec, "template", "spec", "restartPolicy");
  if (restart !== "Always") {
    const field = "spec.template.spec.restartPolicy";
    found.push({ type: "NotSupported", field, value: restart ?? "", detail: 'supported values: "Always"' });
  }
  return found;
}

export function deploymentProblems(object: JsonObject): readonly FieldProblem[] {
  const spec = objectAt(object, "spec");
  const type = stringAt(spec, "strategy", "type");
  const found = [...templateProblems(object)];
  if (type !== "RollingUpdate" && type !== "Recreate") {
    const detail = 'supported values: "Recreate", "RollingUpdate"';
    found.push({ type: "NotSupported", field: "spec.strategy.type", value: type ?? "", detail });
  }
  if (type === "Recreate" && at(spec, "strategy", "rollingUpdate") !== undefined) {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    found.push({ type: "Forbidden", field: "spec.strategy.rollingUpdate", detail });
  }
  const isZero = (value: Json | undefined) => value === 0 || value === "0%";
  const { maxSurge, maxUnavailable } = objectAt(spec, "strategy", "rollingUpdate");
  if (isZero(maxSurge) && isZero(maxUnavailable)) {
    const field = "spec.strategy.rollingUpdate.maxUnavailable";
    found.push({ type: "Invalid", field, value: maxUnavailable ?? 0, detail: "may not be 0 when `maxSurge` is 0" });
  }
  found.push(...negative(numberAt(spec, "minReadySeconds"), "spec.minReadySeconds"));
  found.push(...negative(numberAt(spec, "revisionHistoryLimit"), "spec.revisionHistoryLimit"));
  const deadline = numberAt(spec, "progressDeadlineSeconds");
  if (deadline !== undefined && deadline <= (numberAt(spec, "minReadySeconds") ?? 0)) {
    const detail = "must be greater than minReadySeconds";
    found.push({ type: "Invalid", field: "spec.progressDeadlineSeconds", value: deadline, detail });
  }
  return found;
}

export function replicaSetProblems(object: JsonObject): readonly FieldProblem[] {
  return templateProblems(object);
}

/** A selector never changes. */
export function selectorProblems(before: JsonObject, after: JsonObject): readonly FieldProblem[] {
  const was = objectAt(before, "spec", "selector");
  const is = objectAt(after, "spec", "selector");
  if (sameJson(was, is)) return [];
  return [{ type: "Invalid", field: "spec.selector", value: is, detail: "field is immutable" }];
}

/** The counts of a Deployment's status. */
export function deploymentStatusProblems(object: JsonObject): readonly FieldProblem[] {
  const status = objectAt(object, "status");
  const replicas = numberAt(status, "replicas") ?? 0;
  const counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"];
  const found = counts.flatMap((name) => negative(numberAt(status, name), `status.${name}`));
  for (const name of ["updatedReplicas", "readyReplicas", "availableReplicas"]) {
    const value = numberAt(status, name) ?? 0;
    if (value <= replicas) continue;
    found.push({ type: "Invalid", field: `status.${name}`, value, detail: "cannot be greater than status.replicas" });
  }
  const ready = numberAt(status, "readyReplicas") ?? 0;
  const available = numberAt(status, "availableReplicas") ?? 0;
  if (available > ready) {
    const detail = "cannot be greater than readyReplicas";
    found.push({ type: "Invalid", field: "status.availableReplicas", value: available, detail });
  }
  return found;
}
