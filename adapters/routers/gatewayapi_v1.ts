/**
 * Gateway API v1: one HTTPRoute named after the apex, its parents from `service.gatewayRefs` (Gateways, or Services for
 * a mesh such as Linkerd). Rules are an atomic list, so the new one is made from the live one.
 */
import type { Canary, GatewayRef } from "../../src/core/canary.ts";
import {
  at,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  refOf,
  stringAt,
} from "../../src/core/kube_object.ts";
import { namesOf } from "../../src/core/names.ts";
import { ALL_TO_PRIMARY, type Cookies, NO_COOKIES, type Routes, type RoutesView } from "../../src/core/routes.ts";
import { InvalidSpecError } from "../../src/errors.ts";
import type { RouterAdapter, RouteWrite } from "../../src/ports/router.ts";
import { asJson, claim, covers, type Ownership, ownershipOf } from "../derived.ts";
import { isAffinityCookie, parsedCookie } from "./parts/cookies.ts";
import { setCookieOf, SINGLE_FILTERS } from "./parts/gateway_filters.ts";
import { isUnderWay, type LeadRules, nextLead, sharedRule } from "./parts/gateway_lead_over.ts";
import { ANY_PATH, gatewayMatch } from "./parts/gateway_matches.ts";
import { gatewayRules } from "./parts/gateway_rules.ts";
import { acceptance } from "./parts/gateway_status.ts";
import {
  addedFields,
  addedItems,
  fieldParts,
  placeRules,
  recordOf,
  type Written,
  writtenBefore,
} from "./parts/live_rules.ts";
import { drifts, handedBackMetadata, routeMetadata, shareOf, specToRestore } from "./parts/route_object.ts";

const API = "gateway.networking.k8s.io/v1";
const KIND = "HTTPRoute";
const LISTS = ["matches", "filters", "backendRefs"];

/** @see https://gateway-api.sigs.k8s.io/reference/spec/#httproute */
export const gatewayapiV1 = {
  id: "gatewayapi:v1",
  traits: { weights: true, match: true, mirror: "all", affinity: "primary" },
  watches: [[API, KIND]],
  needs: (canary) => [{ apiVersion: API, kind: KIND, namespace: canary.id.namespace, name: namesOf(canary).apex }],
  read,
  render: (canary, routes, live) => {
    const route = routeIn(live);
    const object = rendered(canary, routes, route);
    return [{ object, precondition: route === undefined ? "none" : "live-version" }];
  },
  release,
  leadOver: { pending, step },
} as const satisfies RouterAdapter;

function routeIn(live: readonly KubeObject[]): KubeObject | undefined {
  return live.find(({ kind }) => kind === KIND);
}

function read(canary: Canary, live: readonly KubeObject[]): RoutesView {
  const route = routeIn(live);
  if (route === undefined) {
    return {
      exists: false,
      weight: 0,
      mirror: false,
      accepted: "unknown",
      reason: "The HTTPRoute does not exist",
      drifted: true,
    };
  }
  const routes = routesOf(canary, route);
  return {
    exists: true,
    weight: routes.weight,
    mirror: routes.mirror,
    ...acceptance(route),
    drifted: drifts(live, () => [rendered(canary, routes, route)]),
  };
}

/** What a live route says, cookies included, so that rendering it again must give the same. */
function routesOf(canary: Canary, route: KubeObject): Routes {
  const { primaryService, canaryService } = namesOf(canary);
  const rules = ownRules(canary, route, "ours");
  const base = rules.findLast((rule) => backendOf(canary, rule, canaryService) !== undefined);
  const weightOf = (name: string): number => {
    const backend = backendOf(canary, base, name);
    return backend === undefined ? 0 : numberAt(backend, "weight") ?? 1;
  };
  return {
    weight: shareOf(weightOf(primaryService), weightOf(canaryService)),
    mirror: rules.some((rule) => listAt(rule, "filters").some((filter) => isCanaryMirror(canary, filter))),
    cookies: cookiesOf(canary, rules),
  };
}

function cookiesOf(canary: Canary, rules: readonly Json[]): Cookies {
  if (canary.analysis.sessionAffinity === null) return NO_COOKIES;
  const { primaryService, canaryService } = namesOf(canary);
  const found = { ...NO_COOKIES };
  for (const rule of rules) {
    for (const name of [primaryService, canaryService]) {
      const filters = listAt(backendOf(canary, rule, name), "filters");
      const setCookie = filters.map(setCookieOf).find((value) => value !== undefined);
      if (setCookie === undefined) continue;
      const { cookie, expired } = parsedCookie(setCookie);
      if (expired) found.previous = cookie;
      else if (name === canaryService) found.canary = cookie;
      else found.primary = cookie;
    }
  }
  return found;
}

/** The backend of a rule that is a Service of this namespace with the name. */
function backendOf(canary: Canary, rule: Json | undefined, name: string): Json | undefined {
  return listAt(rule, "backendRefs").find((backend) => namesService(canary, backend, name));
}

