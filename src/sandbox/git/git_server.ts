/**
 * A Git server on loopback: smart HTTP over stock `git upload-pack` and `git receive-pack`, protocol versions 0 to 2,
 * bare repositories in one folder, and switches for what real servers do wrong.
 *
 * @see https://git-scm.com/docs/http-protocol
 */
import type { Clock } from "../../ports/clock.ts";
import { serveLoopback } from "../loopback_server.ts";
import { spawnGit } from "./git_process.ts";
import { refusalOf } from "./push_refusal.ts";
import {
  branchTip,
  commitFiles,
  type CommitOptions,
  type Files,
  initRepository,
  isRepository,
  readFile,
} from "./repository.ts";

export interface GitServerOptions {
  /** Folder that holds the repositories; git makes it. */
  readonly dir: string;
  /** Gives commits made here their time. */
  readonly clock: Clock;
  /** Wanted of every request when it is given. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** What goes wrong. All that is set applies, to requests of the service in `only` or to all. */
export interface GitFaults {
  readonly only?: "fetch" | "push";
  /** Answers with this status, and does nothing. 403 on pushes is what a read-only key gets. */
  readonly status?: number;
  /** Breaks the connection after so many bytes of an answer's body. */
  readonly cutAfterBytes?: number;
  /** Never answers; the client must give up. */
  readonly hang?: boolean;
  /** Takes pushes and refuses every ref, with this reason, as a hook or a protected branch does. */
  readonly refusePush?: string;
  /** Does what a push asks, and breaks the connection instead of saying so. */
  readonly loseAnswer?: boolean;
}

export interface GitServer {
  /** "http://127.0.0.1:PORT". */
  readonly url: string;
  /** Makes a bare repository with one commit of these files on "main" (none: empty). Returns the commit's id. */
  createRepository(name: string, files: Files): Promise<string | undefined>;
  /** Adds a commit as another writer would. Returns its id. */
  commit(name: string, files: Files, options?: Partial<CommitOptions>): Promise<string>;
  tip(name: string, branch?: string): Promise<string | undefined>;
  read(name: string, file: string, revision?: string): Promise<string | undefined>;
  /** Where a repository lies on disk. @throws {Error} the name leaves the folder */
  path(name: string): string;
  /** What a stock git clones. */
  urlOf(name: string): string;
  readonly faults: { readonly current: GitFaults; set(faults: GitFaults): void };
  /** Requests answered, by "GET /shop.git/info/refs" and the like: for benchmarks. */
  readonly requests: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

type Service = "git-upload-pack" | "git-receive-pack";

export function startGitServer(options: GitServerOptions): GitServer {
  const { dir, clock, auth } = options;
  const state: { faults: GitFaults } = { faults: {} };
  const end = new AbortController();
  const children = new Set<Promise<unknown>>();
  const requests = new Map<string, number>();
  const path = (name: string) => pathIn(dir, name);

  const server = serveLoopback(async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const counted = `${request.method} ${pathname}`;
    requests.set(counted, (requests.get(counted) ?? 0) + 1);
    if (auth !== undefined && request.headers.get("authorization") !== basic(auth)) {
      return refuse(401, "authentication required", { "www-authenticate": 'Basic realm="sandbox"' });
    }
    const asked = route(request.method, pathname, searchParams);
    if (asked === undefined) return refuse(404, "only smart HTTP is spoken here");
    const faults = faultsFor(asked.service, state.faults);
    if (faults.status !== undefined) return refuse(faults.status, "fault switched on");
    if (faults.hang === true) return await never(end.signal);
    const repository = path(asked.name);
    if (!await isRepository(repository)) return refuse(404, "Repository not found");
    const answer = asked.advertise
      ? await advertise(asked.service, repository, request, children)
      : await callService(asked.service, repository, request, { faults, children });
    return faults.cutAfterBytes === undefined ? answer : cut(answer, faults.cutAfterBytes);
  });

  const urlOf = (name: string) => `${server.url}/${name}.git`;
  return {
    url: server.url,
    urlOf,
    path,
    requests,
    async createRepository(name, files) {
      await initRepository(path(name));
      if (Object.keys(files).length === 0) return undefined;
      return await commitFiles(path(name), files, { message: "Initial commit", timeMs: clock.now() });
    },
    commit: (name, files, given = {}) => commitFiles(path(name), files, { timeMs: clock.now(), ...given }),
    tip: (name, branch = "main") => branchTip(path(name), branch),
    read: (name, file, revision) => readFile(path(name), file, revision),
    faults: {
      get current() {
        return state.faults;
      },
      set(faults) {
        state.faults = faults;
      },
    },
    async stop() {
      end.abort(new Error("the Git server was stopped"));
      await server.down();
      await Promise.all(children);
    },
  };
}

function pathIn(dir: string, name: string): string {
  const parts = name.split("/");
  if (!parts.every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part))) {
    throw new Error(`Cannot use the repository name ${JSON.stringify(name)}: it leaves the server's folder`);
  }
  return `${dir}/${name}.git`;
}

