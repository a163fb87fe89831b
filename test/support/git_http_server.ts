/**
 * Serves bare repositories over Git's smart HTTP on loopback by running stock git, and misbehaves on request. For tests
 * only: every exchange is recorded, and one fault at a time can be switched on.
 */
import { gitEnv } from "./git_repository.ts";

/** What the server does wrong. Each applies to exchanges for which `when` holds; without it, to all. */
export type GitFault =
  & { readonly when?: (exchange: GitExchange) => boolean }
  & (
    | {
      readonly type: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly text?: string;
    }
    /** The body ends after so many bytes, as if it were whole. */
    | { readonly type: "cut"; readonly bytes: number }
    /** The connection breaks after so many bytes of the body. */
    | { readonly type: "reset"; readonly bytes: number }
    | { readonly type: "hang" }
    /** The body comes byte by byte. */
    | { readonly type: "drip"; readonly everyMs: number }
    | { readonly type: "empty" }
    /** Another body than git's. */
    | {
      readonly type: "tamper";
      readonly change: (body: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
    }
    /** Git does its work, then something happens; "answer" decides whether its answer arrives. */
    | { readonly type: "after"; readonly run?: () => Promise<unknown>; readonly answer: "kept" | "lost" }
  );

export interface GitExchange {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | null;
  readonly request: Uint8Array<ArrayBuffer>;
}

export interface GitExchangeRecord extends GitExchange {
  /** Bytes of the answer's body. */
  readonly answerBytes: number;
}

export interface GitHttpServerOptions {
  /** The folder that holds the repositories; "/fleet.git" is served from "<root>/fleet.git". */
  readonly root: string;
  /** The Authorization header that is demanded; a function, so that it can be rotated. */
  readonly authorization?: () => string;
  /** Leaves protocol v2 out, as an old server does. */
  readonly protocolV2?: boolean;
  /** Serves https with this certificate, PEM. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string };
}

export class GitHttpServer {
  readonly records: GitExchangeRecord[] = [];
  fault: GitFault | undefined;
  /** How many requests have been left hanging so far. */
  hanging = 0;
  readonly #options: GitHttpServerOptions;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #closing = new AbortController();

  constructor(options: GitHttpServerOptions) {
    this.#options = options;
    const { tls } = options;
    this.#server = Deno.serve(
      {
        ...(tls === undefined ? {} : { cert: tls.certPem, key: tls.keyPem }),
        hostname: "127.0.0.1",
        port: 0,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      (request) => this.#handle(request),
    );
  }

  /** The address of a repository, "fleet.git". */
  url(repository: string): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://127.0.0.1:${this.#server.addr.port}/${repository}`;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const exchange = {
      method: request.method,
      path: url.pathname + url.search,
      authorization: request.headers.get("authorization"),
      request: await request.bytes(),
    };
    const demanded = this.#options.authorization?.();
    if (demanded !== undefined && exchange.authorization !== demanded) {
      this.records.push({ ...exchange, answerBytes: 0 });
      return new Response("no", { status: 401, headers: { "www-authenticate": "Basic" } });
    }
    const fault = this.fault?.when?.(exchange) === false ? undefined : this.fault;
    if (fault?.type === "status") {
      this.records.push({ ...exchange, answerBytes: 0 });
      return new Response(fault.text ?? null, {
        status: fault.status,
        headers: { "content-type": "text/plain", ...fault.headers },
      });
    }
    if (fault?.type === "hang") {
      this.hanging++;
      await untilAborted(this.#closing.signal);
    }
    const service = url.searchParams.get("service") ?? url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const isV2 = this.#options.protocolV2 !== false && request.headers.get("git-protocol") === "version=2";
    const folder = `${this.#options.root}${url.pathname.replace(/\/(info\/refs|git-(upload|receive)-pack)$/, "")}`;
    if (!await exists(folder)) return new Response("no such repository", { status: 404 });
    const body = await this.#spoil(await serve({ service, folder, isV2, exchange }), fault);
    const bytes = body instanceof Uint8Array ? body : body.bytes;
    this.records.push({ ...exchange, answerBytes: bytes.length });
    const kind = exchange.method === "GET" ? "advertisement" : "result";
    const sent = fault?.type === "drip"
      ? dripping(bytes, fault.everyMs)
      : body instanceof Uint8Array
      ? body
      : brokenStream(bytes);
    return new Response(sent, {
      headers: { "content-type": `application/x-${service}-${kind}`, "cache-control": "no-cache" },
    });
  }

  async #spoil(body: Uint8Array<ArrayBuffer>, fault: GitFault | undefined) {
    if (fault?.type === "empty") return new Uint8Array(0);
    if (fault?.type === "cut") return body.slice(0, fault.bytes);
    if (fault?.type === "reset") return { bytes: body.slice(0, fault.bytes) };
    if (fault?.type === "tamper") return await fault.change(body);
    if (fault?.type !== "after") return body;
    await fault.run?.();
    return fault.answer === "kept" ? body : { bytes: new Uint8Array(0) };
  }
}

/** Changes an upload-pack request only for exchanges that fetch a pack, not for those that list refs. */
export function isPackFetch(exchange: GitExchange): boolean {
  return exchange.method === "POST" && new TextDecoder().decode(exchange.request).includes("command=fetch");
}

/** Whether an exchange is the POST of a push. */
export function isPush(exchange: GitExchange): boolean {
  return exchange.method === "POST" && exchange.path.endsWith("/git-receive-pack");
}

async function serve(job: { service: string; folder: string; isV2: boolean; exchange: GitExchange }) {
  const isAdvertisement = job.exchange.method === "GET";
  const args = [
    job.service.slice("git-".length),
    "--stateless-rpc",
    ...(isAdvertisement ? ["--advertise-refs"] : []),
    job.folder,
  ];
  const child = new Deno.Command("git", {
    args,
    clearEnv: true,
    env: { ...gitEnv(), ...(job.isV2 ? { GIT_PROTOCOL: "version=2" } : {}) },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(job.exchange.request).then(() => writer.close()).catch(() => undefined);
  const [output] = await Promise.all([child.output(), written]);
  const line = `# service=${job.service}\n`;
  const head = isAdvertisement && !job.isV2 ? `${(line.length + 4).toString(16).padStart(4, "0")}${line}0000` : "";
  return new Uint8Array([...new TextEncoder().encode(head), ...output.stdout]);
}

function brokenStream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (!sent && bytes.length > 0) controller.enqueue(bytes);
      else controller.error(new Error("the connection breaks here"));
      sent = true;
    },
  });
}

function dripping(bytes: Uint8Array<ArrayBuffer>, everyMs: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    pull: (controller) =>
      new Promise((resolve) => {
        timer = setTimeout(() => {
          if (at < bytes.length) controller.enqueue(bytes.slice(at, ++at));
          else controller.close();
          resolve();
        }, everyMs);
      }),
    cancel: () => clearTimeout(timer),
  });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function exists(folder: string): Promise<boolean> {
  try {
    return (await Deno.stat(folder)).isDirectory;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}
