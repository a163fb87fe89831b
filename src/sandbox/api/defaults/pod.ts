/** Defaults that Kubernetes 1.36 fills into pods and pod templates. */
import { at, isJsonObject, type Json, type JsonObject, objectAt, stringAt } from "../../../core/kube_object.ts";
import { fill, withField } from "../json_edit.ts";

/** The defaults of a pod's spec. */
export function podSpecDefaults(spec: JsonObject): JsonObject {
  let filled = fill(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  });
  for (const list of ["containers", "initContainers"]) {
    const containers = at(filled, list);
    if (Array.isArray(containers)) filled = withField(filled, list, containers.map(containerDefaults));
  }
  const volumes = at(filled, "volumes");
  if (Array.isArray(volumes)) filled = withField(filled, "volumes", volumes.map(volumeDefaults));
  const account = stringAt(filled, "serviceAccountName") ?? stringAt(filled, "serviceAccount");
  // The old name of the field is kept in step with the new one.
  return account === undefined ? filled : { ...filled, serviceAccountName: account, serviceAccount: account };
}

function containerDefaults(container: Json): Json {
  if (!isJsonObject(container)) return container;
  let filled = fill(container, {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: pullPolicy(stringAt(container, "image") ?? ""),
  });
  const ports = at(filled, "ports");
  if (Array.isArray(ports)) {
    filled = withField(
      filled,
      "ports",
      ports.map((port) => isJsonObject(port) ? fill(port, { protocol: "TCP" }) : port),
    );
  }
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const found = filled[probe];
    if (isJsonObject(found)) filled = withField(filled, probe, probeDefaults(found));
  }
  const requests = objectAt(filled, "resources", "requests");
  const limits = objectAt(filled, "resources", "limits");
  if (Object.keys(limits).length > 0) {
    const resources = { ...objectAt(filled, "resources"), requests: { ...limits, ...requests } };
    filled = withField(filled, "resources", resources);
  }
  const env = at(filled, "env");
  return Array.isArray(env) ? withField(filled, "env", env.map(envDefaults)) : filled;
}

function envDefaults(variable: Json): Json {
  const source = at(variable, "valueFrom", "fieldRef");
  if (!isJsonObject(variable) || !isJsonObject(source)) return variable;
  return {
    ...variable,
    valueFrom: { ...objectAt(variable, "valueFrom"), fieldRef: fill(source, { apiVersion: "v1" }) },
  };
}

/** An image without a tag, or with the tag "latest", is always pulled. */
function pullPolicy(image: string): string {
  if (image.includes("@")) return "IfNotPresent";
  const last = image.slice(image.lastIndexOf("/") + 1);
  const tag = last.includes(":") ? last.slice(last.indexOf(":") + 1) : "latest";
  return tag === "latest" ? "Always" : "IfNotPresent";
}

function probeDefaults(probe: JsonObject): JsonObject {
  const filled = fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  const http = at(filled, "httpGet");
  const withHttp = isJsonObject(http)
    ? withField(filled, "httpGet", fill(http, { path: "/", scheme: "HTTP" }))
    : filled;
  const grpc = at(withHttp, "grpc");
  return isJsonObject(grpc) ? withField(withHttp, "grpc", fill(grpc, { service: "" })) : withHttp;
}

/** Sources whose files get a mode, and the volume that stands in when no source is named. */
function volumeDefaults(volume: Json): Json {
  if (!isJsonObject(volume)) return volume;
  if (Object.keys(volume).length === 1) return { ...volume, emptyDir: {} };
  let filled = volume;
  for (const source of ["configMap", "secret", "downwardAPI", "projected"]) {
    const found = filled[source];
    if (isJsonObject(found)) filled = withField(filled, source, fill(found, { defaultMode: 420 }));
  }
  const hostPath = filled["hostPath"];
  return isJsonObject(hostPath) ? withField(filled, "hostPath", fill(hostPath, { type: "" })) : filled;
}

/** The defaults of a pod template. */
export function podTemplateDefaults(template: JsonObject): JsonObject {
  const spec = podSpecDefaults(objectAt(template, "spec"));
  const metadata = at(template, "metadata");
  return { ...(isJsonObject(metadata) ? { metadata } : {}), spec };
}
