/**
 * The one place that talks HTTP to outside systems (metrics, webhooks, chat): time-outs, bounded bodies, retries,
 * redirects, proxies, a CA bundle, and redaction. No message of an error made here holds a header, a query, a path,
 * userinfo, or text of the runtime, which quotes URLs.
 */
import { InvalidSpecError, RejectedError, SerinError, UnavailableError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Http, HttpAnswer, HttpRequest } from "../../src/ports/http.ts";
import { retryAfterMs } from "../http_status.ts";
import { type Address, basicOf, describeFailure, labelOf, parseAddress } from "./http/address.ts";
import { HttpClients } from "./http/clients.ts";
import { type Hop, nextHop, REDIRECTS_MAX } from "./http/redirect.ts";
import { isRetried, nextWaitMs } from "./http/retry.ts";
import { holdUntilAborted, linkAbort } from "./kube/abort.ts";

const BODY_BYTES_MAX = 1024 * 1024;
const USER_AGENT = "serin";

export interface OpenHttpOptions {
  /** Time-outs and waits between attempts go by it. */
  readonly clock: Clock;
  /** Certificates trusted besides the built-in ones, PEM, any number. */
  readonly caPem?: string;
}

/** An `Http` with a life: it keeps connections until it is closed. */
export interface OpenHttp extends Http {
  /** Aborts what is under way (UnavailableError) and closes all connections. */
  close(): void;
}

/**
 * Opens the executor; the first connection is made by the first request.
 *
 * *Guarantees*: `timeoutMs` bounds each attempt, redirects and body included. A POST or PATCH goes out once an attempt.
 * Credentials never follow a redirect to another origin, nor any redirect from https to http.
 *
 * *Caveats*: an attempt that timed out may have had its effect, so `retries` on a POST means at least once. A certificate
 * that is not trusted and a body that is too large are not tried again.
 *
 * @throws {InvalidSpecError} the CA bundle cannot be read
 */
export function openHttp(options: OpenHttpOptions): OpenHttp {
  return new HttpExecutor(options);
}

type Attempt =
  | { readonly type: "answered"; readonly answer: HttpAnswer }
  | { readonly type: "failed"; readonly error: SerinError; readonly isFinal: boolean };

class HttpExecutor implements OpenHttp {
  readonly #clock: Clock;
  readonly #clients: HttpClients;
  readonly #closed = new AbortController();

  constructor(options: OpenHttpOptions) {
    this.#clock = options.clock;
    this.#clients = new HttpClients(options.caPem);
  }