function namesService(canary: Canary, ref: Json | undefined, name: string): boolean {
  return stringAt(ref, "name") === name &&
    (stringAt(ref, "kind") ?? "Service") === "Service" &&
    (stringAt(ref, "namespace") ?? canary.id.namespace) === canary.id.namespace;
}

function isCanaryMirror(canary: Canary, filter: Json): boolean {
  return namesService(canary, at(filter, "requestMirror", "backendRef"), namesOf(canary).canaryService);
}

/**
 * Rules of ours in a live route. Of a user's route that is being taken over it is the last one that leads to the apex
 * Service; earlier ones keep going there, which is the primary.
 */
function ownRules(canary: Canary, route: KubeObject | undefined, ownership: Ownership): readonly Json[] {
  const rules = listAt(route, "spec", "rules");
  const { apex, primaryService, canaryService } = namesOf(canary);
  const ours = rules.filter((rule) =>
    [primaryService, canaryService].some((name) => backendOf(canary, rule, name) !== undefined)
  );
  if (ours.length > 0 || ownership !== "user") return ours;
  return rules.filter((rule) => backendOf(canary, rule, apex) !== undefined).slice(-1);
}

function rendered(canary: Canary, routes: Routes, live: KubeObject | undefined): KubeObject {
  const ownership = claim(canary, live);
  const written = writtenBefore(live, ownership);
  const ours = ownRules(canary, live, ownership);
  const base = ours.at(-1);
  const first = canary.analysis.strategy.type === "ab" && ours.length > 1 ? ours[0] : undefined;

  const serviceMatches = canary.service.match.length === 0 ? [ANY_PATH] : canary.service.match.map(gatewayMatch);
  const addedMatches = addedItems(listAt(base, "matches"), serviceMatches, written);
  const rules = gatewayRules(canary, routes, baseMatches(canary, base, { serviceMatches, addedMatches }));
  const parts = rules.flatMap((rule) => ownParts(rule, addedMatches));
  const merged = rules.map((rule, index) => {
    const isBase = index === rules.length - 1;
    const withUsers = withUserParts(canary, rule, base, { written, isBase });
    return first !== undefined && index === 0 ? withFirstRuleParts(canary, withUsers, first, written) : withUsers;
  });
  const hostnames = canary.service.hosts;
  return {
    apiVersion: API,
    kind: KIND,
    metadata: routeMetadata(canary, recordOf(parts), { object: live, ownership }),
    spec: {
      parentRefs: parentRefs(canary, live),
      ...(hostnames.length === 0 ? {} : { hostnames }),
      rules: placeRules(listAt(live, "spec", "rules"), (rule) => ours.includes(rule), merged),
    },
  };
}

/** A Canary without `service.match` leaves the conditions to a user who wrote some; the default would let all in. */
function baseMatches(
  canary: Canary,
  base: Json | undefined,
  found: { readonly serviceMatches: readonly JsonObject[]; readonly addedMatches: readonly Json[] },
): readonly Json[] {
  const { serviceMatches, addedMatches } = found;
  const defaulted = listAt(base, "matches").some((match) => covers(ANY_PATH, match));
  if (canary.service.match.length === 0 && addedMatches.length > 0 && !defaulted) return addedMatches;
  return [...serviceMatches, ...addedMatches];
}

/** What the record must name of a rule of ours: all but backends' weights and a user's matches. */
function ownParts(rule: JsonObject, addedMatches: readonly Json[]): readonly Json[] {
  return [
    ...listAt(rule, "matches").filter((match) => !addedMatches.includes(match)),
    ...listAt(rule, "filters"),
    ...listAt(rule, "backendRefs").flatMap((backend) => listAt(backend, "filters")),
    ...fieldParts(rule, LISTS),
  ];
}

/** A user's filters and other fields on our last rule hold for every rule of ours, or requests could slip past them. */
function withUserParts(
  canary: Canary,
  rule: JsonObject,
  base: Json | undefined,
  { written, isBase }: { readonly written: Written; readonly isBase: boolean },
): JsonObject {
  const filters = mergedFilters(canary, listAt(rule, "filters"), listAt(base, "filters"), written);
  // A rule's name is unique in its route.
  const owned = [...LISTS, ...Object.keys(rule), ...(isBase ? [] : ["name"])];
  const backendRefs = listAt(rule, "backendRefs").map((backend): Json => {
    const live = backendOf(canary, base, stringAt(backend, "name") ?? "");
    const merged = mergedFilters(canary, listAt(backend, "filters"), listAt(live, "filters"), written);
    return { ...objectAt(backend), ...(merged.length === 0 ? {} : { filters: merged }) };
  });
  return {
    ...addedFields(objectAt(base), owned, written),
    ...rule,
    ...(filters.length === 0 ? {} : { filters }),
    backendRefs,
  };
}

