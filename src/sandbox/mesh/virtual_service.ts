/**
 * Reads an Istio VirtualService's HTTP rules. What is not listed here (redirects, faults, CORS, delegation, subsets,
 * TCP and TLS routes) stops the route.
 *
 * @see https://istio.io/latest/docs/reference/config/networking/virtual-service/
 */
import type { KubeObject } from "../../core/kube_object.ts";
import { serviceOfHost } from "./hosts.ts";
import { type MeshClient, readIstioMatch } from "./istio_match.ts";
import {
  ANY_REQUEST,
  type Backend,
  DEFAULT_RETRIES,
  type HeaderEdits,
  type Mirror,
  type RequestMatch,
  type Retries,
  type Rewrite,
  type Rule,
  type ServiceRef,
} from "./route_model.ts";
import {
  durationOf,
  entriesOf,
  type Item,
  itemsOf,
  objectOf,
  optionalNumber,
  optionalText,
  RouteProblem,
  textOf,
  wordOf,
} from "./strict_fields.ts";

/**
 * Rules in their order. Rules for other clients are left out.
 *
 * @throws {RouteProblem} a field, type or value that the mesh does not act on
 */
export function readVirtualServiceRules(object: KubeObject, client: MeshClient): readonly Rule[] {
  const spec = objectOf(object.spec, "spec", ["hosts", "gateways", "http", "exportTo"]);
  const namespace = object.metadata.namespace ?? "default";
  const exportTo = itemsOf(spec["exportTo"], "spec.exportTo");
  for (const item of exportTo) wordOf(item.value, item.path, ["*"]);
  return itemsOf(spec["http"], "spec.http").flatMap((item) => readRule(item, namespace, client));
}

const RULE_FIELDS = [
  "name",
  "match",
  "route",
  "rewrite",
  "timeout",
  "retries",
  "mirror",
  "mirrorPercentage",
  "mirrors",
  "headers",
];

function readRule({ value, path }: Item, namespace: string, client: MeshClient): readonly Rule[] {
  const rule = objectOf(value, path, RULE_FIELDS);
  const given = itemsOf(rule["match"], `${path}.match`);
  const matches = given.flatMap((item): readonly RequestMatch[] => readIstioMatch(item, client));
  if (given.length > 0 && matches.length === 0) return [];
  const backends = itemsOf(rule["route"], `${path}.route`).map((item) => readDestination(item, namespace));
  if (backends.length === 0) {
    throw new RouteProblem(`${path}.route`, "the sandbox's mesh wants at least one destination");
  }
  const edits = readHeaders(rule["headers"], `${path}.headers`);
  const timeoutMs = durationOf(rule["timeout"], `${path}.timeout`);
  const rewrite = readRewrite(rule["rewrite"], `${path}.rewrite`, matches);
  return [{
    matches: matches.length === 0 ? [ANY_REQUEST] : matches,
    backends: weighted(backends, `${path}.route`),
    mirrors: readMirrors(rule, path, namespace),
    request: edits.request,
    response: edits.response,
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    retries: readRetries(rule["retries"], `${path}.retries`),
  }];
}

/** A lone destination gets everything, whatever its weight says; several need a weight among them. */
function weighted(backends: readonly Backend[], path: string): readonly Backend[] {
  const [only] = backends;
  if (only !== undefined && backends.length === 1) return [{ ...only, weight: 1 }];
  if (backends.every((backend) => backend.weight === 0)) throw new RouteProblem(path, "total destination weight = 0");
  return backends;
}

function readDestination({ value, path }: Item, namespace: string): Backend {
  const route = objectOf(value, path, ["destination", "weight", "headers"]);
  const weight = optionalNumber(route["weight"], `${path}.weight`) ?? 0;
  const edits = readHeaders(route["headers"], `${path}.headers`);
  return { service: readHost(route["destination"], `${path}.destination`, namespace), weight, ...edits };
}

function readHost(value: unknown, path: string, namespace: string): ServiceRef {
  const destination = objectOf(value, path, ["host", "port"]);
  const host = textOf(destination["host"], `${path}.host`);
  const service = serviceOfHost(host, namespace);
  if (service === undefined) throw new RouteProblem(`${path}.host`, `"${host}" is not a Service of the cluster`);
  const port = optionalNumber(
    objectOf(destination["port"], `${path}.port`, ["number"])["number"],
    `${path}.port.number`,
  );
  return port === undefined ? service : { ...service, port };
}

