/** Defaults of built-in kinds, by kind: what Kubernetes 1.36 adds to an object between decoding and validation. */
import { at, isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from "../../../core/kube_object.ts";
import { base64, fill, withField } from "../json_edit.ts";
import { podSpecDefaults, podTemplateDefaults } from "./pod.ts";

type Defaults = (object: JsonObject) => JsonObject;

function inSpec(defaults: Defaults): Defaults {
  return (object) => ({ ...object, spec: defaults(objectAt(object, "spec")) });
}

function deploymentSpec(spec: JsonObject): JsonObject {
  const strategy = fill(objectAt(spec, "strategy"), { type: "RollingUpdate" });
  const rolling = fill(objectAt(strategy, "rollingUpdate"), { maxUnavailable: "25%", maxSurge: "25%" });
  return {
    ...fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 }),
    template: podTemplateDefaults(objectAt(spec, "template")),
    strategy: stringAt(strategy, "type") === "RollingUpdate" ? { ...strategy, rollingUpdate: rolling } : strategy,
  };
}

function replicaSetSpec(spec: JsonObject): JsonObject {
  return { ...fill(spec, { replicas: 1 }), template: podTemplateDefaults(objectAt(spec, "template")) };
}

function serviceSpec(spec: JsonObject): JsonObject {
  const type = stringAt(spec, "type") ?? "ClusterIP";
  const filled = fill(spec, { sessionAffinity: "None", type });
  const ports = at(spec, "ports");
  const withPorts = Array.isArray(ports) ? withField(filled, "ports", ports.map(servicePort)) : filled;
  if (type === "ExternalName") return withPorts;
  return fill(withPorts, {
    internalTrafficPolicy: "Cluster",
    ...(type === "ClusterIP" ? {} : { externalTrafficPolicy: "Cluster" }),
  });
}

function servicePort(port: Json): Json {
  if (!isJsonObject(port)) return port;
  // A port left out is 0 to the server, and is complained of as such.
  const number = port["port"] ?? 0;
  return { protocol: "TCP", targetPort: number, ...port, port: number };
}

function autoscalerSpec(spec: JsonObject): JsonObject {
  const cpu = { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } };
  const metrics = listAt(spec, "metrics");
  const behavior = at(spec, "behavior");
  return {
    ...fill(spec, { minReplicas: 1 }),
    metrics: metrics.length > 0 ? metrics : [cpu],
    // Whoever says something of one direction gets the rest of both.
    ...(isJsonObject(behavior) ? { behavior: scalingBehavior(behavior) } : {}),
  };
}

const SCALE_UP = {
  stabilizationWindowSeconds: 0,
  selectPolicy: "Max",
  policies: [{ type: "Pods", value: 4, periodSeconds: 15 }, { type: "Percent", value: 100, periodSeconds: 15 }],
};
const SCALE_DOWN = { selectPolicy: "Max", policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] };

function scalingBehavior(behavior: JsonObject): JsonObject {
  return {
    ...behavior,
    scaleUp: fill(objectAt(behavior, "scaleUp"), SCALE_UP),
    scaleDown: fill(objectAt(behavior, "scaleDown"), SCALE_DOWN),
  };
}

function secret(object: JsonObject): JsonObject {
  const given = objectAt(object, "stringData");
  const coded = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, base64(String(value))]));
  const typed = fill(withField(object, "stringData", undefined), { type: "Opaque" });
  if (Object.keys(given).length === 0) return typed;
  return { ...typed, data: { ...objectAt(object, "data"), ...coded } };
}

function namespace(object: JsonObject): JsonObject {
  const metadata = objectAt(object, "metadata");
  const name = stringAt(metadata, "name");
  if (name === undefined) return object;
  const labels = { ...objectAt(metadata, "labels"), "kubernetes.io/metadata.name": name };
  return { ...object, metadata: { ...metadata, labels } };
}

function endpointSlice(object: JsonObject): JsonObject {
  const ports = listAt(object, "ports").map((port) =>
    isJsonObject(port) ? fill(port, { name: "", protocol: "TCP" }) : port
  );
  return { ...object, ...(ports.length === 0 ? {} : { ports }) };
}

const byKind: Readonly<Record<string, Defaults>> = {
  "/Namespace": namespace,
  "/Secret": secret,
  "/Service": inSpec(serviceSpec),
  "/Pod": inSpec((spec) => fill(podSpecDefaults(spec), { enableServiceLinks: true })),
  "apps/Deployment": inSpec(deploymentSpec),
  "apps/ReplicaSet": inSpec(replicaSetSpec),
  "autoscaling/HorizontalPodAutoscaler": inSpec(autoscalerSpec),
  "discovery.k8s.io/EndpointSlice": endpointSlice,
};

/** The object with the defaults of its kind, named as `kindId` names it. */
export function builtInDefaults(id: string, object: JsonObject): JsonObject {
  return byKind[id]?.(object) ?? object;
}
