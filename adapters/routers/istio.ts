/**
 * Istio: one VirtualService named after the apex, and a DestinationRule each for the primary and the canary Service.
 * The lists inside a VirtualService are atomic, so the new ones are made from the live ones.
 */
import type { Canary } from "../../src/core/canary.ts";
import {
  at,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  type ObjectRef,
  refOf,
  stringAt,
} from "../../src/core/kube_object.ts";
import { namesOf } from "../../src/core/names.ts";
import { type Cookies, NO_COOKIES, type Routes, type RoutesView } from "../../src/core/routes.ts";
import { InvalidSpecError } from "../../src/errors.ts";
import type { RouterAdapter, RouteWrite } from "../../src/ports/router.ts";
import { asJson, claim, covers, derivedLabels, LEAVE_ALONE, type Ownership, ownershipOf, sorted } from "../derived.ts";
import { parsedCookie, SET_COOKIE } from "./parts/cookies.ts";
import { istioHttpRules, istioMatch, istioTcpRule } from "./parts/istio_rules.ts";
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

const API = "networking.istio.io/v1beta1";
const LISTS = ["match", "route"];
const MIRROR_FIELDS = ["mirror", "mirrorPercentage"];

/** @see https://istio.io/latest/docs/reference/config/networking/virtual-service/ */
export const istio = {
  id: "istio",
  traits: { weights: true, match: true, mirror: "percent", affinity: "primary" },
  watches: [[API, "VirtualService"], [API, "DestinationRule"]],
  needs,
  read,
  render: (canary, routes, live) => {
    const service = virtualServiceIn(live);
    const object = renderedService(canary, routes, service);
    const rules = destinationRules(canary, live).filter((rule) => !isThere(live, rule));
    return [
      ...rules.map((rule): RouteWrite => ({ object: rule, precondition: "none" })),
      { object, precondition: service === undefined ? "none" : "live-version" },
    ];
  },
  release,
} as const satisfies RouterAdapter;

function needs(canary: Canary): readonly ObjectRef[] {
  const { apex, primaryService, canaryService } = namesOf(canary);
  const ref = (kind: string, name: string): ObjectRef => ({
    apiVersion: API,
    kind,
    namespace: canary.id.namespace,
    name,
  });
  return [ref("VirtualService", apex), ref("DestinationRule", primaryService), ref("DestinationRule", canaryService)];
}

function virtualServiceIn(live: readonly KubeObject[]): KubeObject | undefined {
  return live.find(({ kind }) => kind === "VirtualService");
}

function isThere(live: readonly KubeObject[], wanted: KubeObject): boolean {
  const there = live.find(({ kind, metadata }) => kind === wanted.kind && metadata.name === wanted.metadata.name);
  return there !== undefined && covers(asJson(there), asJson(wanted));
}

function isTcp(canary: Canary): boolean {
  return canary.service.appProtocol?.toLowerCase() === "tcp";
}

function protocolOf(canary: Canary): "tcp" | "http" {
  return isTcp(canary) ? "tcp" : "http";
}

/** Istio reports no status that is on by default: what is written counts as accepted. */
function read(canary: Canary, live: readonly KubeObject[]): RoutesView {
  const service = virtualServiceIn(live);
  if (service === undefined) {
    return {
      exists: false,
      weight: 0,
      mirror: false,
      accepted: "unknown",
      reason: "The VirtualService does not exist",
      drifted: true,
    };
  }
  const routes = routesOf(canary, service);
  const drifted = drifts(live, () => [renderedService(canary, routes, service), ...destinationRules(canary, live)]);
  return { exists: true, weight: routes.weight, mirror: routes.mirror, accepted: "yes", reason: null, drifted };
}

/** What a live VirtualService says, cookies included, so that rendering it again must give the same. */
function routesOf(canary: Canary, service: KubeObject): Routes {
  const { primaryService, canaryService } = namesOf(canary);
  const rules = ownRules(canary, service, "ours");
  const base = rules.findLast((rule) => routeTo(canary, rule, canaryService) !== undefined);
  const weightOf = (name: string): number => {
    const route = routeTo(canary, base, name);
    // A destination that stands alone takes everything, whatever its weight says.
    if (route !== undefined && listAt(base, "route").length === 1) return 100;
    return route === undefined ? 0 : numberAt(route, "weight") ?? 0;
  };
  return {
    weight: shareOf(weightOf(primaryService), weightOf(canaryService)),
    mirror: rules.some((rule) => isCanaryMirror(canary, rule)),
    cookies: cookiesOf(canary, rules),
  };
}

