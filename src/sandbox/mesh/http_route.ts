/**
 * Reads a Gateway API HTTPRoute's rules. What is not listed here (redirects, CORS, retries, references into other
 * namespaces) stops the route.
 *
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#httproute
 */
import type { KubeObject } from "../../core/kube_object.ts";
import {
  ANY_REQUEST,
  type Backend,
  DEFAULT_RETRIES,
  type HeaderEdits,
  type Mirror,
  NO_EDITS,
  type PathMatch,
  type RequestMatch,
  type Rewrite,
  type Rule,
  type ServiceRef,
  type TextTest,
} from "./route_model.ts";
import {
  durationOf,
  type Item,
  itemsOf,
  objectOf,
  optionalNumber,
  optionalText,
  patternOf,
  RouteProblem,
  textOf,
  wordOf,
} from "./strict_fields.ts";

/** @throws {RouteProblem} a field, type or value that the mesh does not act on */
export function readHttpRouteRules(route: KubeObject): readonly Rule[] {
  const spec = objectOf(route.spec, "spec", ["parentRefs", "hostnames", "rules"]);
  const namespace = route.metadata.namespace ?? "default";
  return itemsOf(spec["rules"] ?? [{}], "spec.rules").map((item) => readRule(item, namespace));
}

function readRule({ value, path }: Item, namespace: string): Rule {
  const rule = objectOf(value, path, ["name", "matches", "filters", "backendRefs", "timeouts"]);
  const matches = itemsOf(rule["matches"], `${path}.matches`).map(readMatch);
  const filters = readFilters(rule["filters"], `${path}.filters`, namespace, ALL_FILTERS);
  const backends = itemsOf(rule["backendRefs"], `${path}.backendRefs`).map((item) => readBackend(item, namespace));
  if (backends.length === 0) {
    throw new RouteProblem(`${path}.backendRefs`, "the sandbox's mesh wants at least one backend");
  }
  const timeouts = objectOf(rule["timeouts"], `${path}.timeouts`, ["request", "backendRequest"]);
  const timeoutMs = durationOf(timeouts["request"], `${path}.timeouts.request`);
  const perTryTimeoutMs = durationOf(timeouts["backendRequest"], `${path}.timeouts.backendRequest`);
  return {
    matches: matches.length === 0 ? [{ ...ANY_REQUEST, path: pathPrefix("/") }] : matches,
    backends,
    mirrors: filters.mirrors,
    request: filters.request,
    response: filters.response,
    ...(filters.rewrite === undefined ? {} : { rewrite: filters.rewrite }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    retries: perTryTimeoutMs === undefined ? DEFAULT_RETRIES : { ...DEFAULT_RETRIES, perTryTimeoutMs },
  };
}

function readMatch({ value, path }: Item): RequestMatch {
  const match = objectOf(value, path, ["path", "headers", "queryParams", "method"]);
  const method = optionalText(match["method"], `${path}.method`);
  return {
    path: readPath(match["path"], `${path}.path`),
    ...(method === undefined ? {} : { method: (text: string | undefined) => text === method }),
    headers: itemsOf(match["headers"], `${path}.headers`).map((item) => {
      const { name, test } = readNamed(item);
      return { name: name.toLowerCase(), test };
    }),
    query: itemsOf(match["queryParams"], `${path}.queryParams`).map(readNamed),
  };
}

function readPath(value: unknown, path: string): PathMatch {
  const given = objectOf(value, path, ["type", "value"]);
  const text = optionalText(given["value"], `${path}.value`) ?? "/";
  switch (wordOf(given["type"], `${path}.type`, ["PathPrefix", "Exact", "RegularExpression"], "PathPrefix")) {
    case "Exact":
      return { type: "exact", value: text, test: (asked) => asked === text };
    case "RegularExpression":
      return { type: "regex", value: text, test: patternOf(text, `${path}.value`) };
    case "PathPrefix":
      return pathPrefix(text);
  }
}

/** By whole path elements: "/shop" takes "/shop" and "/shop/1", not "/shopping". */
function pathPrefix(value: string): PathMatch {
  const bare = value.replace(/\/$/, "");
  return { type: "prefix", value, test: (asked) => asked === bare || asked.startsWith(`${bare}/`) };
}

function readNamed({ value, path }: Item): { readonly name: string; readonly test: TextTest } {
  const given = objectOf(value, path, ["type", "name", "value"]);
  const name = textOf(given["name"], `${path}.name`);
  const wanted = textOf(given["value"], `${path}.value`);
  if (wordOf(given["type"], `${path}.type`, ["Exact", "RegularExpression"], "Exact") === "Exact") {
    return { name, test: (text) => text === wanted };
  }
  const pattern = patternOf(wanted, `${path}.value`);
  return { name, test: (text) => text !== undefined && pattern(text) };
}

interface Filters {
  readonly request: HeaderEdits;
  readonly response: HeaderEdits;
  readonly mirrors: readonly Mirror[];
  readonly rewrite: Rewrite | undefined;
}

const FIELD_OF_FILTER = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
  RequestMirror: "requestMirror",
  URLRewrite: "urlRewrite",
} as const;
type FilterType = keyof typeof FIELD_OF_FILTER;
const ALL_FILTERS: readonly FilterType[] = [
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestMirror",
  "URLRewrite",
];
const BACKEND_FILTERS: readonly FilterType[] = ["RequestHeaderModifier", "ResponseHeaderModifier"];

