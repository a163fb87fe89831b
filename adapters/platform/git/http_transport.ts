/**
 * Git's smart protocol over HTTP with Deno's fetch. Bounds every answer in size and time, reads credentials anew for each
 * request, keeps them on the configured origin, and sends a push exactly once.
 *
 * @see https://git-scm.com/docs/http-protocol
 */
import { RejectedError, SerinError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { authorizationOf, type GitAuth, type GitAuthSource, redact } from "./git_auth.ts";
import { statusError } from "./http_status.ts";
import { concatBytes } from "./pkt_line.ts";
import type { GitTransport, Service } from "./transport.ts";

export interface HttpTransportOptions {
  /** Without credentials, as `parseRemoteUrl` returns it. */
  readonly url: URL;
  readonly auth?: GitAuthSource;
  /** Further certificate authorities, PEM. */
  readonly caPem?: string;
  /** How long the server may be silent, before its answer and within it, milliseconds. */
  readonly timeoutMs: number;
  /** Bound on one answer, bytes. */
  readonly answerBytesMax: number;
  readonly clock: Clock;
}

/** A whole answer may take this many times the bound on silence, so that a server that drips does not hold us forever. */
const WHOLE_ANSWER_TIMEOUTS = 10;
/** How much of a refusal is read and shown, bytes. */
const REFUSAL_BYTES_MAX = 400;

interface Call {
  readonly service: Service;
  readonly method: "GET" | "POST";
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal | undefined;
}

export class HttpTransport implements GitTransport {
  readonly #options: HttpTransportOptions;
  readonly #readClient: Deno.HttpClient;
  /**
   * Never reuses a connection. When a pooled one closes between request and answer, Deno sends the request again, and a
   * push that was applied would come back as refused (denoland/deno issues 32566, 35610).
   */
  readonly #pushClient: Deno.HttpClient;
  /** Where the repository answered after redirects; a redirected POST would become a GET. */
  #base: URL;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#base = options.url;
    const common = { http1: true, http2: false, ...(options.caPem === undefined ? {} : { caCerts: [options.caPem] }) };
    this.#readClient = Deno.createHttpClient({ ...common, poolMaxIdlePerHost: 2 });
    this.#pushClient = Deno.createHttpClient({ ...common, poolMaxIdlePerHost: 0 });
  }

  async advertise(service: Service, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    this.#base = this.#options.url;
    return await this.#call({ service, method: "GET", signal });
  }

  async exchange(service: Service, body: Uint8Array<ArrayBuffer>, signal?: AbortSignal) {
    return await this.#call({ service, method: "POST", body, signal });
  }

  close(): void {
    this.#readClient.close();
    this.#pushClient.close();
  }

  async #call(call: Call): Promise<Uint8Array<ArrayBuffer>> {
    call.signal?.throwIfAborted();
    const { auth } = this.#options;
    const first = await this.#attempt(call);
    // Credentials may have been rotated since they were read; fixed ones cannot have changed.
    const answer = first.status === 401 && typeof auth === "function" ? await this.#attempt(call) : first;
    if (answer.status === 200) return answer.body;
    throw statusError({ ...answer, url: this.#shownUrl(), now: this.#options.clock.now() });
  }

  async #attempt(call: Call) {
    const auth = await this.#currentAuth(call.signal);
    const watch = new Watchdog(this.#options.clock, this.#options.timeoutMs, call.signal);
    try {
      const response = await fetch(this.#request(call, auth), {
        client: call.service === "git-receive-pack" && call.method === "POST" ? this.#pushClient : this.#readClient,
        signal: watch.signal,
      });
      watch.progress();
      const limit = response.status === 200 ? this.#options.answerBytesMax : REFUSAL_BYTES_MAX;
      const body = await this.#read(response, limit, watch);
      if (response.status === 200) this.#acceptAnswer(call, response);
      const isText = response.headers.get("content-type")?.startsWith("text/plain") === true;
      const words = isText ? redact(new TextDecoder().decode(body), auth) : "";
      return { status: response.status, headers: response.headers, body, words };
    } catch (cause) {
      call.signal?.throwIfAborted();
      if (cause instanceof SerinError) throw cause;
      const why = watch.expired ?? `no whole answer (${redact(causeText(cause), auth)})`;
      throw new UnavailableError(`Cannot reach Git remote "${this.#shownUrl()}": ${why}`, {
        fix: "Check that the address is right and that the server can be reached from here.",
        cause,
      });
    } finally {
      watch.stop();
    }
  }

  async #currentAuth(signal: AbortSignal | undefined): Promise<GitAuth | undefined> {
    const { auth } = this.#options;
    if (typeof auth !== "function") return auth;
    try {
      return await auth(signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof SerinError) throw cause;
      throw new UnavailableError(`Cannot use Git remote "${this.#shownUrl()}": its credentials cannot be read`, {
        fix: "Check that the files or the Secret with the credentials are there and can be read.",
        cause,
      });
    }
  }

  #request(call: Call, auth: GitAuth | undefined): Request {
    const { service, method } = call;
    const headers = new Headers({
      accept: `application/x-${service}-${method === "GET" ? "advertisement" : "result"}`,
    });
    headers.set("user-agent", "serin/1 (git)");
    if (service === "git-upload-pack") headers.set("git-protocol", "version=2");
    // Another origin never sees the credentials; fetch itself drops them when it follows a redirect.
    if (auth !== undefined && mayHaveCredentials(this.#options.url, this.#base)) {
      headers.set("authorization", authorizationOf(auth));
    }
    const base = `${this.#base.origin}${this.#base.pathname}`;
    if (method === "GET") return new Request(`${base}/info/refs?service=${service}`, { headers });
    headers.set("content-type", `application/x-${service}-request`);
    // A redirect in answer to a POST is reported: following it would turn it into a GET, or push twice.
    return new Request(`${base}/${service}`, { method, headers, body: call.body ?? null, redirect: "manual" });
  }

  #acceptAnswer(call: Call, response: Response): void {
    const want = `application/x-${call.service}-${call.method === "GET" ? "advertisement" : "result"}`;
    const type = response.headers.get("content-type")?.split(";")[0]?.trim() ?? "none";
    if (type !== want) {
      throw new UnavailableError(
        `Cannot read Git remote "${this.#shownUrl()}": the answer is not Git but content type "${type}"`,
        { fix: "Check the url; a login page or a proxy may stand in the way, or the server may not speak smart HTTP." },
      );
    }
    if (call.method !== "GET" || !response.redirected) return;
    const landed = URL.parse(response.url);
    const path = landed?.pathname.endsWith("/info/refs") === true
      ? landed.pathname.slice(0, -"/info/refs".length)
      : null;
    if (landed === null || path === null) {
      throw new RejectedError(
        `Cannot read Git remote "${this.#shownUrl()}": it redirects to something that is no repository`,
        {
          fix: "Configure the address that the repository has now.",
        },
      );
    }
    if (this.#options.url.protocol === "https:" && landed.protocol !== "https:") {
      throw new RejectedError(`Cannot read Git remote "${this.#shownUrl()}": it redirects from https to http`, {
        fix: "Configure the address that the repository has now.",
      });
    }
    this.#base = new URL(path, landed.origin);
  }

  async #read(response: Response, limit: number, watch: Watchdog): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    if (response.body === null) return new Uint8Array(0);
    for await (const chunk of response.body) {
      watch.progress();
      size += chunk.length;
      if (size > limit && response.status !== 200) return concatBytes([...chunks, chunk]).slice(0, limit);
      if (size > limit) {
        throw new UnavailableError(
          `Cannot read Git remote "${this.#shownUrl()}": its answer has more than ${limit} bytes`,
          {
            fix: "Raise the bound on fetched bytes, or keep large files out of this repository.",
          },
        );
      }
      chunks.push(chunk);
    }
    return concatBytes(chunks);
  }

  #shownUrl(): string {
    return `${this.#options.url.origin}${this.#options.url.pathname}`;
  }
}

