/**
 * The embedded API server: a `Cluster` behind HTTP on loopback, with bearer token, request log and fault switches. It
 * is a double of Kubernetes 1.36 for the part that the agent uses; what it does not know it refuses.
 */
import type { Clock } from "../../ports/clock.ts";
import { Cluster, type DirectAccess } from "./cluster.ts";
import { type FaultEffect, Faults, type FaultSwitches } from "./faults.ts";
import { serveLoopback } from "../loopback_server.ts";
import { kindAt, parsePath, verbOf } from "./paths.ts";
import { errorResponse, route } from "./router.ts";
import { StatusError } from "./status_error.ts";

export interface RequestRecord {
  readonly verb: string;
  /** With the query, as sent. */
  readonly path: string;
  /** 0 where no answer was given. */
  readonly status: number;
  readonly atMs: number;
  readonly userAgent: string;
}

export interface SandboxApi {
  /** "http://127.0.0.1:<port>", without a slash at the end. */
  readonly url: string;
  /** Direct access for controllers and tests; same rules as over the wire. */
  readonly store: DirectAccess;
  readonly cluster: Cluster;
  readonly faults: FaultSwitches;
  /** Every request so far, oldest first. */
  readonly requests: readonly RequestRecord[];
  /** Refuses connections, and cuts those that are open, until `up`. What is stored stays. */
  down(): Promise<void>;
  up(): void;
  /** Ends open watches and hanging requests, then closes the port. */
  stop(): Promise<void>;
}

export interface SandboxApiOptions {
  readonly clock: Clock;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Required as a bearer token when given. */
  readonly token?: string;
  /** Kinds that are not installed, as "gateway.networking.k8s.io/HTTPRoute". */
  readonly without?: readonly string[];
}

/** Starts the server on 127.0.0.1. */
export function startSandboxApi(options: SandboxApiOptions): Promise<SandboxApi> {
  const cluster = new Cluster(options.clock, options.without);
  const faults = new Faults();
  const requests: RequestRecord[] = [];
  const stopped = new AbortController();
  const serve = { cluster, faults, requests, stopped: stopped.signal, token: options.token };
  const server = serveLoopback((request) => answer(serve, request), options.port ?? 0);
  const endWatches = (how: "cut" | "close", path?: RegExp): number => {
    const chosen = [...cluster.watches].filter((watch) => path === undefined || path.test(watch.path));
    for (const watch of chosen) watch[how]();
    return chosen.length;
  };
  return Promise.resolve({
    url: server.url,
    store: cluster.direct,
    cluster,
    requests,
    faults: {
      add: (fault) => faults.add(fault),
      clear: () => faults.clear(),
      get armed() {
        return faults.armed;
      },
      cutWatches: (path) => endWatches("cut", path),
      closeWatches: (path) => endWatches("close", path),
      compact: () => cluster.store.compact(),
    },
    async down() {
      endWatches("cut");
      await server.down();
    },
    up: () => server.up(),
    async stop() {
      stopped.abort();
      endWatches("close");
      await server.idle();
      await server.down();
    },
  });
}

interface Serving {
  readonly cluster: Cluster;
  readonly faults: Faults;
  readonly requests: RequestRecord[];
  readonly stopped: AbortSignal;
  readonly token: string | undefined;
}

async function answer(serving: Serving, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname + url.search;
  const verb = verbOf(request.method, parsePath(url.pathname), url.searchParams);
  const userAgent = request.headers.get("user-agent") ?? "";
  const atMs = serving.cluster.clock.now();
  const body = await request.text();
  const effect = serving.faults.take(verb, path);
  const response = await respond(serving, request, { url, verb, userAgent, body }, effect);
  const lost = effect?.type === "hang" || effect?.type === "cut";
  serving.requests.push({ verb, path, status: lost ? 0 : response.status, atMs, userAgent });
  return response;
}

interface Parsed {
  readonly url: URL;
  readonly verb: string;
  readonly userAgent: string;
  readonly body: string;
}