function readFilters(value: unknown, path: string, namespace: string, allowed: readonly FilterType[]): Filters {
  let filters: Filters = { request: NO_EDITS, response: NO_EDITS, mirrors: [], rewrite: undefined };
  for (const item of itemsOf(value, path)) {
    const filter = objectOf(item.value, item.path, [
      "type",
      ...Object.values(FIELD_OF_FILTER),
      "requestRedirect",
      "cors",
      "extensionRef",
    ]);
    const type = wordOf(filter["type"], `${item.path}.type`, allowed);
    const field = FIELD_OF_FILTER[type];
    const [body, at] = [filter[field], `${item.path}.${field}`];
    if (body === undefined) throw new RouteProblem(at, `is wanted by a filter of type ${type}`);
    if (type === "RequestHeaderModifier") filters = { ...filters, request: readEdits(body, at) };
    else if (type === "ResponseHeaderModifier") filters = { ...filters, response: readEdits(body, at) };
    else if (type === "URLRewrite") filters = { ...filters, rewrite: readRewrite(body, at) };
    else filters = { ...filters, mirrors: [...filters.mirrors, readMirror(body, at, namespace)] };
  }
  return filters;
}

function readEdits(value: unknown, path: string): HeaderEdits {
  const edits = objectOf(value, path, ["set", "add", "remove"]);
  const pairs = (key: string) =>
    itemsOf(edits[key], `${path}.${key}`).map((item) => {
      const pair = objectOf(item.value, item.path, ["name", "value"]);
      return [textOf(pair["name"], `${item.path}.name`), textOf(pair["value"], `${item.path}.value`)] as const;
    });
  const remove = itemsOf(edits["remove"], `${path}.remove`).map((item) => textOf(item.value, item.path));
  return { set: pairs("set"), add: pairs("add"), remove };
}

function readMirror(value: unknown, path: string, namespace: string): Mirror {
  const mirror = objectOf(value, path, ["backendRef", "percent", "fraction"]);
  const fraction = objectOf(mirror["fraction"], `${path}.fraction`, ["numerator", "denominator"]);
  const numerator = optionalNumber(fraction["numerator"], `${path}.fraction.numerator`);
  const denominator = optionalNumber(fraction["denominator"], `${path}.fraction.denominator`) ?? 100;
  const percent = optionalNumber(mirror["percent"], `${path}.percent`);
  const share = numerator === undefined ? 100 : 100 * numerator / denominator;
  const fields = ["group", "kind", "namespace", "name", "port"];
  return {
    service: readService(mirror["backendRef"], `${path}.backendRef`, namespace, fields),
    percent: percent ?? share,
  };
}

function readRewrite(value: unknown, path: string): Rewrite {
  const rewrite = objectOf(value, path, ["hostname", "path"]);
  const host = optionalText(rewrite["hostname"], `${path}.hostname`);
  const base = host === undefined ? {} : { host };
  if (rewrite["path"] === undefined) return base;
  const given = objectOf(rewrite["path"], `${path}.path`, ["type", "replaceFullPath", "replacePrefixMatch"]);
  const type = wordOf(given["type"], `${path}.path.type`, ["ReplaceFullPath", "ReplacePrefixMatch"]);
  if (type === "ReplaceFullPath") {
    const full = textOf(given["replaceFullPath"], `${path}.path.replaceFullPath`);
    return { ...base, path: () => full };
  }
  const prefix = textOf(given["replacePrefixMatch"], `${path}.path.replacePrefixMatch`);
  return { ...base, path: (asked, match) => replacePrefix(asked, match, prefix) };
}

function replacePrefix(asked: string, match: RequestMatch, replacement: string): string {
  if (match.path?.type !== "prefix") return asked;
  const rest = asked.slice(match.path.value.replace(/\/$/, "").length);
  const joined = replacement.replace(/\/$/, "") + rest;
  return joined === "" ? "/" : joined;
}

function readBackend({ value, path }: Item, namespace: string): Backend {
  const fields = ["group", "kind", "namespace", "name", "port", "weight", "filters"];
  const backend = objectOf(value, path, fields);
  const filters = readFilters(backend["filters"], `${path}.filters`, namespace, BACKEND_FILTERS);
  const weight = optionalNumber(backend["weight"], `${path}.weight`) ?? 1;
  const service = readService(value, path, namespace, fields);
  return { service, weight, request: filters.request, response: filters.response };
}

function readService(value: unknown, path: string, namespace: string, fields: readonly string[]): ServiceRef {
  const ref = objectOf(value, path, fields);
  wordOf(ref["group"], `${path}.group`, [""], "");
  wordOf(ref["kind"], `${path}.kind`, ["Service"], "Service");
  const own = optionalText(ref["namespace"], `${path}.namespace`) ?? namespace;
  if (own !== namespace) {
    throw new RouteProblem(
      `${path}.namespace`,
      "the sandbox's mesh reads no ReferenceGrants, so a backend must be in the route's namespace",
    );
  }
  const port = optionalNumber(ref["port"], `${path}.port`);
  if (port === undefined) throw new RouteProblem(`${path}.port`, "is wanted for a Service");
  return { namespace, name: textOf(ref["name"], `${path}.name`), port };
}
