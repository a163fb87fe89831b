/** The rules that send an HTTPRoute's traffic where `routes` wants it, before anything live is taken into account. */
import type { Canary, SessionAffinity } from "../../../src/core/canary.ts";
import type { Json, JsonObject } from "../../../src/core/kube_object.ts";
import { namesOf } from "../../../src/core/names.ts";
import type { Routes } from "../../../src/core/routes.ts";
import { canaryCookie, cookiePattern, expiredCookie, primaryCookie } from "./cookies.ts";
import { canaryMirror, serviceFilters, setCookieFilter } from "./gateway_filters.ts";
import { cookieMatches, crossedMatches, gatewayMatch } from "./gateway_matches.ts";

/** Set-Cookie values on the two backends of a rule. */
interface SetCookies {
  readonly primary: string | null;
  readonly canary: string | null;
}

const NONE: SetCookies = { primary: null, canary: null };

/**
 * Our rules, the last of which takes all requests that `baseMatches` lets in.
 *
 * @param baseMatches HTTPRouteMatches of the service, never empty
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
 */
export function gatewayRules(canary: Canary, routes: Routes, baseMatches: readonly Json[]): readonly JsonObject[] {
  const { strategy, sessionAffinity } = canary.analysis;
  const rule = ruleMaker(canary, routes.mirror);
  const weighted = (cookies: SetCookies): readonly JsonObject[] => [
    backend(canary, "primary", 100 - routes.weight, cookies.primary),
    backend(canary, "canary", routes.weight, cookies.canary),
  ];
  if (strategy.type === "ab") {
    return [
      rule(crossedMatches(baseMatches, strategy.match.map(gatewayMatch)), weighted(NONE)),
      rule(baseMatches, [backend(canary, "primary", 100, null)]),
    ];
  }
  if (sessionAffinity === null) return [rule(baseMatches, weighted(NONE))];
  if (routes.weight === 0) {
    const { previous } = routes.cookies;
    if (previous === null) return [rule(baseMatches, weighted(NONE))];
    const expired = weighted({ primary: expiredCookie(sessionAffinity, previous), canary: null });
    return [rule(cookieMatches(baseMatches, cookiePattern(previous)), expired), rule(baseMatches, weighted(NONE))];
  }
  return stickyRules(canary, routes, { affinity: sessionAffinity, baseMatches, rule, weighted });
}

interface Sticky {
  readonly affinity: SessionAffinity;
  readonly baseMatches: readonly Json[];
  readonly rule: (matches: readonly Json[], backendRefs: readonly JsonObject[]) => JsonObject;
  readonly weighted: (cookies: SetCookies) => readonly JsonObject[];
}

function stickyRules(canary: Canary, routes: Routes, parts: Sticky): readonly JsonObject[] {
  const { affinity, baseMatches, rule, weighted } = parts;
  const { canary: ours, primary } = routes.cookies;
  const rules: JsonObject[] = [];
  const stuckTo = (cookie: string, weight: number): JsonObject =>
    rule(cookieMatches(baseMatches, cookiePattern(cookie)), [
      backend(canary, "primary", 100 - weight, null),
      backend(canary, "canary", weight, null),
    ]);
  if (ours !== null) rules.push(stuckTo(ours, 100));
  // At 100 the primary may be restarting: nobody is held on it.
  const holdsPrimary = primary !== null && routes.weight < 100;
  if (holdsPrimary) rules.push(stuckTo(primary, 0));
  const cookies: SetCookies = {
    canary: ours === null ? null : canaryCookie(affinity, ours),
    primary: holdsPrimary ? primaryCookie(canary, affinity, primary) : null,
  };
  return [...rules, rule(baseMatches, weighted(cookies))];
}

function backend(canary: Canary, of: "primary" | "canary", weight: number, setCookie: string | null): JsonObject {
  const names = namesOf(canary);
  return {
    group: "",
    kind: "Service",
    name: of === "primary" ? names.primaryService : names.canaryService,
    port: canary.service.port,
    weight,
    ...(setCookie === null ? {} : { filters: [setCookieFilter(setCookie)] }),
  };
}

function ruleMaker(canary: Canary, mirror: boolean): Sticky["rule"] {
  const { timeout, backendTimeout } = canary.service;
  const filters = [...serviceFilters(canary.service), ...(mirror ? [canaryMirror(canary)] : [])];
  const timeouts = {
    ...(timeout === null ? {} : { request: timeout }),
    ...(backendTimeout === null ? {} : { backendRequest: backendTimeout }),
  };
  return (matches, backendRefs) => ({
    matches,
    ...(filters.length === 0 ? {} : { filters }),
    backendRefs,
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
  });
}
