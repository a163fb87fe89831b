/** Filters of an HTTPRoute rule, made from `spec.service`, in Flagger's order and with server defaults written out. */
import type { Canary, HeaderOperations, ServiceSpec } from "../../../src/core/canary.ts";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  listAt,
  objectAt,
  stringAt,
} from "../../../src/core/kube_object.ts";
import { namesOf } from "../../../src/core/names.ts";
import { InvalidSpecError } from "../../../src/errors.ts";

/** Filters that a rule may have once only, so that a user's and ours cannot stand side by side. */
export const SINGLE_FILTERS: readonly string[] = [
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestRedirect",
  "URLRewrite",
  "CORS",
];

/** @see https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter */
export function serviceFilters(service: ServiceSpec): readonly JsonObject[] {
  const filters: JsonObject[] = [];
  const request = headerModifier(service.headers?.request);
  if (request !== null) filters.push({ type: "RequestHeaderModifier", requestHeaderModifier: request });
  const response = headerModifier(service.headers?.response);
  if (response !== null) filters.push({ type: "ResponseHeaderModifier", responseHeaderModifier: response });
  if (service.rewrite !== null) filters.push({ type: "URLRewrite", urlRewrite: urlRewrite(service.rewrite) });
  filters.push(...service.mirror.map(userMirror));
  if (service.corsPolicy !== null) filters.push({ type: "CORS", cors: cors(service.corsPolicy) });
  return filters;
}

/** Mirrors requests to the canary Service. */
export function canaryMirror(canary: Canary): JsonObject {
  const backendRef = { group: "", kind: "Service", name: namesOf(canary).canaryService, port: canary.service.port };
  return { type: "RequestMirror", requestMirror: { backendRef } };
}

/** A filter on a backend that adds a Set-Cookie header. */
export function setCookieFilter(setCookie: string): JsonObject {
  return {
    type: "ResponseHeaderModifier",
    responseHeaderModifier: { add: [{ name: "Set-Cookie", value: setCookie }] },
  };
}

/** The Set-Cookie value that a filter adds, or undefined. */
export function setCookieOf(filter: Json): string | undefined {
  const added = listAt(filter, "responseHeaderModifier", "add");
  return stringAt(added.find((header) => stringAt(header, "name")?.toLowerCase() === "set-cookie"), "value");
}

function headerModifier(operations: HeaderOperations | undefined): JsonObject | null {
  if (operations === undefined) return null;
  const list = (map: Readonly<Record<string, string>>): readonly JsonObject[] =>
    Object.keys(map).sort().map((name) => ({ name, value: map[name] ?? "" }));
  const [set, add, remove] = [list(operations.set), list(operations.add), [...operations.remove].sort()];
  if (set.length + add.length + remove.length === 0) return null;
  return {
    ...(set.length === 0 ? {} : { set }),
    ...(add.length === 0 ? {} : { add }),
    ...(remove.length === 0 ? {} : { remove }),
  };
}

function urlRewrite(rewrite: NonNullable<ServiceSpec["rewrite"]>): JsonObject {
  const { uri, authority, type } = rewrite;
  const prefix = type === "ReplacePrefixMatch";
  return {
    ...(authority === null ? {} : { hostname: authority }),
    ...(uri === null ? {} : {
      path: prefix
        ? { type: "ReplacePrefixMatch", replacePrefixMatch: uri }
        : { type: "ReplaceFullPath", replaceFullPath: uri },
    }),
  };
}

/** `service.mirror[]` as a filter; an entry is a RequestMirror, or the backendRef of one. */
function userMirror(mirror: JsonObject): JsonObject {
  const whole = isJsonObject(mirror["backendRef"]) ? mirror : { backendRef: mirror };
  return {
    type: "RequestMirror",
    requestMirror: { ...whole, backendRef: { group: "", kind: "Service", ...objectAt(whole, "backendRef") } },
  };
}

/**
 * Istio's CorsPolicy as Gateway API's.
 * @throws {InvalidSpecError} an origin that is not exact, or a maxAge that is no duration
 */
function cors(policy: JsonObject): JsonObject {
  const origins = [
    ...listAt(policy, "allowOrigin").filter((origin) => typeof origin === "string"),
    ...listAt(policy, "allowOrigins").map(exactOrigin),
  ];
  const lists = Object.fromEntries(
    ["allowMethods", "allowHeaders", "exposeHeaders"].map((key) => [key, listAt(policy, key)] as const)
      .filter(([, list]) => list.length > 0),
  );
  const maxAge = at(policy, "maxAge");
  return {
    ...(origins.length === 0 ? {} : { allowOrigins: origins }),
    ...lists,
    ...(at(policy, "allowCredentials") === true ? { allowCredentials: true } : {}),
    // The server fills in 5 when it is absent.
    maxAge: maxAge === undefined ? 5 : secondsOf(maxAge),
  };
}

function exactOrigin(origin: Json): string {
  const exact = stringAt(origin, "exact");
  if (exact !== undefined) return exact;
  throw new InvalidSpecError("Cannot render an HTTPRoute: corsPolicy.allowOrigins has an origin that is not exact", {
    fix: "Give each origin as {exact: …}; Gateway API knows no other form",
  });
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Gateway API counts in whole seconds what Istio writes as a duration. */
function secondsOf(duration: Json): number {
  const text = typeof duration === "string" ? duration : "";
  const parts = [...text.matchAll(/(\d+)(h|m|s)/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join("") === text) {
    return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_SECONDS[unit ?? ""] ?? 0), 0);
  }
  throw new InvalidSpecError(
    `Cannot render an HTTPRoute: corsPolicy.maxAge must be a duration: current value is ${JSON.stringify(duration)}`,
    { fix: 'Write hours, minutes and seconds, such as "24h" or "1h30m"' },
  );
}
