/** The rules that send a VirtualService's traffic where `routes` wants it, before anything live is taken into account. */
import type { Canary, HeaderOperations, HttpMatch, SessionAffinity, StringMatch } from "../../../src/core/canary.ts";
import { isJsonObject, type Json, type JsonObject, objectAt } from "../../../src/core/kube_object.ts";
import { namesOf } from "../../../src/core/names.ts";
import type { Routes } from "../../../src/core/routes.ts";
import { sorted } from "../../derived.ts";
import { canaryCookie, cookiePattern, expiredCookie, primaryCookie, SET_COOKIE } from "./cookies.ts";

/**
 * One HTTPMatchRequest; absent parts are left out.
 * @see https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest
 */
export function istioMatch(match: HttpMatch): JsonObject {
  const single = { uri: match.uri, scheme: match.scheme, method: match.method, authority: match.authority };
  const maps = { headers: match.headers, withoutHeaders: match.withoutHeaders, queryParams: match.queryParams };
  return {
    ...(match.name === null ? {} : { name: match.name }),
    ...Object.fromEntries(
      Object.entries(single).flatMap(([key, value]) => value === null ? [] : [[key, stringMatch(value)]]),
    ),
    ...(match.ignoreUriCase ? { ignoreUriCase: true } : {}),
    ...Object.fromEntries(
      Object.entries(maps).filter(([, map]) => Object.keys(map).length > 0).map((
        [key, map],
      ) => [key, stringMatches(map)]),
    ),
    ...(match.port === null ? {} : { port: match.port }),
    ...(Object.keys(match.sourceLabels).length === 0 ? {} : { sourceLabels: sorted(match.sourceLabels) }),
    ...(match.sourceNamespace === null ? {} : { sourceNamespace: match.sourceNamespace }),
    ...(match.gateways.length === 0 ? {} : { gateways: match.gateways }),
  };
}

function stringMatch(match: StringMatch): JsonObject {
  // Istio has no suffix; a regular expression says the same.
  if (match.type === "suffix") return { regex: `.*${match.value.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}` };
  return { [match.type]: match.value };
}

function stringMatches(map: Readonly<Record<string, StringMatch>>): JsonObject {
  return sorted(Object.fromEntries(Object.entries(map).map(([name, match]) => [name, stringMatch(match)])));
}

/** Every pair of the two lists combined into one condition; where both constrain one thing, `over` decides. */
export function crossedIstioMatches(bases: readonly Json[], overs: readonly JsonObject[]): readonly JsonObject[] {
  const left: readonly Json[] = bases.length === 0 ? [{}] : bases;
  return overs.flatMap((over) =>
    left.filter(isJsonObject).map((base): JsonObject => ({
      ...base,
      ...over,
      ...Object.fromEntries(
        ["headers", "withoutHeaders", "queryParams", "sourceLabels"]
          .filter((key) => key in base || key in over)
          .map((key) => [key, sorted({ ...objectAt(base, key), ...objectAt(over, key) })]),
      ),
    }))
  );
}

/** Set-Cookie values on the two destinations of a rule. */
interface SetCookies {
  readonly primary: string | null;
  readonly canary: string | null;
}

const NONE: SetCookies = { primary: null, canary: null };

/**
 * Our HTTP rules, the last of which takes all requests that `baseMatches` lets in (all, when it is empty).
 *
 * @see https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute
 */
export function istioHttpRules(canary: Canary, routes: Routes, baseMatches: readonly Json[]): readonly JsonObject[] {
  const { strategy, sessionAffinity } = canary.analysis;
  const weighted = (cookies: SetCookies): readonly JsonObject[] => [
    destination(canary, "primary", { weight: 100 - routes.weight, setCookie: cookies.primary }),
    destination(canary, "canary", { weight: routes.weight, setCookie: cookies.canary }),
  ];
  const rule = (match: readonly Json[], route: readonly JsonObject[]): JsonObject => ({
    ...(match.length === 0 ? {} : { match }),
    ...serviceFields(canary),
    ...(routes.mirror ? mirrorFields(canary) : {}),
    route,
  });
  if (strategy.type === "ab") {
    return [
      rule(crossedIstioMatches(baseMatches, strategy.match.map(istioMatch)), weighted(NONE)),
      rule(baseMatches, [destination(canary, "primary", { weight: 100, setCookie: null })]),
    ];
  }
  if (sessionAffinity === null) return [rule(baseMatches, weighted(NONE))];
  const sticky = { affinity: sessionAffinity, baseMatches, rule, weighted };
  return routes.weight === 0 ? expiringRules(routes, sticky) : stickyRules(canary, routes, sticky);
}

interface Sticky {
  readonly affinity: SessionAffinity;
  readonly baseMatches: readonly Json[];
  readonly rule: (match: readonly Json[], route: readonly JsonObject[]) => JsonObject;
  readonly weighted: (cookies: SetCookies) => readonly JsonObject[];
}