async function respond(
  serving: Serving,
  request: Request,
  parsed: Parsed,
  effect: FaultEffect | undefined,
): Promise<Response> {
  if (effect?.type === "hang") {
    await either(request.signal, serving.stopped);
    return brokenResponse();
  }
  if (effect?.type === "cut") return brokenResponse();
  if (effect?.type === "delay") await delay(serving, effect.ms);
  if (effect?.type === "status") return faultResponse(serving, parsed, effect);
  if (serving.token !== undefined && request.headers.get("authorization") !== `Bearer ${serving.token}`) {
    return errorResponse(new StatusError(401, "Unauthorized", "Unauthorized"));
  }
  try {
    const response = route(serving.cluster, {
      method: request.method,
      contentType: request.headers.get("content-type") ?? "",
      cutWatchAfterEvents: effect?.type === "cut-watch" ? effect.afterEvents : undefined,
      ...parsed,
    });
    if (effect?.type !== "drop-answer") return response;
    await response.body?.cancel();
    return brokenResponse();
  } catch (error) {
    if (error instanceof StatusError) return errorResponse(error);
    throw error;
  }
}

/** Waits by the server's clock; a stop ends the wait. */
async function delay(serving: Serving, ms: number): Promise<void> {
  try {
    await serving.cluster.clock.sleep(ms, serving.stopped);
  } catch (error) {
    if (!serving.stopped.aborted) throw error;
  }
}

function either(a: AbortSignal, b: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (a.aborted || b.aborted) return resolve();
    a.addEventListener("abort", () => resolve(), { once: true });
    b.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** An answer whose body breaks off before its first byte: a client never learns what came of its request. */
function brokenResponse(): Response {
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("The connection was cut")) });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

const faultReasons = {
  401: ["Unauthorized", "Unauthorized"],
  404: ["NotFound", "the server could not find the requested resource"],
  409: [
    "Conflict",
    "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
  ],
  410: ["Expired", "The resourceVersion for the provided watch is too old"],
  422: ["Invalid", "the object is invalid: refused by a fault switch"],
  500: ["InternalError", "Internal error occurred: a fault switch was on"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
} as const;

/** What the server's limits answer, before anything that would make a Status of it. */
function tooManyRequests(retryAfterSeconds: number): Response {
  const headers = { "content-type": "text/plain; charset=utf-8", "retry-after": String(retryAfterSeconds) };
  return new Response("Too many requests, please try again later.\n", { status: 429, headers });
}

function faultResponse(
  serving: Serving,
  parsed: Parsed,
  { code, retryAfterSeconds }: Extract<FaultEffect, { readonly type: "status" }>,
): Response {
  if (code === 403) return errorResponse(forbidden(serving, parsed));
  if (code === 429) return tooManyRequests(retryAfterSeconds ?? 1);
  const [reason, message] = faultReasons[code];
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
  return errorResponse(new StatusError(code, reason, message, details));
}

/** Worded as RBAC words it, so that messages made from it can be tested. */
function forbidden(serving: Serving, parsed: Parsed): StatusError {
  const path = parsePath(parsed.url.pathname);
  const kind = path === undefined ? undefined : kindAt(path, serving.cluster.kinds);
  const group = path?.group ?? "";
  const plural = path?.plural ?? "";
  const of = group === "" ? plural : `${plural}.${group}`;
  const name = path?.name === undefined ? "" : ` ${JSON.stringify(path.name)}`;
  // A namespace is in itself.
  const namespace = group === "" && plural === "namespaces" ? path?.name : path?.namespace;
  const scope = namespace === undefined ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  const message = `${of}${name} is forbidden: User "agent" cannot ${parsed.verb} resource ${
    JSON.stringify(path?.subresource === undefined ? plural : `${plural}/${path.subresource}`)
  } in API group ${JSON.stringify(group)} ${scope}`;
  return new StatusError(403, "Forbidden", message, {
    ...(path?.name === undefined ? {} : { name: path.name }),
    ...(group === "" ? {} : { group }),
    kind: kind?.plural ?? plural,
  });
}