  async send(request: HttpRequest, signal?: AbortSignal): Promise<HttpAnswer> {
    signal?.throwIfAborted();
    const address = parseAddress(request.url);
    refuseUnverified(request, address);
    const hop = firstHop(request, address);
    for (let failed = 1;; failed++) {
      const attempt = await this.#attempt(request, hop, signal);
      if (attempt.type === "failed" && attempt.isFinal) throw attempt.error;
      if (attempt.type === "answered" && !isRetried(attempt.answer.status)) return attempt.answer;
      const wishMs = attempt.type === "answered" ? retryAfterMs(attempt.answer.headers, this.#clock.now()) : undefined;
      const waitMs = nextWaitMs(failed, request.retries ?? 0, wishMs);
      if (waitMs === null) {
        if (attempt.type === "failed") throw attempt.error;
        return attempt.answer;
      }
      await this.#wait(waitMs, hop, signal);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#clients.close();
  }

  /** One attempt under its deadline. Throws only the caller's own reason to abort. */
  async #attempt(request: HttpRequest, hop: Hop, signal: AbortSignal | undefined): Promise<Attempt> {
    const what = `Cannot send ${request.method} to "${labelOf(hop.url)}"`;
    const work = linkAbort(signal, this.#closed.signal);
    const done = new AbortController();
    let isLate = false;
    const deadline = this.#clock.sleep(request.timeoutMs, done.signal).then(() => {
      isLate = true;
      work.abort();
    }, () => undefined);
    try {
      return { type: "answered", answer: await this.#exchange(request, hop, work.signal) };
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#closed.signal.aborted) return { type: "failed", error: closedError(what), isFinal: true };
      if (isLate) {
        const late = new UnavailableError(`${what}: no answer within ${request.timeoutMs} ms`);
        return { type: "failed", error: late, isFinal: false };
      }
      if (error instanceof SerinError) return { type: "failed", error, isFinal: true };
      const { reason, isFinal, fix } = describeFailure(error);
      // The runtime's error quotes the URL, so it is not kept as the cause.
      const failure = new UnavailableError(`${what}: ${reason}`, fix === undefined ? {} : { fix });
      return { type: "failed", error: failure, isFinal };
    } finally {
      done.abort();
      work.unlink();
      await deadline;
    }
  }

  async #exchange(request: HttpRequest, first: Hop, signal: AbortSignal): Promise<HttpAnswer> {
    let hop = first;
    for (let redirects = 0;; redirects++) {
      const isIdempotent = hop.method !== "POST" && hop.method !== "PATCH";
      const response = await fetch(hop.url, {
        method: hop.method,
        headers: hop.headers,
        ...(hop.body === undefined ? {} : { body: hop.body }),
        redirect: "manual",
        client: this.#clients.client({ isIdempotent, proxyUrl: request.proxyUrl }),
        signal,
      });
      holdUntilAborted(response, signal);
      const next = nextHop(hop, response.status, response.headers.get("location"));
      if (next === null) return await readAnswer(response, request, labelOf(first.url));
      await response.body?.cancel();
      if (redirects === REDIRECTS_MAX) {
        throw new UnavailableError(
          `Cannot send ${request.method} to "${labelOf(first.url)}": it redirects more than ${REDIRECTS_MAX} times`,
          { fix: "Give the address that the redirects lead to." },
        );
      }
      hop = next;
    }
  }

  async #wait(ms: number, hop: Hop, signal: AbortSignal | undefined): Promise<void> {
    const work = linkAbort(signal, this.#closed.signal);
    try {
      await this.#clock.sleep(ms, work.signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#closed.signal.aborted) throw closedError(`Cannot send again to "${labelOf(hop.url)}"`);
      throw error;
    } finally {
      work.unlink();
    }
  }
}

function closedError(what: string): UnavailableError {
  return new UnavailableError(`${what}: the agent is shutting down`);
}

/** The runtime can skip verification only for a whole process, which would weaken every other connection. */
function refuseUnverified(request: HttpRequest, address: Address): void {
  if (request.insecureSkipVerify !== true || address.url.protocol !== "https:") return;
  throw new RejectedError(
    `Cannot send ${request.method} to "${labelOf(address.url)}": certificate verification cannot be switched off`,
    { fix: "Add the server's authority to the agent's CA bundle, and remove insecureSkipVerify or disableTLS." },
  );
}

function firstHop(request: HttpRequest, address: Address): Hop {
  const headers = new Headers({ "user-agent": USER_AGENT });
  if (address.userinfo !== null) headers.set("authorization", basicOf(address.userinfo));
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    try {
      headers.set(name, value);
    } catch {
      // The runtime's message quotes the value.
      throw new InvalidSpecError(
        `Cannot send ${request.method} to "${labelOf(address.url)}": header ${JSON.stringify(name)} is not valid`,
        { fix: "Remove line breaks and other control characters from its name and value." },
      );
    }
  }
  return { method: request.method, url: address.url, headers, body: request.body };
}

async function readAnswer(response: Response, request: HttpRequest, label: string): Promise<HttpAnswer> {
  const bytesMax = request.bodyBytesMax ?? BODY_BYTES_MAX;
  const decoder = new TextDecoder();
  let body = "";
  let bytes = 0;
  // Leaving the loop early cancels the stream, which closes the connection.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) {
      throw new UnavailableError(
        `Cannot send ${request.method} to "${label}": its answer is larger than ${bytesMax} bytes`,
      );
    }
    body += decoder.decode(chunk, { stream: true });
  }
  body += decoder.decode();
  return { status: response.status, headers: Object.fromEntries(response.headers), body };
}
