/**
 * The mesh's routing table, made from all route objects at once. A route that cannot be carried out as written is not
 * programmed: its hosts are kept, so that requests to them get a refusal with the reason instead of another route.
 */
import type { KubeObject } from "../../core/kube_object.ts";
import { refKey, refOf } from "../../core/kube_object.ts";
import type { ObjectSource } from "../object_source.ts";
import { HTTP_ROUTES, listAll, VIRTUAL_SERVICES } from "./api_objects.ts";
import { attachHttpRoute, attachVirtualService, type ParentReport } from "./attachment.ts";
import { checkDestinationRules } from "./destination_rules.ts";
import { hostFits, hostRank } from "./hosts.ts";
import { readHttpRouteRules } from "./http_route.ts";
import { chooseInOrder, chooseMostSpecific, type Chosen, type RequestFacts } from "./matching.ts";
import type { Dialect, Door, Route, Rule } from "./route_model.ts";
import { RouteProblem } from "./strict_fields.ts";
import type { MeshClient } from "./istio_match.ts";
import { readVirtualServiceRules } from "./virtual_service.ts";

/** What came of one route object. */
export interface RouteReport {
  readonly object: KubeObject;
  readonly programmed: boolean;
  /** Why not, field by field; empty where it is. */
  readonly problems: readonly string[];
  /** One for each parentRef of an HTTPRoute; empty for a VirtualService. */
  readonly parents: readonly ParentReport[];
}

export type Decision =
  | { readonly type: "rule"; readonly chosen: Chosen }
  /** Routes hold the host, and none of their rules fits. */
  | { readonly type: "no-match" }
  | { readonly type: "refused"; readonly why: string }
  /** No route holds the host. */
  | { readonly type: "unrouted" };

export interface Programme {
  readonly reports: readonly RouteReport[];
  /** @param hosts the names the request's host goes by, the asked one first */
  decide(door: Door, hosts: readonly string[], facts: RequestFacts): Decision;
}

interface Entry {
  readonly route: Route;
  readonly report: RouteReport;
}

/** Reads everything; never throws for what an object says. */
export function compileProgramme(objects: ObjectSource, client: MeshClient): Programme {
  const read = [
    ...listAll(objects, HTTP_ROUTES).map((object) => readHttpRoute(object, objects)),
    ...listAll(objects, VIRTUAL_SERVICES).map((object) => readVirtualService(object, objects, client)),
  ];
  const entries = read.map((entry) => withClashes(entry, read));
  return {
    reports: entries.map((entry) => entry.report),
    decide: (door, hosts, facts) => decide(entries, { door, hosts, facts }),
  };
}

function readHttpRoute(object: KubeObject, objects: ObjectSource): Entry {
  const attachment = attachHttpRoute(object, objects);
  const { rules, problems } = attempt(() => readHttpRouteRules(object));
  const refusals = attachment.parents.some((parent) => parent.accepted)
    ? []
    : attachment.parents.map((parent) => `${parent.reason}: ${parent.message}`);
  return entryOf(object, "gateway-api", {
    hosts: attachment.hosts,
    rules,
    problems: [...problems, ...refusals],
    parents: attachment.parents.map((parent) =>
      problems.length === 0
        ? parent
        : { ...parent, accepted: false, reason: "UnsupportedValue", message: problems.join("; ") }
    ),
  });
}

function readVirtualService(object: KubeObject, objects: ObjectSource, client: MeshClient): Entry {
  const attachment = attachVirtualService(object, objects);
  const { rules, problems } = attempt(() => {
    const found = readVirtualServiceRules(object, client);
    checkDestinationRules(found, objects);
    return found;
  });
  const isHeard = attachment.hosts.gateway.length + attachment.hosts.mesh.length > 0;
  return entryOf(object, "istio", {
    hosts: attachment.hosts,
    rules,
    // A gateway that is not there takes nothing from the others, as in Istio.
    problems: isHeard ? problems : [...problems, ...attachment.problems],
    parents: [],
  });
}

function attempt(
  read: () => readonly Rule[],
): { readonly rules: readonly Rule[]; readonly problems: readonly string[] } {
  try {
    return { rules: read(), problems: [] };
  } catch (error) {
    if (error instanceof RouteProblem) return { rules: [], problems: [error.message] };
    throw error;
  }
}

function entryOf(
  object: KubeObject,
  dialect: Dialect,
  read: Pick<Route, "hosts" | "rules"> & Pick<RouteReport, "problems" | "parents">,
): Entry {
  const createdMs = Date.parse(object.metadata.creationTimestamp ?? "") || 0;
  return {
    route: { ref: refOf(object), dialect, createdMs, hosts: read.hosts, rules: read.rules },
    report: { object, programmed: read.problems.length === 0, problems: read.problems, parents: read.parents },
  };
}

/**
 * Two VirtualServices, or one and an HTTPRoute, with the same host at the same door: what a real mesh does then depends
 * on its version and on ages, so none of them is programmed. HTTPRoutes may share hosts.
 */
function withClashes(entry: Entry, all: readonly Entry[]): Entry {
  const clashes = all.filter((other) =>
    other !== entry && (other.route.dialect === "istio" || entry.route.dialect === "istio") &&
    (["gateway", "mesh"] as const).some((door) =>
      entry.route.hosts[door].some((host) => other.route.hosts[door].includes(host))
    )
  );
  if (clashes.length === 0) return entry;
  const problems = clashes.map((other) => `${refKey(other.route.ref)} holds the same host`);
  const report = { ...entry.report, programmed: false, problems: [...entry.report.problems, ...problems] };
  return { ...entry, report };
}

function decide(
  entries: readonly Entry[],
  { door, hosts, facts }: { readonly door: Door; readonly hosts: readonly string[]; readonly facts: RequestFacts },
): Decision {
  const rankOf = (entry: Entry) =>
    Math.max(
      -1,
      ...entry.route.hosts[door].filter((pattern) => hosts.some((host) => hostFits(pattern, host))).map(hostRank),
    );
  const holding = entries.filter((entry) => rankOf(entry) >= 0).sort((a, b) => rankOf(b) - rankOf(a));
  const [best] = holding;
  if (best === undefined) return { type: "unrouted" };
  const refused = holding.find((entry) => !entry.report.programmed && rankOf(entry) === rankOf(best));
  if (refused !== undefined) {
    const why = `${refKey(refused.route.ref)} is not programmed: ${refused.report.problems.join("; ")}`;
    return { type: "refused", why };
  }
  // A VirtualService with the narrowest host decides alone; HTTPRoutes are weighed together.
  const routes = holding.filter((entry) => entry.report.programmed).map((entry) => entry.route);
  const chosen = best.route.dialect === "istio"
    ? chooseInOrder(best.route, facts)
    : chooseMostSpecific(routes.filter((route) => route.dialect === "gateway-api"), facts, { door, hosts });
  return chosen === undefined ? { type: "no-match" } : { type: "rule", chosen };
}