function expiringRules(routes: Routes, { affinity, baseMatches, rule, weighted }: Sticky): readonly JsonObject[] {
  const { previous } = routes.cookies;
  const base = rule(baseMatches, weighted(NONE));
  if (previous === null) return [base];
  const expired = weighted({ primary: expiredCookie(affinity, previous), canary: null });
  return [rule(withCookie(baseMatches, previous), expired), base];
}

function stickyRules(canary: Canary, routes: Routes, parts: Sticky): readonly JsonObject[] {
  const { affinity, baseMatches, rule, weighted } = parts;
  const { canary: ours, primary } = routes.cookies;
  const stuckTo = (cookie: string, weight: number): JsonObject =>
    rule(withCookie(baseMatches, cookie), [
      destination(canary, "primary", { weight: 100 - weight, setCookie: null }),
      destination(canary, "canary", { weight, setCookie: null }),
    ]);
  // At 100 the primary may be restarting: nobody is held on it.
  const holdsPrimary = primary !== null && routes.weight < 100;
  const cookies: SetCookies = {
    canary: ours === null ? null : canaryCookie(affinity, ours),
    primary: holdsPrimary ? primaryCookie(canary, affinity, primary) : null,
  };
  return [
    ...(ours === null ? [] : [stuckTo(ours, 100)]),
    ...(holdsPrimary ? [stuckTo(primary, 0)] : []),
    rule(baseMatches, weighted(cookies)),
  ];
}

function withCookie(baseMatches: readonly Json[], cookie: string): readonly JsonObject[] {
  return crossedIstioMatches(baseMatches, [{ headers: { cookie: { regex: cookiePattern(cookie) } } }]);
}

/** What every rule carries from `spec.service`. */
function serviceFields(canary: Canary): JsonObject {
  const { rewrite, timeout, retries, corsPolicy, headers } = canary.service;
  const request = headerOperations(headers?.request);
  const response = headerOperations(headers?.response);
  const operations = { ...(request === null ? {} : { request }), ...(response === null ? {} : { response }) };
  return {
    ...(rewrite === null ? {} : {
      rewrite: {
        ...(rewrite.uri === null ? {} : { uri: rewrite.uri }),
        ...(rewrite.authority === null ? {} : { authority: rewrite.authority }),
      },
    }),
    ...(timeout === null ? {} : { timeout }),
    ...(retries === null ? {} : {
      retries: {
        attempts: retries.attempts,
        ...(retries.perTryTimeout === null ? {} : { perTryTimeout: retries.perTryTimeout }),
        ...(retries.retryOn === null ? {} : { retryOn: retries.retryOn }),
      },
    }),
    ...(corsPolicy === null ? {} : { corsPolicy }),
    ...(Object.keys(operations).length === 0 ? {} : { headers: operations }),
  };
}

function headerOperations(operations: HeaderOperations | undefined): JsonObject | null {
  if (operations === undefined) return null;
  const { set, add, remove } = operations;
  if (Object.keys(set).length + Object.keys(add).length + remove.length === 0) return null;
  return {
    ...(Object.keys(set).length === 0 ? {} : { set: sorted(set) }),
    ...(Object.keys(add).length === 0 ? {} : { add: sorted(add) }),
    ...(remove.length === 0 ? {} : { remove: [...remove].sort() }),
  };
}

function mirrorFields(canary: Canary): JsonObject {
  const { mirrorWeight } = canary.analysis;
  return {
    mirror: destinationOf(canary, "canary"),
    ...(mirrorWeight === 100 ? {} : { mirrorPercentage: { value: mirrorWeight } }),
  };
}

/** Our TCP rule: conditions know only the port, and weights are all it can do. */
export function istioTcpRule(canary: Canary, routes: Routes): JsonObject {
  const match = canary.service.match.flatMap(({ port }) => port === null ? [] : [{ port }]);
  return {
    ...(match.length === 0 ? {} : { match }),
    route: [
      destination(canary, "primary", { weight: 100 - routes.weight, setCookie: null }),
      destination(canary, "canary", { weight: routes.weight, setCookie: null }),
    ],
  };
}

function destination(
  canary: Canary,
  of: "primary" | "canary",
  options: { readonly weight: number; readonly setCookie: string | null },
): JsonObject {
  const { weight, setCookie } = options;
  return {
    destination: destinationOf(canary, of),
    weight,
    ...(setCookie === null ? {} : { headers: { response: { add: { [SET_COOKIE]: setCookie } } } }),
  };
}

/**
 * A Service with several ports needs one named, unless the mesh takes the port of the request. Flagger names it for
 * traffic that enters through a gateway or a delegate.
 */
function destinationOf(canary: Canary, of: "primary" | "canary"): JsonObject {
  const { portDiscovery, delegation, port, gateways } = canary.service;
  const named = portDiscovery && (delegation || (gateways[0] ?? "mesh") !== "mesh");
  const names = namesOf(canary);
  return {
    host: of === "primary" ? names.primaryService : names.canaryService,
    ...(named ? { port: { number: port } } : {}),
  };
}