function readMirrors(rule: Readonly<Record<string, unknown>>, path: string, namespace: string): readonly Mirror[] {
  const percentOf = (value: unknown, at: string) =>
    optionalNumber(objectOf(value, at, ["value"])["value"], `${at}.value`) ?? (value === undefined ? 100 : 0);
  const single = rule["mirror"] === undefined ? [] : [{
    service: readHost(rule["mirror"], `${path}.mirror`, namespace),
    percent: percentOf(rule["mirrorPercentage"], `${path}.mirrorPercentage`),
  }];
  const several = itemsOf(rule["mirrors"], `${path}.mirrors`).map((item) => {
    const mirror = objectOf(item.value, item.path, ["destination", "percentage"]);
    return {
      service: readHost(mirror["destination"], `${item.path}.destination`, namespace),
      percent: percentOf(mirror["percentage"], `${item.path}.percentage`),
    };
  });
  return [...single, ...several];
}

function readHeaders(value: unknown, path: string): { readonly request: HeaderEdits; readonly response: HeaderEdits } {
  const headers = objectOf(value, path, ["request", "response"]);
  const edits = (key: string): HeaderEdits => {
    const at = `${path}.${key}`;
    const given = objectOf(headers[key], at, ["set", "add", "remove"]);
    const pairs = (verb: string) =>
      entriesOf(given[verb], `${at}.${verb}`).map((entry) => [entry.name, textOf(entry.value, entry.path)] as const);
    const remove = itemsOf(given["remove"], `${at}.remove`).map((item) => textOf(item.value, item.path));
    return { set: pairs("set"), add: pairs("add"), remove };
  };
  return { request: edits("request"), response: edits("response") };
}

/** The new path takes the place of a matched prefix, of "/" where no path is matched, and of an exact path whole. */
function readRewrite(value: unknown, path: string, matches: readonly RequestMatch[]): Rewrite | undefined {
  if (value === undefined) return undefined;
  const rewrite = objectOf(value, path, ["uri", "authority"]);
  const [uri, host] = [
    optionalText(rewrite["uri"], `${path}.uri`),
    optionalText(rewrite["authority"], `${path}.authority`),
  ];
  if (uri !== undefined && matches.some((match) => match.path?.type === "regex")) {
    throw new RouteProblem(`${path}.uri`, "the sandbox's mesh does not know what a rewrite does behind a regex match");
  }
  const replace = (asked: string, match: RequestMatch) =>
    match.path?.type === "exact" ? uri ?? asked : (uri ?? "") + asked.slice(match.path?.value.length ?? 1);
  return { ...(host === undefined ? {} : { host }), ...(uri === undefined ? {} : { path: replace }) };
}

const RETRY_WORDS: Readonly<Record<string, (status: number) => boolean>> = {
  "5xx": (status) => status >= 500,
  "gateway-error": (status) => status >= 502 && status <= 504,
  "retriable-4xx": (status) => status === 409,
  "connect-failure": () => false,
  "refused-stream": () => false,
  "reset": () => false,
  "unavailable": () => false,
  "cancelled": () => false,
};

function readRetries(value: unknown, path: string): Retries {
  if (value === undefined) return DEFAULT_RETRIES;
  const retries = objectOf(value, path, ["attempts", "perTryTimeout", "retryOn"]);
  const words = (optionalText(retries["retryOn"], `${path}.retryOn`) ?? "").split(",").map((word) => word.trim());
  const tests = words.filter((word) => word !== "").map((word) => {
    if (/^\d{3}$/.test(word)) return (status: number) => status === Number(word);
    const known = RETRY_WORDS[word];
    if (known === undefined) throw new RouteProblem(`${path}.retryOn`, `the sandbox's mesh does not know "${word}"`);
    return known;
  });
  const perTryTimeoutMs = durationOf(retries["perTryTimeout"], `${path}.perTryTimeout`);
  return {
    attempts: optionalNumber(retries["attempts"], `${path}.attempts`) ?? DEFAULT_RETRIES.attempts,
    ...(perTryTimeoutMs === undefined ? {} : { perTryTimeoutMs }),
    onStatus: (status) => tests.some((test) => test(status)),
  };
}
