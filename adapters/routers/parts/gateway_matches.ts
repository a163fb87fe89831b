/** Match conditions as Gateway API writes them, and combinations of two. */
import type { HttpMatch, StringMatch } from "../../../src/core/canary.ts";
import { isJsonObject, type Json, type JsonObject, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { InvalidSpecError } from "../../../src/errors.ts";

/** What a server fills in for a rule without matches; written out, so that a live rule compares equal. */
export const ANY_PATH: JsonObject = { path: { type: "PathPrefix", value: "/" } };

/**
 * One HTTPRouteMatch, defaults written out.
 * @throws {InvalidSpecError} a form that Gateway API does not have
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#httproutematch
 */
export function gatewayMatch(match: HttpMatch): JsonObject {
  const unsupported = Object.entries({
    ignoreUriCase: match.ignoreUriCase,
    scheme: match.scheme !== null,
    authority: match.authority !== null,
    withoutHeaders: Object.keys(match.withoutHeaders).length > 0,
    port: match.port !== null,
    sourceLabels: Object.keys(match.sourceLabels).length > 0,
    sourceNamespace: match.sourceNamespace !== null,
    gateways: match.gateways.length > 0,
  }).filter(([, used]) => used).map(([name]) => name);
  if (unsupported.length > 0) throw cannotMatch(unsupported.join(", "), "uri, method, headers and queryParams");
  const headers = namedMatches("headers", match.headers);
  const queryParams = namedMatches("queryParams", match.queryParams);
  return {
    path: match.uri === null ? { type: "PathPrefix", value: "/" } : pathMatch(match.uri),
    ...(match.method === null ? {} : { method: exactMethod(match.method) }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(queryParams.length === 0 ? {} : { queryParams }),
  };
}

function cannotMatch(what: string, supported: string): InvalidSpecError {
  return new InvalidSpecError(`Cannot render an HTTPRoute: Gateway API has no match for ${what}`, {
    fix: `Use ${supported}, or another provider`,
  });
}

function pathMatch(uri: StringMatch): JsonObject {
  switch (uri.type) {
    case "exact":
      return { type: "Exact", value: uri.value };
    case "prefix":
      return { type: "PathPrefix", value: uri.value };
    case "regex":
      return { type: "RegularExpression", value: uri.value };
    case "suffix":
      throw cannotMatch("uri.suffix", "exact, prefix or regex");
  }
}

function exactMethod(method: StringMatch): string {
  if (method.type !== "exact") throw cannotMatch(`method.${method.type}`, "exact");
  return method.value;
}

/** Sorted by name: the order of a map is nobody's intent, and must not look like drift. */
function namedMatches(field: string, matches: Readonly<Record<string, StringMatch>>): readonly JsonObject[] {
  return Object.keys(matches).sort().map((name) => {
    const match = matches[name];
    if (match?.type === "exact") return { name, type: "Exact", value: match.value };
    if (match?.type === "regex") return { name, type: "RegularExpression", value: match.value };
    throw cannotMatch(`${field}.${name}.${match?.type}`, "exact or regex");
  });
}

/**
 * Every pair of the two lists combined into one condition that asks for both; where both constrain one thing, `over`
 * decides, but its path only when it is more than the default.
 */
export function crossedMatches(bases: readonly Json[], overs: readonly JsonObject[]): readonly JsonObject[] {
  return overs.flatMap((over) =>
    bases.filter(isJsonObject).map((base): JsonObject => {
      const headers = unionByName(listAt(base, "headers"), listAt(over, "headers"));
      const queryParams = unionByName(listAt(base, "queryParams"), listAt(over, "queryParams"));
      const { headers: _headers, queryParams: _queryParams, path, ...rest } = over;
      const ownPath = path === undefined || stringAt(over, "path", "value") === "/" ? {} : { path };
      return {
        ...base,
        ...rest,
        ...ownPath,
        ...(headers.length === 0 ? {} : { headers }),
        ...(queryParams.length === 0 ? {} : { queryParams }),
      };
    })
  );
}

function unionByName(base: readonly Json[], over: readonly Json[]): readonly Json[] {
  const byName = new Map<string, Json>();
  // Header names compare without case; the list is keyed by name, so one of the two must go.
  for (const item of [...base, ...over]) byName.set((stringAt(item, "name") ?? "").toLowerCase(), item);
  return [...byName.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}

/** Conditions for requests that carry a cookie. */
export function cookieMatches(bases: readonly Json[], pattern: string): readonly JsonObject[] {
  return crossedMatches(bases, [{ headers: [{ name: "Cookie", type: "RegularExpression", value: pattern }] }]);
}
