/**
 * Git's smart protocol over HTTP with Deno's fetch. Bounds every answer in size and time, reads credentials anew for each
 * request, keeps them on the configured origin, and sends a push exactly once.
 *
 * @see https://git-scm.com/docs/http-protocol
 */
import { RejectedError, SerinError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { authorizationOf, type GitAccess, type GitAccessSource, readAccess, redact } from "./access.ts";
import { HttpClients } from "./http_clients.ts";
import { statusError } from "./http_status.ts";
import { concatBytes } from "./pkt_line.ts";
import type { HttpAddress } from "./remote_address.ts";
import type { GitTransport, Service } from "./transport.ts";
import { Watchdog } from "./watchdog.ts";

export interface HttpTransportOptions {
  readonly address: HttpAddress;
  readonly access?: GitAccessSource;
  /** How long the server may be silent, before its answer and within it, milliseconds. */
  readonly timeoutMs: number;
  /** Bound on one answer, bytes. */
  readonly answerBytesMax: number;
  readonly clock: Clock;
}

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
  readonly #clients = new HttpClients();
  /** Where the repository answered after redirects; a redirected POST would become a GET. */
  #base: URL;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#base = options.address.url;
  }

  async advertise(service: Service, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    this.#base = this.#options.address.url;
    return await this.#call({ service, method: "GET", signal });
  }

  async exchange(service: Service, body: Uint8Array<ArrayBuffer>, signal?: AbortSignal) {
    return await this.#call({ service, method: "POST", body, signal });
  }

  close(): Promise<void> {
    this.#clients.close();
    return Promise.resolve();
  }

  async #call(call: Call): Promise<Uint8Array<ArrayBuffer>> {
    call.signal?.throwIfAborted();
    const { access } = this.#options;
    const first = await this.#attempt(call, false);
    // Credentials may have been rotated since they were read; fixed ones cannot have changed.
    const answer = first.status === 401 && typeof access === "function" ? await this.#attempt(call, true) : first;
    if (answer.status === 200) return answer.body;
    throw statusError({ ...answer, url: this.#shownUrl(), now: this.#options.clock.now() });
  }

  async #attempt(call: Call, refused: boolean) {
    const { signal } = call;
    const shown = this.#options.address.shown;
    const access = await readAccess(this.#options.access, { shown, signal, refused });
    const client = this.#clients.for(access, shown, call.service === "git-receive-pack" && call.method === "POST");
    const watch = new Watchdog(this.#options.clock, this.#options.timeoutMs, call.signal);
    try {
      const response = await fetch(this.#request(call, access), { client, signal: watch.signal });
      watch.progress();
      const limit = response.status === 200 ? this.#options.answerBytesMax : REFUSAL_BYTES_MAX;
      const body = await this.#read(response, limit, watch);
      if (response.status === 200) this.#acceptAnswer(call, response);
      const isText = response.headers.get("content-type")?.startsWith("text/plain") === true;
      const words = isText ? redact(new TextDecoder().decode(body), access) : "";
      return { status: response.status, headers: response.headers, body, words };
    } catch (cause) {
      call.signal?.throwIfAborted();
      if (cause instanceof SerinError) throw cause;
      const why = watch.expired ?? `no whole answer (${redact(causeText(cause), access)})`;
      throw new UnavailableError(`Cannot reach Git remote "${this.#shownUrl()}": ${why}`, {
        fix: "Check that the address is right and that the server can be reached from here.",
        cause,
      });
    } finally {
      watch.stop();
    }
  }

  #request(call: Call, { auth }: GitAccess): Request {
    const { service, method } = call;
    const headers = new Headers({
      accept: `application/x-${service}-${method === "GET" ? "advertisement" : "result"}`,
    });
    headers.set("user-agent", "serin/1 (git)");
    if (service === "git-upload-pack") headers.set("git-protocol", "version=2");
    // Another origin never sees the credentials; fetch itself drops them when it follows a redirect.
    if (auth !== undefined && mayHaveCredentials(this.#options.address.url, this.#base)) {
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
    if (this.#options.address.url.protocol === "https:" && landed.protocol !== "https:") {
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
    return this.#options.address.shown;
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