interface Asked {
  readonly name: string;
  readonly service: Service;
  readonly advertise: boolean;
}

function route(method: string, pathname: string, query: URLSearchParams): Asked | undefined {
  const found =
    /^\/((?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/
      .exec(pathname);
  const [, name, what] = found ?? [];
  if (name === undefined) return undefined;
  const service = what === "info/refs" ? query.get("service") : what;
  if (service !== "git-upload-pack" && service !== "git-receive-pack") return undefined;
  const advertise = what === "info/refs";
  return method === (advertise ? "GET" : "POST") ? { name, service, advertise } : undefined;
}

function faultsFor(service: Service, faults: GitFaults): GitFaults {
  const kind = service === "git-upload-pack" ? "fetch" : "push";
  return faults.only === undefined || faults.only === kind ? faults : {};
}

async function advertise(
  service: Service,
  repository: string,
  request: Request,
  children: Set<Promise<unknown>>,
): Promise<Response> {
  const protocol = request.headers.get("git-protocol") ?? undefined;
  const child = spawnGit([service.slice(4), "--stateless-rpc", "--advertise-refs", repository], protocol);
  const printed = collect(child, children);
  void child.stdin.close().catch(() => {});
  const banner = `# service=${service}\n`;
  const head = `${(banner.length + 4).toString(16).padStart(4, "0")}${banner}0000`;
  // Version 2 answers without the banner that older clients expect.
  const prefix = protocol?.includes("version=2") === true && service === "git-upload-pack" ? "" : head;
  return ok(`application/x-${service}-advertisement`, new Blob([prefix, await printed]));
}

async function callService(
  service: Service,
  repository: string,
  request: Request,
  { faults, children }: { readonly faults: GitFaults; readonly children: Set<Promise<unknown>> },
): Promise<Response> {
  const type = `application/x-${service}-result`;
  const gzip = request.headers.get("content-encoding") === "gzip";
  const raw = request.body ?? new Blob([]).stream();
  const body = gzip ? raw.pipeThrough(new DecompressionStream("gzip")) : raw;
  if (service === "git-receive-pack" && faults.refusePush !== undefined) {
    const sent = new Uint8Array(await new Response(body).arrayBuffer());
    return ok(type, refusalOf(sent, faults.refusePush));
  }
  const child = spawnGit(
    [service.slice(4), "--stateless-rpc", repository],
    request.headers.get("git-protocol") ?? undefined,
  );
  const printed = collect(child, children);
  await body.pipeTo(child.stdin).catch(() => {});
  const answer = await printed;
  return service === "git-receive-pack" && faults.loseAnswer === true ? cut(ok(type, "lost"), 0) : ok(type, answer);
}

/**
 * All that git prints, read to its end whatever becomes of the client: a pipe that nobody reads would outlive the server.
 */
function collect(child: Deno.ChildProcess, children: Set<Promise<unknown>>): Promise<ArrayBuffer> {
  const printed = new Response(child.stdout).arrayBuffer();
  const ended = Promise.allSettled([printed, child.status]).finally(() => children.delete(ended));
  children.add(ended);
  return printed;
}

/** Lets through so many bytes of a body, then breaks the connection. */
function cut(answer: Response, afterBytes: number): Response {
  let left = afterBytes;
  const body = answer.body?.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        if (chunk.byteLength <= left) {
          left -= chunk.byteLength;
          controller.enqueue(chunk);
          return;
        }
        if (left > 0) controller.enqueue(chunk.subarray(0, left));
        controller.error(new Error("cut by the fault switch"));
      },
    }),
  );
  return new Response(body ?? null, answer);
}

function ok(type: string, body: BodyInit): Response {
  return new Response(body, { headers: { "content-type": type, "cache-control": "no-cache" } });
}

function refuse(status: number, why: string, headers: Record<string, string> = {}): Response {
  return new Response(`${why}\n`, { status, headers: { "content-type": "text/plain", ...headers } });
}

function never(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve) => {
    const answer = () => resolve(refuse(503, "gave up"));
    if (signal.aborted) answer();
    else signal.addEventListener("abort", answer, { once: true });
  });
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