function cookiesOf(canary: Canary, rules: readonly Json[]): Cookies {
  if (canary.analysis.sessionAffinity === null) return NO_COOKIES;
  const { primaryService, canaryService } = namesOf(canary);
  const found = { ...NO_COOKIES };
  for (const rule of rules) {
    for (const name of [primaryService, canaryService]) {
      const setCookie = stringAt(routeTo(canary, rule, name), "headers", "response", "add", SET_COOKIE);
      if (setCookie === undefined) continue;
      const { cookie, expired } = parsedCookie(setCookie);
      if (expired) found.previous = cookie;
      else if (name === canaryService) found.canary = cookie;
      else found.primary = cookie;
    }
  }
  return found;
}

/** Whether a host is the Service of this namespace, in any of the forms that Istio resolves to it. */
function isHost(canary: Canary, host: string | undefined, name: string): boolean {
  const inNamespace = `${name}.${canary.id.namespace}`;
  return host !== undefined &&
    (host === name || host === inNamespace || host === `${inNamespace}.svc` || host.startsWith(`${inNamespace}.svc.`));
}

/** The HTTPRouteDestination (or that of TCP) of a rule that leads to a Service. */
function routeTo(canary: Canary, rule: Json | undefined, name: string): Json | undefined {
  return listAt(rule, "route").find((route) => isHost(canary, stringAt(route, "destination", "host"), name));
}

function isCanaryMirror(canary: Canary, rule: Json | undefined): boolean {
  return isHost(canary, stringAt(rule, "mirror", "host"), namesOf(canary).canaryService);
}

/**
 * Rules of ours in a live VirtualService. Of a user's that is being taken over it is the last one that leads to the
 * apex; earlier ones keep going there, which is the primary.
 */
function ownRules(canary: Canary, service: KubeObject | undefined, ownership: Ownership): readonly Json[] {
  const rules = listAt(service, "spec", protocolOf(canary));
  const { apex, primaryService, canaryService } = namesOf(canary);
  const ours = rules.filter((rule) =>
    [primaryService, canaryService].some((name) => routeTo(canary, rule, name) !== undefined)
  );
  if (ours.length > 0 || ownership !== "user") return ours;
  return rules.filter((rule) => routeTo(canary, rule, apex) !== undefined).slice(-1);
}

function renderedService(canary: Canary, routes: Routes, live: KubeObject | undefined): KubeObject {
  if (isTcp(canary)) refuseOverTcp(canary);
  const ownership = claim(canary, live);
  const written = writtenBefore(live, ownership);
  const ours = ownRules(canary, live, ownership);
  const base = ours.at(-1);
  const first = canary.analysis.strategy.type === "ab" && ours.length > 1 ? ours[0] : undefined;

  const serviceMatches = canary.service.match.map(istioMatch);
  const added = isTcp(canary) || base === undefined ? [] : addedItems(listAt(base, "match"), serviceMatches, written);
  const rules = isTcp(canary)
    ? [istioTcpRule(canary, routes)]
    : istioHttpRules(canary, routes, [...serviceMatches, ...added]);
  const parts = rules.flatMap((rule) => [
    ...listAt(rule, "match").filter((match) => !added.includes(match)),
    ...fieldParts(rule, LISTS),
  ]);
  const merged = rules.map((rule, index) => {
    const isBase = index === rules.length - 1;
    const whole = { ...userFields(canary, rule, base, { written, isBase }), ...rule };
    return first !== undefined && index === 0 ? withFirstMatches(whole, first, written) : whole;
  });
  const protocol = protocolOf(canary);
  return {
    apiVersion: API,
    kind: "VirtualService",
    metadata: routeMetadata(canary, recordOf(parts), { object: live, ownership }),
    spec: {
      ...entryPoints(canary),
      [protocol]: placeRules(listAt(live, "spec", protocol), (rule) => ours.includes(rule), merged),
    },
  };
}

/** A user's fields on our last rule hold for every rule of ours; a stale mirror to the canary is nobody's. */
function userFields(
  canary: Canary,
  rule: JsonObject,
  base: Json | undefined,
  { written, isBase }: { readonly written: Written; readonly isBase: boolean },
): JsonObject {
  const mirror = isCanaryMirror(canary, base) ? MIRROR_FIELDS : [];
  return addedFields(objectAt(base), [...LISTS, ...mirror, ...Object.keys(rule), ...(isBase ? [] : ["name"])], written);
}

