/** What all handlers share, and how each finds out who is asking. */
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Allowance } from "./allowance.ts";
import type { Attempts } from "./attempts.ts";
import type { Deliveries } from "./deliveries.ts";
import { RequestProblem, roleMissing, tooManyFailures, unknownToken } from "./problem.ts";
import type { Session, Sessions } from "./sessions.ts";
import { bearerOf, type Caller, callerOf, may, type Role, type Token } from "./tokens.ts";

export interface Shared {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly log: Log | null;
  readonly tokens: readonly Token[];
  readonly publicRead: boolean;
  readonly cluster: string;
  readonly version: string;
  readonly sessions: Sessions;
  readonly attempts: Attempts;
  readonly deliveries: Deliveries;
  /** Deliveries of push webhooks, by source. */
  readonly hookAllowance: Allowance;
  /** The shared secret of a source's webhook; absent: it takes none. */
  readonly webhooks: ReadonlyMap<string, () => string | Promise<string>>;
  readonly secureCookies: "auto" | "always" | "never";
}

/** Given with each request by `createServer`. */
export interface Bindings {
  /** Address of the client. */
  readonly address: string;
  /** Allows the one style element of a page. */
  readonly nonce: string;
}

export type Env = { readonly Bindings: Bindings };
export type Handled = Context<Env>;

const COOKIE = "serin-session";

/** Whether the browser came by https, as far as can be told. */
export function isSecure(shared: Shared, c: Handled): boolean {
  switch (shared.secureCookies) {
    case "always":
      return true;
    case "never":
      return false;
    case "auto": {
      const forwarded = c.req.header("x-forwarded-proto")?.split(",")[0]?.trim().toLowerCase();
      return forwarded === undefined ? new URL(c.req.url).protocol === "https:" : forwarded === "https";
    }
  }
}

/** With https the name's prefix keeps a neighbour under the same domain from planting one. */
export function cookieName(shared: Shared, c: Handled): string {
  return isSecure(shared, c) ? `__Host-${COOKIE}` : COOKIE;
}

export function sessionOf(shared: Shared, c: Handled): Session | null {
  const id = getCookie(c, cookieName(shared, c));
  return id === undefined ? null : shared.sessions.use(id);
}

/**
 * Looks up a secret, and counts a failure against the address.
 *
 * @throws {RequestProblem} 429 when there were too many
 */
export function recognise(shared: Shared, c: Handled, secret: string): Caller | null {
  const { address } = c.env;
  const wait = shared.attempts.waitSeconds(address);
  if (wait > 0) throw tooManyFailures(wait);
  const caller = callerOf(shared.tokens, secret);
  if (caller === null) {
    shared.attempts.failed(address);
    shared.log?.warn("login-failed", { address });
  }
  return caller;
}

/**
 * Who calls the API: a bearer token, or for reading also a browser's session. A session alone can change nothing here,
 * so the API needs no form token.
 *
 * @throws {RequestProblem} 401, 403 or 429
 */
export function authorise(shared: Shared, c: Handled, role: Role): Caller | null {
  const header = c.req.header("authorization");
  const caller = header === undefined ? readerOf(shared, c) : bearerCaller(shared, c, header);
  if (role === "viewer" && shared.publicRead) return caller;
  if (caller === null) throw unknownToken();
  if (!may(caller, role)) throw roleMissing(role, caller.roles);
  return caller;
}

function readerOf(shared: Shared, c: Handled): Caller | null {
  const isReading = c.req.method === "GET" || c.req.method === "HEAD";
  return isReading ? sessionOf(shared, c)?.caller ?? null : null;
}

function bearerCaller(shared: Shared, c: Handled, header: string): Caller {
  const caller = recognise(shared, c, bearerOf(header) ?? "");
  if (caller === null) throw unknownToken();
  return caller;
}

/** Refuses a form that another site sent, where the browser says so. */
export function refuseForeignForm(c: Handled): void {
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  const isForeign = site !== undefined && site !== "same-origin" && site !== "none" ||
    site === undefined && origin !== undefined && URL.parse(origin)?.host !== host;
  if (!isForeign) return;
  throw new RequestProblem(403, "The form was sent from another site", { fix: "Send it from this page." });
}
