/**
 * Leads an HTTPRoute that has traffic from the apex Service to ours, or back. A proxy such as Envoy learns of backends and
 * of routes by separate ways: a request that meets a route before its backend is known, or after it is gone, gets a 503.
 * So both are named before the share moves, and as long as it may not have moved everywhere.
 */
import type { Canary } from "../../../src/core/canary.ts";
import { type Json, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import { namesOf } from "../../../src/core/names.ts";

/** Which of the two an intermediate route gives all requests to. */
export type Leads = "apex" | "primary";

export interface LeadRules {
  /** Rules that name our Services. */
  readonly ours: readonly Json[];
  /** The user's rule that is to be taken over, where none is ours yet. */
  readonly users: Json | undefined;
  readonly backendOf: (rule: Json | undefined, name: string) => Json | undefined;
}

/** What the next step writes: both named and one with the share, or "end": what `render` or `release` says. */
export type Lead = Leads | "end" | null;

export function nextLead(canary: Canary, rules: LeadRules, to: "ours" | "apex"): Lead {
  const { ours, users, backendOf } = rules;
  const { apex } = namesOf(canary);
  if (ours.length === 0) return to === "ours" && users !== undefined ? "apex" : null;
  const backends = ours.map((rule) => backendOf(rule, apex)).filter((backend) => backend !== undefined);
  if (backends.length === 0) return to === "apex" ? "primary" : null;
  const apexHasShare = backends.some((backend) => (numberAt(backend, "weight") ?? 1) > 0);
  if (to === "ours") return apexHasShare ? "primary" : "end";
  return apexHasShare ? "end" : "apex";
}

/** Whether a step was taken already. */
export function isUnderWay(canary: Canary, { ours, backendOf }: LeadRules): boolean {
  const { apex } = namesOf(canary);
  return ours.some((rule) => backendOf(rule, apex) !== undefined);
}

/** A rule of ours that names the apex as well. @param live the apex backend as a user wrote it, if one did */
export function sharedRule(canary: Canary, rule: Json, live: Json | undefined, leads: Leads): JsonObject {
  const { apex, primaryService } = namesOf(canary);
  const own = listAt(rule, "backendRefs").map((backend): Json => {
    const isPrimary = stringAt(backend, "name") === primaryService;
    return { ...objectAt(backend), weight: isPrimary && leads === "primary" ? 100 : 0 };
  });
  const known = live === undefined
    ? { group: "", kind: "Service", name: apex, port: canary.service.port }
    : objectAt(live);
  return { ...objectAt(rule), backendRefs: [...own, { ...known, weight: leads === "apex" ? 100 : 0 }] };
}