/** Aborts an exchange when the server is silent for too long, or takes too long altogether. */
class Watchdog {
  readonly signal: AbortSignal;
  /** Why the exchange was cut, once it was. */
  expired: string | undefined;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  readonly #done = new AbortController();
  readonly #startedMs: number;
  #progressMs: number;

  constructor(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#startedMs = this.#progressMs = clock.monotonic();
    this.signal = outer === undefined ? this.#abort.signal : AbortSignal.any([outer, this.#abort.signal]);
    this.#run().catch(() => {
      // Only `stop` ends the sleep early, and then there is nothing left to watch.
    });
  }

  progress(): void {
    this.#progressMs = this.#clock.monotonic();
  }

  stop(): void {
    this.#done.abort();
  }

  async #run(): Promise<void> {
    while (this.expired === undefined) {
      const silentMs = this.#timeoutMs - (this.#clock.monotonic() - this.#progressMs);
      const wholeMs = this.#timeoutMs * WHOLE_ANSWER_TIMEOUTS - (this.#clock.monotonic() - this.#startedMs);
      if (silentMs <= 0) this.expired = `no answer within ${this.#timeoutMs} ms`;
      else if (wholeMs <= 0) this.expired = `the answer took more than ${this.#timeoutMs * WHOLE_ANSWER_TIMEOUTS} ms`;
      else await this.#clock.sleep(Math.min(silentMs, wholeMs), this.#done.signal);
    }
    this.#abort.abort(new Error(this.expired));
  }
}

function mayHaveCredentials(configured: URL, actual: URL): boolean {
  const upgraded = configured.protocol === "http:" && actual.protocol === "https:" &&
    configured.hostname === actual.hostname;
  return configured.origin === actual.origin || upgraded;
}

/** The innermost message: Deno says "fetch failed" and puts the reason, such as a bad certificate, into causes. */
function causeText(cause: unknown): string {
  let inner = cause;
  for (let depth = 0; depth < 5 && inner instanceof Error && inner.cause instanceof Error; depth++) inner = inner.cause;
  return inner instanceof Error ? inner.message : String(inner);
}
