/** `spec.service` and the references beside it, from a spec that fits the schema. */
import type {
  GatewayRef,
  HeaderOperations,
  HttpMatch,
  Metadata,
  ServiceSpec,
  StringMatch,
  TargetRef,
} from "../core/canary.ts";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
} from "../core/kube_object.ts";

/** Port of a Knative service, which has no `spec.service`. */
const KNATIVE_PORT = 80;

/** The strings of a list at a path; empty when there is none. */
export function stringsAt(value: unknown, ...path: readonly string[]): readonly string[] {
  return listAt(value, ...path).filter((item) => typeof item === "string");
}

/** The strings of an object at a path; empty when there is none. */
export function stringMapAt(value: unknown, ...path: readonly string[]): Readonly<Record<string, string>> {
  const entries = Object.entries(objectAt(value, ...path));
  return Object.fromEntries(entries.flatMap(([key, inner]) => (typeof inner === "string" ? [[key, inner]] : [])));
}

function objectOrNull(value: unknown, key: string): JsonObject | null {
  const found = at(value, key);
  return isJsonObject(found) ? found : null;
}

/** @param namespace the canary's own, for references that name none */
export function parseService(spec: JsonObject, namespace: string): ServiceSpec {
  const service = objectAt(spec, "service");
  const port = numberAt(service, "port") ?? KNATIVE_PORT;
  const targetPort = at(service, "targetPort");
  const rewrite = objectOrNull(service, "rewrite");
  const retries = objectOrNull(service, "retries");
  const headers = objectOrNull(service, "headers");
  const upstream = targetRefAt(spec, "upstreamRef");
  return {
    name: stringAt(service, "name") ?? stringAt(spec, "targetRef", "name") ?? "",
    port,
    portName: stringAt(service, "portName") ?? "http",
    targetPort: typeof targetPort === "string" || typeof targetPort === "number" ? targetPort : port,
    appProtocol: stringAt(service, "appProtocol") ?? null,
    trafficDistribution: stringAt(service, "trafficDistribution") ?? null,
    portDiscovery: at(service, "portDiscovery") === true,
    headless: at(service, "headless") === true,
    timeout: stringAt(service, "timeout") ?? null,
    backendTimeout: stringAt(service, "backendTimeout") ?? null,
    gateways: stringsAt(service, "gateways"),
    gatewayRefs: listAt(service, "gatewayRefs").map(parseGatewayRef),
    hosts: stringsAt(service, "hosts"),
    delegation: at(service, "delegation") === true,
    trafficPolicy: objectOrNull(service, "trafficPolicy"),
    match: listAt(service, "match").map(parseHttpMatch),
    rewrite: rewrite === null ? null : {
      uri: stringAt(rewrite, "uri") ?? null,
      authority: stringAt(rewrite, "authority") ?? null,
      type: stringAt(rewrite, "type") ?? null,
    },
    retries: retries === null ? null : {
      attempts: numberAt(retries, "attempts") ?? 0,
      perTryTimeout: stringAt(retries, "perTryTimeout") ?? null,
      retryOn: stringAt(retries, "retryOn") ?? null,
    },
    headers: headers === null
      ? null
      : { request: operationsAt(headers, "request"), response: operationsAt(headers, "response") },
    mirror: listAt(service, "mirror").map((item) => objectAt(item, "backendRef")),
    corsPolicy: objectOrNull(service, "corsPolicy"),
    meshName: stringAt(service, "meshName") ?? null,
    backends: stringsAt(service, "backends"),
    apex: metadataAt(service, "apex"),
    primary: metadataAt(service, "primary"),
    canary: metadataAt(service, "canary"),
    unmanaged: {
      labels: stringsAt(service, "unmanagedMetadata", "labels"),
      annotations: stringsAt(service, "unmanagedMetadata", "annotations"),
    },
    ingressRef: targetRefAt(spec, "ingressRef"),
    routeRef: targetRefAt(spec, "routeRef"),
    upstreamRef: upstream === null
      ? null
      : { ...upstream, namespace: stringAt(spec, "upstreamRef", "namespace") ?? namespace },
  };
}

/** A reference at a key of a spec, or null. */
export function targetRefAt(spec: JsonObject, key: string): TargetRef | null {
  const ref = objectOrNull(spec, key);
  if (ref === null) return null;
  return {
    apiVersion: stringAt(ref, "apiVersion") ?? "",
    kind: stringAt(ref, "kind") ?? "",
    name: stringAt(ref, "name") ?? "",
  };
}

function metadataAt(service: JsonObject, key: string): Metadata {
  return { labels: stringMapAt(service, key, "labels"), annotations: stringMapAt(service, key, "annotations") };
}

function operationsAt(headers: JsonObject, key: string): HeaderOperations {
  return {
    set: stringMapAt(headers, key, "set"),
    add: stringMapAt(headers, key, "add"),
    remove: stringsAt(headers, key, "remove"),
  };
}

function parseGatewayRef(ref: Json): GatewayRef {
  return {
    group: stringAt(ref, "group") ?? "gateway.networking.k8s.io",
    kind: stringAt(ref, "kind") ?? "Gateway",
    name: stringAt(ref, "name") ?? "",
    namespace: stringAt(ref, "namespace") ?? null,
    sectionName: stringAt(ref, "sectionName") ?? null,
    port: numberAt(ref, "port") ?? null,
  };
}

const FORMS = ["exact", "prefix", "suffix", "regex"] as const;

function parseStringMatch(value: unknown): StringMatch | null {
  for (const type of FORMS) {
    const found = stringAt(value, type);
    if (found !== undefined) return { type, value: found };
  }
  return null;
}

function matchMapAt(match: Json, key: string, rename: (name: string) => string): Readonly<Record<string, StringMatch>> {
  const entries = Object.entries(objectAt(match, key)).flatMap(([name, value]) => {
    const parsed = parseStringMatch(value);
    return parsed === null ? [] : [[rename(name), parsed] as const];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One entry of `service.match` or `analysis.match`. */
export function parseHttpMatch(match: Json): HttpMatch {
  const lower = (name: string): string => name.toLowerCase();
  const same = (name: string): string => name;
  return {
    name: stringAt(match, "name") ?? null,
    uri: parseStringMatch(at(match, "uri")),
    ignoreUriCase: at(match, "ignoreUriCase") === true,
    scheme: parseStringMatch(at(match, "scheme")),
    method: parseStringMatch(at(match, "method")),
    authority: parseStringMatch(at(match, "authority")),
    headers: matchMapAt(match, "headers", lower),
    withoutHeaders: matchMapAt(match, "withoutHeaders", lower),
    queryParams: matchMapAt(match, "queryParams", same),
    port: numberAt(match, "port") ?? null,
    sourceLabels: stringMapAt(match, "sourceLabels"),
    sourceNamespace: stringAt(match, "sourceNamespace") ?? null,
    gateways: stringsAt(match, "gateways"),
  };
}
