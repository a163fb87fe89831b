/**
 * Writes the JSON files of this folder from a server's OpenAPI document and from CRD files. Descriptions, examples and
 * CEL rules are left out. Run by hand when the tracked Kubernetes version moves; the sandbox itself only reads the files.
 *
 *     deno run -A src/sandbox/api/schemas/generate.ts <openapi-v2.json> <folder of CRDs>
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { at, isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from "../../../core/kube_object.ts";

const roots = [
  "io.k8s.api.core.v1.Namespace",
  "io.k8s.api.core.v1.ConfigMap",
  "io.k8s.api.core.v1.Secret",
  "io.k8s.api.core.v1.Service",
  "io.k8s.api.core.v1.Pod",
  "io.k8s.api.core.v1.Event",
  "io.k8s.api.apps.v1.Deployment",
  "io.k8s.api.apps.v1.ReplicaSet",
  "io.k8s.api.autoscaling.v1.Scale",
  "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
  "io.k8s.api.coordination.v1.Lease",
  "io.k8s.api.events.v1.Event",
  "io.k8s.api.discovery.v1.EndpointSlice",
];

/** File in this folder, CRD file, and the version to take. */
const customKinds = [
  ["gateway", "gateway-api/gateways.yaml", "v1"],
  ["httproute", "gateway-api/httproutes.yaml", "v1"],
  ["virtualservice", "istio/virtualservices.yaml", "v1"],
  ["destinationrule", "istio/destinationrules.yaml", "v1"],
  ["canary", "flagger/canaries.yaml", "v1beta1"],
  ["metrictemplate", "flagger/metrictemplates.yaml", "v1beta1"],
  ["alertprovider", "flagger/alertproviders.yaml", "v1beta1"],
] as const;

const keptKeys = new Set([
  "$ref",
  "type",
  "format",
  "items",
  "additionalProperties",
  "properties",
  "required",
  "enum",
  "default",
  "nullable",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "maxProperties",
  "pattern",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-int-or-string",
]);

function stripped(schema: Json): Json {
  if (!isJsonObject(schema)) return schema;
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (!keptKeys.has(key)) continue;
    if (key === "properties") {
      kept[key] = Object.fromEntries(Object.entries(objectAt(value)).map(([name, one]) => [name, stripped(one)]));
    } else if (key === "items" || key === "additionalProperties") kept[key] = stripped(value);
    else if (key === "$ref") kept[key] = String(value).replace("#/definitions/", "");
    else kept[key] = value;
  }
  return kept;
}

function refsIn(schema: Json): readonly string[] {
  if (Array.isArray(schema)) return schema.flatMap(refsIn);
  if (!isJsonObject(schema)) return [];
  const own = stringAt(schema, "$ref");
  return [...(own === undefined ? [] : [own]), ...Object.values(schema).flatMap(refsIn)];
}

function builtIns(openApi: unknown): JsonObject {
  const found: Record<string, Json> = {};
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name in found) continue;
    const schema = stripped(objectAt(openApi, "definitions", name));
    found[name] = schema;
    waiting.push(...refsIn(schema));
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
}

function write(name: string, value: Json): void {
  writeFileSync(new URL(`./${name}.json`, import.meta.url), JSON.stringify(value) + "\n");
}

if (import.meta.main) {
  const [openApiPath, crdFolder] = Deno.args;
  if (openApiPath === undefined || crdFolder === undefined) {
    throw new Error("Cannot generate: two arguments are needed");
  }
  write("kubernetes", builtIns(JSON.parse(readFileSync(openApiPath, "utf8"))));
  for (const [file, path, version] of customKinds) {
    const [document] = parseAllDocuments(readFileSync(`${crdFolder}/${path}`, "utf8"));
    const crd: unknown = document?.toJS();
    const found = listAt(crd, "spec", "versions").find((one) => at(one, "name") === version);
    write(file, stripped(objectAt(found, "schema", "openAPIV3Schema")));
  }
}
