/**
 * The agent's HTTP server as one function from request to response: health, metrics, API, webhooks and the page. It
 * opens no socket; whoever starts the agent serves it.
 */
import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../telemetry/log.ts";
import { addApi } from "./api.ts";
import { Allowance } from "./allowance.ts";
import { Attempts } from "./attempts.ts";
import type { Env, Handled, Shared } from "./context.ts";
import { Deliveries } from "./deliveries.ts";
import { addHooks } from "./hooks.ts";
import { addPage } from "./page/routes.tsx";
import { problemPage } from "./page/problem.tsx";
import { RequestProblem } from "./problem.ts";
import { Sessions } from "./sessions.ts";
import type { Token } from "./tokens.ts";

export interface ServerOptions {
  readonly agent: Agent;
  readonly tokens: readonly Token[];
  /** Reading needs no token. */
  readonly publicRead: boolean;
  /** The shared secret of each source's push webhook, by the source's name. */
  readonly webhooks: ReadonlyMap<string, () => string | Promise<string>>;
  /** prom-client's registry, or what looks like it. */
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  readonly clock: Clock;
  /** Name of the cluster. */
  readonly cluster: string;
  readonly version: string;
  readonly log?: Log;
  /** `auto` (default): when the request came by https, or a proxy says so in X-Forwarded-Proto. */
  readonly secureCookies?: "auto" | "always" | "never";
  /** The last address of X-Forwarded-For is the client's; only behind a proxy that sets it. Default false. */
  readonly trustProxy?: boolean;
  /** Longest time for one answer, body included. Default 30 s. */
  readonly timeoutMs?: number;
}

/** What `Deno.serve` tells of a connection. */
export interface ConnectionInfo {
  readonly remoteAddr?: unknown;
}

export interface Server {
  /**
   * Answers one request; never rejects. Failures are `{error, fix}` under /api, /hooks and the probes, pages elsewhere.
   */
  fetch(request: Request, info?: ConnectionInfo): Promise<Response>;
}

const TIMEOUT_MS = 30_000;
const NONCE_BYTES = 16;
/** Push webhooks of one source: far more than any repository sends, little enough to cost nothing. */
const HOOK_RATE = { atOnce: 120, everyMs: 500 };

export function createServer(options: ServerOptions): Server {
  const { clock } = options;
  const shared: Shared = {
    ...options,
    log: options.log ?? null,
    secureCookies: options.secureCookies ?? "auto",
    sessions: new Sessions(clock),
    attempts: new Attempts(clock),
    deliveries: new Deliveries(clock),
    hookAllowance: new Allowance(clock, HOOK_RATE),
  };
  const app = appOf(shared, options.registry);
  return {
    async fetch(request, info) {
      const nonce = randomBytes(NONCE_BYTES).toString("base64");
      const address = addressOf(request, info, options.trustProxy ?? false);
      const work = async () => await app.fetch(request, { address, nonce });
      const response = await inTime(clock, options.timeoutMs ?? TIMEOUT_MS, work);
      return secured(response, nonce);
    },
  };
}

function appOf(shared: Shared, registry: ServerOptions["registry"]): Hono<Env> {
  const app = new Hono<Env>();
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", (c) => {
    const { ready, reasons } = shared.agent.readiness();
    return c.json({ ready, reasons }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) => c.body(await registry.metrics(), 200, { "content-type": registry.contentType }));
  addApi(app, shared);
  addHooks(app, shared);
  addPage(app, shared);
  app.notFound((c) => explained(shared, c, new RequestProblem(404, "Not found", { fix: "Check the address." })));
  app.onError((error, c) => {
    if (error instanceof RequestProblem) return explained(shared, c, error);
    shared.log?.error("request-failed", { method: c.req.method, path: c.req.path, error });
    const fix = "Look into the agent's log for request-failed.";
    return explained(shared, c, new RequestProblem(500, "The agent could not answer", { fix }));
  });
  return app;
}

/** A problem as JSON for programs, as a page for people. */
function explained(shared: Shared, c: Handled, problem: RequestProblem): Response | Promise<Response> {
  for (const [name, value] of Object.entries(problem.headers)) c.header(name, value);
  const isForProgram = /^\/(api|hooks|healthz|readyz|metrics)(\/|$)/.test(c.req.path);
  if (isForProgram) return c.json({ error: problem.message, fix: problem.fix }, problem.status);
  return c.html(problemPage(shared, c.env.nonce, problem), problem.status);
}

/** Gives up on an answer that does not come, be it for a body that trickles in. */
async function inTime(clock: Clock, timeoutMs: number, work: () => Promise<Response>): Promise<Response> {
  const done = new AbortController();
  const late = clock.sleep(timeoutMs, done.signal).then(
    () => Response.json({ error: "No answer in time", fix: "Ask again." }, { status: 504 }),
    () => new Response(null, { status: 500 }),
  );
  try {
    return await Promise.race([work(), late]);
  } catch {
    // Hono answers its handlers' errors itself; what arrives here is a request that it cannot read.
    return Response.json({ error: "The request cannot be read", fix: "Check its address." }, { status: 400 });
  } finally {
    done.abort();
  }
}

function secured(response: Response, nonce: string): Response {
  const headers = new Headers(response.headers);
  headers.set(
    "content-security-policy",
    `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  );
  headers.set("x-content-type-options", "nosniff");
  headers.set("x-frame-options", "DENY");
  headers.set("referrer-policy", "same-origin");
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-resource-policy", "same-origin");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

function addressOf(request: Request, info: ConnectionInfo | undefined, trustProxy: boolean): string {
  const forwarded = request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();
  if (trustProxy && forwarded !== undefined && forwarded !== "") return forwarded.slice(0, 64);
  const peer = info?.remoteAddr;
  const isNamed = typeof peer === "object" && peer !== null && "hostname" in peer && typeof peer.hostname === "string";
  return isNamed ? peer.hostname as string : "unknown";
}
