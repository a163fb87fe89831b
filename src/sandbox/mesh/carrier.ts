/**
 * Carries one request to a Service: picks a ready pod, sends, tries again where the route says so, gives up in time, and
 * reports what the sender's and the receiver's proxies saw.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Endpoint, Endpoints } from "./endpoints.ts";
import { endToEnd } from "./header_edits.ts";
import type { Retries, ServiceRef } from "./route_model.ts";
import type { CarriedRequest, Telemetry } from "./telemetry.ts";

/** A request with its body read, so that it can be sent more than once. */
export interface Message {
  readonly method: string;
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

export interface Carried {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** See `CarriedRequest`. */
  readonly flags: string;
}

export interface CarryOptions {
  readonly source: CarriedRequest["source"];
  readonly timeoutMs?: number;
  readonly retries: Retries;
  /** Mirrored requests are seen by the receiver's proxy alone. */
  readonly reportedBySource: boolean;
}

export interface CarrierParts {
  readonly endpoints: Endpoints;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly client: Deno.HttpClient;
}

/** Methods that do no harm when they are sent twice (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Answers larger than this are cut off with 502: an application of the sandbox never gives one. */
const BODY_BYTES_MAX = 10 * 1024 * 1024;

/** Sends a message to a Service; an answer always comes, if need be one of the proxy's own. Never throws. */
export async function carry(
  parts: CarrierParts,
  service: ServiceRef,
  message: Message,
  options: CarryOptions,
): Promise<Carried> {
  const startMs = parts.clock.monotonic();
  const total = deadline(parts.clock, options.timeoutMs);
  let workload = "unknown";
  try {
    const tried: string[] = [];
    let answer = ownAnswer(503, "no healthy upstream", "UH");
    for (let attempt = 0; attempt <= options.retries.attempts && !total.signal.aborted; attempt++) {
      const endpoint = parts.endpoints.next(service, tried) ?? parts.endpoints.next(service);
      if (endpoint === undefined) break;
      [workload, tried[tried.length]] = [endpoint.workload, endpoint.pod];
      answer = await attemptOnce(parts, endpoint, message, { ...options, service, total: total.signal });
      if (answer.flags === "UT" || answer.flags === "UC") break;
      if (answer.flags === "-" && !options.retries.onStatus(answer.status)) break;
    }
    if (options.reportedBySource) {
      const ms = parts.clock.monotonic() - startMs;
      const { status, flags } = answer;
      parts.telemetry.record({ reporter: "source", source: options.source, workload, service, status, flags, ms });
    }
    return answer;
  } finally {
    total.clear();
  }
}

async function attemptOnce(
  { telemetry, clock, client }: CarrierParts,
  endpoint: Endpoint,
  message: Message,
  options: CarryOptions & { readonly service: ServiceRef; readonly total: AbortSignal },
): Promise<Carried> {
  const { retries, source, service, total } = options;
  const single = deadline(clock, retries.perTryTimeoutMs);
  const startMs = clock.monotonic();
  const report = (status: number, flags: string) =>
    telemetry.record({
      reporter: "destination",
      source,
      workload: endpoint.workload,
      service,
      status,
      flags,
      ms: clock.monotonic() - startMs,
    });
  try {
    const answer = await send(endpoint, message, client, AbortSignal.any([total, single.signal]));
    report(answer.status, "-");
    return answer;
  } catch {
    // What went wrong on the way is the answer: too late, or nobody there.
    if (total.aborted || single.signal.aborted) {
      report(0, "DC");
      return total.aborted
        ? ownAnswer(504, "upstream request timeout", "UT")
        : ownAnswer(504, "upstream request timeout", "UF");
    }
    // `fetch` does not say whether the request had been sent already, so only what may be done twice is tried again.
    const flags = IDEMPOTENT.has(message.method) ? "UF" : "UC";
    return ownAnswer(503, "upstream connect error or disconnect/reset before headers", flags);
  } finally {
    single.clear();
  }
}

async function send(
  { address }: Endpoint,
  message: Message,
  client: Deno.HttpClient,
  signal: AbortSignal,
): Promise<Carried> {
  const headers = new Headers(message.headers);
  headers.set("host", message.host);
  // Answers pass through as they are; without this `fetch` would unpack them.
  headers.set("accept-encoding", "identity");
  const answer = await fetch(`http://${address.hostname}:${address.port}${message.target}`, {
    method: message.method,
    headers,
    body: message.body ?? null,
    redirect: "manual",
    client,
    signal,
  });
  const body = new Uint8Array(await answer.arrayBuffer());
  if (body.byteLength > BODY_BYTES_MAX) return ownAnswer(502, "the answer is too large for the sandbox", "-");
  const isBodiless = message.method === "HEAD" || [204, 205, 304].includes(answer.status);
  return { status: answer.status, headers: endToEnd(answer.headers), body: isBodiless ? undefined : body, flags: "-" };
}

/** An answer that the proxy gives itself. */
export function ownAnswer(status: number, why: string, flags: string): Carried {
  return { status, headers: new Headers({ "content-type": "text/plain" }), body: new TextEncoder().encode(why), flags };
}

function deadline(clock: Clock, ms: number | undefined): { readonly signal: AbortSignal; readonly clear: () => void } {
  const [late, settled] = [new AbortController(), new AbortController()];
  if (ms !== undefined) {
    void clock.sleep(ms, settled.signal).then(() => late.abort(new Error("timed out")), () => {});
  }
  return { signal: late.signal, clear: () => settled.abort(new Error("settled")) };
}