function withFirstMatches(rule: JsonObject, first: Json, written: Written): JsonObject {
  const match = listAt(rule, "match");
  return { ...rule, match: [...match, ...addedItems(listAt(first, "match"), match, written)] };
}

/** @throws {InvalidSpecError} the analysis needs what Istio does for HTTP only */
function refuseOverTcp(canary: Canary): void {
  const { strategy, mirror, sessionAffinity } = canary.analysis;
  const asked = [
    ...(strategy.type === "ab" ? ["analysis.match"] : []),
    ...(mirror ? ["analysis.mirror"] : []),
    ...(sessionAffinity === null ? [] : ["analysis.sessionAffinity"]),
  ];
  if (asked.length === 0) return;
  throw new InvalidSpecError(
    `Cannot render a VirtualService: ${asked.join(", ")} needs HTTP, and service.appProtocol is tcp`,
    {
      fix: "Use weights or blue/green, or another appProtocol",
    },
  );
}

/** Hosts and gateways: the apex is always reachable under its own name; a delegate has neither. */
function entryPoints(canary: Canary): JsonObject {
  const { delegation, hosts, gateways } = canary.service;
  const { apex } = namesOf(canary);
  if (!delegation) {
    const named = hosts.includes(apex) || hosts.includes("*");
    return { gateways: gateways.length === 0 ? ["mesh"] : gateways, hosts: named ? hosts : [...hosts, apex] };
  }
  if (hosts.length + gateways.length === 0) return {};
  throw new InvalidSpecError(
    "Cannot render a VirtualService: service.delegation excludes service.hosts and service.gateways",
    {
      fix: "Give hosts and gateways to the VirtualService that delegates to this one",
    },
  );
}

/** @throws {ForeignError} one of them is somebody else's */
function destinationRules(canary: Canary, live: readonly KubeObject[]): readonly KubeObject[] {
  const { primaryService, canaryService } = namesOf(canary);
  const { trafficPolicy } = canary.service;
  return [primaryService, canaryService].map((name) => {
    const there = live.find(({ kind, metadata }) => kind === "DestinationRule" && metadata.name === name);
    const ownership = claim(canary, there);
    return {
      apiVersion: API,
      kind: "DestinationRule",
      metadata: {
        name,
        namespace: canary.id.namespace,
        labels: derivedLabels(canary, ownership),
        annotations: sorted(LEAVE_ALONE),
      },
      spec: { host: name, ...(trafficPolicy === null ? {} : { trafficPolicy }) },
    };
  });
}

/**
 * A user's VirtualService gets its own spec back; one that the agent made gets all traffic sent to the apex and loses our
 * labels, so that it stays when what still carries them is removed.
 */
function release(canary: Canary, live: readonly KubeObject[]): ReturnType<RouterAdapter["release"]> {
  const service = virtualServiceIn(live);
  const remove = live.filter((object) => ownershipOf(canary, object) === "ours").map(refOf);
  if (service === undefined) return { restore: [], remove };
  const original = specToRestore(service);
  const ours = ownRules(canary, service, "ours");
  const protocol = protocolOf(canary);
  const spec = original === undefined
    ? {
      ...objectAt(service, "spec"),
      [protocol]: placeRules(listAt(service, "spec", protocol), (rule) =>
        ours.includes(rule), ours.slice(-1).map(toApex(canary))),
    }
    : objectAt(original);
  const object = { apiVersion: API, kind: "VirtualService", metadata: handedBackMetadata(canary), spec };
  const done = covers(asJson(service), asJson(object)) && ours.length === 0;
  return { restore: done ? [] : [{ object, precondition: "live-version" }], remove };
}

function toApex(canary: Canary): (rule: Json) => JsonObject {
  return (rule) => {
    const port = at(listAt(rule, "route")[0], "destination", "port");
    const rest = Object.entries(objectAt(rule)).filter(([key]) =>
      !isCanaryMirror(canary, rule) || !MIRROR_FIELDS.includes(key)
    );
    const destination = { host: namesOf(canary).apex, ...(port === undefined ? {} : { port }) };
    return { ...Object.fromEntries(rest), route: [{ destination, weight: 100 }] };
  };
}
