/** Which rule takes a request: by Istio's order of lists, or by the precedence that the Gateway API lays down. */
import { hostFits, hostRank } from "./hosts.ts";
import type { Door, RequestMatch, Route, Rule } from "./route_model.ts";

/** A request as rules see it. */
export interface RequestFacts {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
}

export interface Chosen {
  readonly route: Route;
  readonly rule: Rule;
  readonly match: RequestMatch;
}

export function matches(match: RequestMatch, facts: RequestFacts): boolean {
  return (match.path === undefined || match.path.test(facts.path)) &&
    (match.method === undefined || match.method(facts.method)) &&
    (match.authority === undefined || match.authority(facts.host)) &&
    match.headers.every(({ name, test }) => test(facts.headers.get(name) ?? undefined)) &&
    match.query.every(({ name, test }) => test(facts.query.get(name) ?? undefined));
}

/** The first rule of the route, and in it the first match, that fits. */
export function chooseInOrder(route: Route, facts: RequestFacts): Chosen | undefined {
  for (const rule of route.rules) {
    const match = rule.matches.find((each) => matches(each, facts));
    if (match !== undefined) return { route, rule, match };
  }
  return undefined;
}

interface Candidate extends Chosen {
  readonly host: string;
}

/**
 * The most specific match over all routes. Regular expressions stand between exact and prefix paths; the
 * specification leaves their place open, and this is where Envoy Gateway and Contour put them.
 *
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
 */
export function chooseMostSpecific(
  routes: readonly Route[],
  facts: RequestFacts,
  { door, hosts }: { readonly door: Door; readonly hosts: readonly string[] },
): Chosen | undefined {
  const candidates: Candidate[] = [];
  for (const route of routes) {
    const fitting = route.hosts[door].filter((pattern) => hosts.some((host) => hostFits(pattern, host)));
    const host = fitting.reduce((best, each) => best === "" || hostRank(each) > hostRank(best) ? each : best, "");
    if (host === "") continue;
    for (const rule of route.rules) {
      for (const match of rule.matches) {
        if (matches(match, facts)) candidates.push({ route, rule, match, host });
      }
    }
  }
  // Array.sort is stable, so rules and matches of one route keep their order.
  return candidates.sort(bySpecificity)[0];
}

const PATH_RANK = { exact: 2, regex: 1, prefix: 0 } as const;

function bySpecificity(one: Candidate, other: Candidate): number {
  const keys = (candidate: Candidate) => {
    const { match } = candidate;
    return [
      hostRank(candidate.host),
      PATH_RANK[match.path?.type ?? "prefix"],
      match.path?.value.length ?? 1,
      match.method === undefined ? 0 : 1,
      match.headers.length,
      match.query.length,
      -candidate.route.createdMs,
    ];
  };
  const [ours, theirs] = [keys(one), keys(other)];
  for (let index = 0; index < ours.length; index++) {
    const difference = (theirs[index] ?? 0) - (ours[index] ?? 0);
    if (difference !== 0) return difference;
  }
  const name = (candidate: Candidate) => `${candidate.route.ref.namespace ?? ""}/${candidate.route.ref.name}`;
  return name(one) < name(other) ? -1 : name(one) > name(other) ? 1 : 0;
}