function withFirstRuleParts(canary: Canary, rule: JsonObject, first: Json, written: Written): JsonObject {
  const matches = listAt(rule, "matches");
  const filters = mergedFilters(canary, listAt(rule, "filters"), listAt(first, "filters"), written);
  return {
    ...rule,
    matches: [...matches, ...addedItems(listAt(first, "matches"), matches, written)],
    ...(filters.length === 0 ? {} : { filters }),
  };
}

/** Ours, then those a user added; a kind that a rule may have only once is ours where the Canary asks for it. */
function mergedFilters(
  canary: Canary,
  wanted: readonly Json[],
  live: readonly Json[],
  written: Written,
): readonly Json[] {
  const taken = wanted.map((filter) => stringAt(filter, "type") ?? "").filter((type) => SINGLE_FILTERS.includes(type));
  const added = addedItems(live, wanted, written).filter((filter) =>
    !taken.includes(stringAt(filter, "type") ?? "") &&
    !wanted.some((ours) => covers(filter, ours)) &&
    !isCanaryMirror(canary, filter) &&
    !isAffinityCookie(canary.analysis.sessionAffinity, setCookieOf(filter) ?? "")
  );
  return [...wanted, ...added];
}

/** @throws {InvalidSpecError} neither the Canary nor a live route names a parent */
function parentRefs(canary: Canary, live: KubeObject | undefined): readonly Json[] {
  const refs = canary.service.gatewayRefs;
  if (refs.length > 0) return refs.map(parentRef);
  const present = listAt(live, "spec", "parentRefs");
  if (present.length > 0) return present;
  throw new InvalidSpecError("Cannot render an HTTPRoute: service.gatewayRefs is empty", {
    fix: "Name the Gateway (or, for a mesh, the Service) that the route belongs to in spec.service.gatewayRefs",
  });
}

function parentRef(ref: GatewayRef): JsonObject {
  return {
    group: ref.group,
    kind: ref.kind,
    ...(ref.namespace === null ? {} : { namespace: ref.namespace }),
    name: ref.name,
    ...(ref.sectionName === null ? {} : { sectionName: ref.sectionName }),
    ...(ref.port === null ? {} : { port: ref.port }),
  };
}

/**
 * A user's route gets its own spec back; one that the agent made gets all traffic sent to the apex Service and loses our
 * labels, so that it stays when what still carries them is removed.
 */
function release(canary: Canary, live: readonly KubeObject[]): ReturnType<RouterAdapter["release"]> {
  const route = routeIn(live);
  if (route === undefined) return { restore: [], remove: [] };
  const remove = ownershipOf(canary, route) === "ours" ? [refOf(route)] : [];
  const original = specToRestore(route);
  const { apex } = namesOf(canary);
  const ours = ownRules(canary, route, "ours");
  const toApex = ours.slice(-1).map((rule): JsonObject => {
    const { filters: _filters, ...rest } = objectAt(rule);
    const filters = listAt(rule, "filters").filter((filter) => !isCanaryMirror(canary, filter));
    return {
      ...rest,
      ...(filters.length === 0 ? {} : { filters }),
      backendRefs: [{ group: "", kind: "Service", name: apex, port: canary.service.port, weight: 100 }],
    };
  });
  const spec = original === undefined
    ? {
      ...objectAt(route, "spec"),
      rules: placeRules(listAt(route, "spec", "rules"), (rule) => ours.includes(rule), toApex),
    }
    : objectAt(original);
  const object = { apiVersion: API, kind: KIND, metadata: handedBackMetadata(canary), spec };
  const done = covers(asJson(route), asJson(object)) && ours.length === 0;
  return { restore: done ? [] : [{ object, precondition: "live-version" }], remove };
}

function leadRules(canary: Canary, route: KubeObject | undefined): LeadRules {
  return {
    ours: ownRules(canary, route, "ours"),
    users: ownRules(canary, route, "user").at(-1),
    backendOf: (rule, name) => backendOf(canary, rule, name),
  };
}

function pending(canary: Canary, live: readonly KubeObject[], to: "ours" | "apex"): "first" | "next" | null {
  const rules = leadRules(canary, routeIn(live));
  if (nextLead(canary, rules, to) === null) return null;
  return isUnderWay(canary, rules) ? "next" : "first";
}

function step(canary: Canary, live: readonly KubeObject[], to: "ours" | "apex"): readonly RouteWrite[] {
  const route = routeIn(live);
  const rules = leadRules(canary, route);
  const lead = nextLead(canary, rules, to);
  if (lead === null) return [];
  if (lead === "end" && to === "apex") return release(canary, live).restore;
  const object = rendered(canary, ALL_TO_PRIMARY, route);
  if (lead === "end") return [{ object, precondition: "live-version" }];
  const { apex } = namesOf(canary);
  const users = backendOf(canary, rules.ours.at(-1), apex) ?? backendOf(canary, rules.users, apex);
  const named = ownRules(canary, object, "ours");
  const shared = listAt(object, "spec", "rules").map((rule): Json =>
    named.includes(rule) ? sharedRule(canary, rule, users, lead) : rule
  );
  return [{ object: { ...object, spec: { ...object.spec, rules: shared } }, precondition: "live-version" }];
}
