/**
 * The thin client: one request to the API server over the runtime's `fetch`, with a deadline, a bound on the answer and
 * errors of our own taxonomy. It does not retry, except once with a newer token after a 401.
 *
 * HTTP/1.1 on purpose: a connection that a network has swallowed stays in the HTTP/2 pool, and every later request of
 * the agent would time out on it.
 */
import type { Json } from "../../../src/core/kube_object.ts";
import { SerinError, UnavailableError } from "../../../src/errors.ts";
import { machineClock } from "../clock.ts";
import { holdUntilAborted, linkAbort, type LinkedAbort } from "./abort.ts";
import type { KubeEndpoint } from "./config.ts";
import { BoundReachedError, readText, splitLines } from "./lines.ts";
import { type Asked, cannot, errorFromAnswer, retryAfterMs, TooLargeError } from "./status_errors.ts";

const METHODS = {
  get: "GET",
  list: "GET",
  watch: "GET",
  create: "POST",
  patch: "PATCH",
  update: "PUT",
  delete: "DELETE",
} as const;

/** One request. What it is counted and reported by is `verb` and `resource`. */
export interface KubeRequest extends Asked {
  readonly verb: keyof typeof METHODS;
  /** Absolute path, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Answers to single requests arrive within this, or the request is given up. Milliseconds. */
export const REQUEST_TIMEOUT_MS = 15_000;

/** Bound on one answer: 32 MiB, a page of 500 large objects. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Bound on an error's body; the rest says nothing that helps. */
const ERROR_BYTES_MAX = 256 * 1024;
/** Bound on one watch event; objects are at most about 3 MiB. */
const LINE_CHARS_MAX = 16 * 1024 * 1024;

/**
 * A client for one endpoint. Deadlines run on the machine's clock, also where the agent's clock is a manual one: they
 * guard real connections.
 */
export class KubeClient {
  readonly #endpoint: KubeEndpoint;
  readonly #http: Deno.HttpClient;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  readonly #requests = new Map<string, number>();

  constructor(endpoint: KubeEndpoint, options: { readonly timeoutMs?: number } = {}) {
    this.#endpoint = endpoint;
    this.#timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    const { caPem, certPem, keyPem } = endpoint;
    this.#http = Deno.createHttpClient({
      http2: false,
      ...(caPem === undefined ? {} : { caCerts: [caPem] }),
      ...(certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem }),
    });
  }

  /** Requests sent so far by "verb resource"; a second try after a 401 counts again. */
  get requests(): ReadonlyMap<string, number> {
    return this.#requests;
  }

  /**
   * Sends a request and returns the parsed answer.
   *
   * @throws {SerinError} as `status_errors.ts` has it; UnavailableError when nothing arrives in time or it is not JSON
   * @throws the signal's reason when the caller aborts
   */
  async send(request: KubeRequest): Promise<Json> {
    const link = linkAbort(this.#closing.signal, request.signal);
    const deadline = this.#deadline(request, link);
    try {
      const response = await this.#answer(request, link.signal);
      return parseJson(request, await readText(response.body, BODY_BYTES_MAX));
    } catch (error) {
      throw this.#explain(request, error, link);
    } finally {
      deadline.clear();
      link.unlink();
    }
  }

  /**
   * Opens a stream and yields its lines; the deadline is for the answer's head alone. Leaving the loop closes it.
   *
   * @throws as `send`, also in mid-stream: a line that was cut off is an UnavailableError
   */
  async *lines(request: KubeRequest): AsyncGenerator<string> {
    const link = linkAbort(this.#closing.signal, request.signal);
    const deadline = this.#deadline(request, link);
    try {
      const response = await this.#answer(request, link.signal);
      deadline.clear();
      if (response.body !== null) yield* splitLines(response.body, LINE_CHARS_MAX);
    } catch (error) {
      throw this.#explain(request, error, link);
    } finally {
      deadline.clear();
      link.abort();
      link.unlink();
    }
  }

  /** Aborts what is under way and closes the connections. */
  close(): void {
    this.#closing.abort(new DOMException("The cluster client was closed", "AbortError"));
    this.#http.close();
  }

  /** The response if it is 2xx. */
  async #answer(request: KubeRequest, signal: AbortSignal): Promise<Response> {
    const token = await this.#endpoint.token();
    let response = await this.#fetch(request, token, signal);
    if (response.status === 401 && token !== undefined) {
      const newer = await this.#endpoint.token(token);
      if (newer !== token) {
        await response.body?.cancel();
        response = await this.#fetch(request, newer, signal);
      }
    }
    if (response.ok) return response;
    const waitMs = retryAfterMs(response.headers.get("retry-after"));
    throw errorFromAnswer(request, {
      status: response.status,
      body: await errorBody(response),
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    });
  }

  async #fetch(request: KubeRequest, token: string | undefined, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted();
    const counted = `${request.verb} ${request.resource}`;
    this.#requests.set(counted, (this.#requests.get(counted) ?? 0) + 1);
    const query = new URLSearchParams(request.query).toString();
    const url = `${this.#endpoint.baseUrl.replace(/\/+$/, "")}${request.path}${query === "" ? "" : `?${query}`}`;
    const response = await fetch(url, {
      client: this.#http,
      method: METHODS[request.verb],
      redirect: "manual",
      signal,
      headers: {
        accept: "application/json",
        "user-agent": "serin",
        ...(request.body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    return holdUntilAborted(response, signal);
  }

  #deadline(request: KubeRequest, link: LinkedAbort): { clear(): void } {
    const done = new AbortController();
    const late = () => link.abort(new UnavailableError(`${cannot(request)}: no answer within ${this.#timeoutMs} ms`));
    machineClock.sleep(this.#timeoutMs, done.signal).then(late, () => undefined);
    return { clear: () => done.abort() };
  }

  /** Errors of ours pass; an abort is its reason; all else is the transport's and is told by not being ours. */
  #explain(request: KubeRequest, error: unknown, link: LinkedAbort): unknown {
    if (error instanceof SerinError) return error;
    if (link.signal.aborted) return link.signal.reason;
    if (error instanceof BoundReachedError) {
      return new TooLargeError(`${cannot(request)}: the answer has ${error.message}`, { cause: error });
    }
    return new UnavailableError(`${cannot(request)}: no complete answer: ${transportReason(error)}`, { cause: error });
  }
}

function parseJson(request: KubeRequest, text: string): Json {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnavailableError(`${cannot(request)}: the answer is not JSON: it begins "${text.slice(0, 80)}"`, {
      cause,
      fix: "Check that the URL is the API server's, and not a proxy's login page",
    });
  }
}

async function errorBody(response: Response): Promise<Json> {
  let text = "";
  try {
    text = await readText(response.body, ERROR_BYTES_MAX);
    return JSON.parse(text);
  } catch {
    // Not a Status but a proxy's page, or cut off: the status code says enough.
    return text;
  }
}

function transportReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
