/** Cookies of session affinity as header values: what is set, what is expired, and how a request is recognised. */
import type { Canary, SessionAffinity } from "../../../src/core/canary.ts";

export const SET_COOKIE = "Set-Cookie";

/** Attributes in the order that Flagger writes them. */
function attributes(affinity: SessionAffinity): readonly string[] {
  return [
    ...(affinity.domain === null ? [] : [`Domain=${affinity.domain}`]),
    ...(affinity.httpOnly ? ["HttpOnly"] : []),
    ...(affinity.partitioned ? ["Partitioned"] : []),
    ...(affinity.path === null ? [] : [`Path=${affinity.path}`]),
    ...(affinity.sameSite === null ? [] : [`SameSite=${affinity.sameSite}`]),
    ...(affinity.secure ? ["Secure"] : []),
  ];
}

/** @param cookie "name=value" */
export function canaryCookie(affinity: SessionAffinity, cookie: string): string {
  return [cookie, `Max-Age=${affinity.maxAgeSeconds}`, ...attributes(affinity)].join("; ");
}

/** Lives for one interval of the analysis, so that a share that rises is filled again at each step. */
export function primaryCookie(canary: Canary, affinity: SessionAffinity, cookie: string): string {
  return [cookie, `Max-Age=${Math.ceil(canary.analysis.intervalMs / 1000)}`, ...attributes(affinity)].join("; ");
}

/** Browsers forget a cookie only when domain and path are those it was set with. */
export function expiredCookie(affinity: SessionAffinity, cookie: string): string {
  return [cookie, "Max-Age=-1", ...attributes(affinity)].join("; ");
}

/** A regular expression (RE2, matched in full) for the Cookie header of a request that carries the cookie. */
export function cookiePattern(cookie: string): string {
  const equals = cookie.indexOf("=");
  const [name, value] = [cookie.slice(0, equals), cookie.slice(equals + 1)].map(escaped);
  return `.*${name}.*${value}.*`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** "name=value" of a Set-Cookie value, and whether it expires the cookie. */
export function parsedCookie(setCookie: string): { readonly cookie: string; readonly expired: boolean } {
  const [cookie = "", ...rest] = setCookie.split("; ");
  return { cookie, expired: rest.includes("Max-Age=-1") };
}

/** Whether a Set-Cookie value is one that this canary's affinity sets. */
export function isAffinityCookie(affinity: SessionAffinity | null, setCookie: string): boolean {
  if (affinity === null) return false;
  return [affinity.cookieName, affinity.primaryCookieName].some((name) =>
    name !== null && setCookie.startsWith(`${name}=`)
  );
}
