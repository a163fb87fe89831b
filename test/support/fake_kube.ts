/**
 * A scripted API server on loopback for tests of the Kubernetes client: a small store with list, watch and writes, and
 * a script of faults. It speaks HTTP/1.1 on a raw socket, so that it can also hang up in the middle of a line. It is
 * no model of Kubernetes: where an answer's content matters, the test scripts it.
 */
import { isJsonObject, type Json, type KubeObject, listAt, stringAt } from "../../src/core/kube_object.ts";
import type { KubeEndpoint } from "../../adapters/platform/kube/config.ts";
import { parseObject } from "../../adapters/platform/kube/store.ts";
import type { Authority } from "./certificates.ts";
import { type HttpConnection, type RawRequest, readRequest, writeAnswer } from "./raw_http.ts";

export interface Seen extends RawRequest {
  /** Without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/** What a scripted request is met with. */
export type Fault =
  | {
    readonly type: "answer";
    readonly status: number;
    readonly body: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  }
  /** The head of an answer and half of a body, then the end of the connection. */
  | { readonly type: "cut" }
  /** The connection ends without an answer. */
  | { readonly type: "drop" }
  /** No answer until the test is over. */
  | { readonly type: "hang" }
  /** The request is carried out, its answer lost. */
  | { readonly type: "lose-answer" };

interface Script {
  readonly when: (request: Seen) => boolean;
  readonly fault: Fault;
  left: number;
}

interface OpenWatch {
  readonly connection: HttpConnection;
  readonly matches: (object: KubeObject) => boolean;
}

interface HistoryEntry {
  readonly version: number;
  readonly type: string;
  readonly object: KubeObject;
}

/** Served kinds: [apiVersion, plural, kind]; all namespaced but Node. */
const KINDS = [
  ["v1", "configmaps", "ConfigMap"],
  ["v1", "events", "Event"],
  ["v1", "nodes", "Node"],
  ["apps/v1", "deployments", "Deployment"],
  ["coordination.k8s.io/v1", "leases", "Lease"],
] as const;

export class FakeKube {
  readonly seen: Seen[] = [];
  readonly #listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>;
  readonly #scheme: string;
  readonly #objects = new Map<string, KubeObject>();
  readonly #scripts: Script[] = [];
  readonly #watches = new Set<OpenWatch>();
  readonly #connections = new Set<HttpConnection>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #serving: Promise<void>;
  readonly #kinds: (readonly [string, string, string])[] = [...KINDS];
  #history: readonly HistoryEntry[] = [];
  /** Watches from before this version are answered with 410. */
  #oldest = 0;
  #version = 100;
  /** Objects a page at most, whatever the client asks for. */
  pageMax = Infinity;
  /** When set, the only token that is let in. */
  token: string | undefined;

  constructor(authority?: Authority) {
    const address = { hostname: "127.0.0.1", port: 0 };
    if (authority === undefined) this.#listener = Deno.listen(address);
    else {
      const { certPem, keyPem } = authority.server();
      this.#listener = Deno.listenTls({ ...address, cert: certPem, key: keyPem });
    }
    this.#scheme = authority === undefined ? "http" : "https";
    this.#serving = this.#accept();
  }

  endpoint(more: Partial<KubeEndpoint> = {}): KubeEndpoint {
    const { addr } = this.#listener;
    const port = addr.transport === "tcp" ? addr.port : 0;
    return {
      baseUrl: `${this.#scheme}://127.0.0.1:${port}`,
      namespace: "serin",
      token: () => Promise.resolve(undefined),
      ...more,
    };
  }

  /** Writes an object as somebody else would, and tells the watches. */
  put(object: KubeObject): KubeObject {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    const stored = this.#stamp(object, before?.metadata.uid ?? crypto.randomUUID());
    this.#objects.set(key, stored);
    this.#tell(before === undefined ? "ADDED" : "MODIFIED", stored);
    return stored;
  }

  /** Deletes an object as somebody else would, and tells the watches. */
  delete(object: Pick<KubeObject, "kind" | "metadata">): void {
    const held = this.#objects.get(keyOf(object));
    if (held === undefined) return;
    this.#objects.delete(keyOf(object));
    this.#tell("DELETED", this.#stamp(held, held.metadata.uid ?? ""));
  }

  held(object: Pick<KubeObject, "kind" | "metadata">): KubeObject | undefined {
    return this.#objects.get(keyOf(object));
  }

  /** Meets the next requests of a kind with a fault. */
  script(when: (request: Seen) => boolean, fault: Fault, times = 1): void {
    this.#scripts.push({ when, fault, left: times });
  }

  /** Serves one kind more, as when a CRD is installed. */
  serve(apiVersion: string, plural: string, kind: string): void {
    this.#kinds.push([apiVersion, plural, kind]);
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Forgets the history: whoever asks for an older version gets 410. */
  compact(): void {
    this.#oldest = ++this.#version;
    this.#history = [];
  }

  /** Starts again from an old backup: versions go back. */
  rewind(version: number): void {
    this.#version = version;
    this.#oldest = 0;
    this.#history = [];
    this.#objects.clear();
  }

  /** Sends a line to every watch as it is. */
  async sendLine(line: string): Promise<void> {
    for (const { connection } of this.#watches) await connection.chunk(`${line}\n`);
  }

  async sendBookmark(): Promise<string> {
    const resourceVersion = String(++this.#version);
    const object = { kind: "Deployment", apiVersion: "apps/v1", metadata: { resourceVersion } };
    await this.sendLine(JSON.stringify({ type: "BOOKMARK", object }));
    return resourceVersion;
  }

  /** Ends all watches: in order, by hanging up, or by hanging up in the middle of a line. */
  async endWatches(how: "clean" | "hang-up" | "mid-line"): Promise<void> {
    for (const watch of [...this.#watches]) {
      this.#watches.delete(watch);
      if (how === "mid-line") await watch.connection.chunk('{"type":"MODIFIED","object":{"kind":"Depl');
      if (how === "clean") await watch.connection.end();
      watch.connection.close();
    }
  }

  async stop(): Promise<void> {
    this.#stopped.resolve();
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.#serving;
  }

  async #accept(): Promise<void> {
    const connections: Promise<void>[] = [];
    try {
      for await (const socket of this.#listener) connections.push(this.#converse(socket));
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await Promise.all(connections);
  }

  async #converse(socket: Deno.TcpConn | Deno.TlsConn): Promise<void> {
    if ("setNoDelay" in socket) socket.setNoDelay();
    const connection = writeAnswer(socket);
    this.#connections.add(connection);
    try {
      for await (const raw of readRequest(socket)) {
        const url = new URL(raw.target, "http://fake");
        const seen: Seen = { ...raw, path: url.pathname, query: Object.fromEntries(url.searchParams) };
        this.seen.push(seen);
        if (!await this.#answer(seen, connection)) break;
      }
    } catch {
      // The client hung up; that is its right.
    } finally {
      for (const watch of this.#watches) if (watch.connection === connection) this.#watches.delete(watch);
      this.#connections.delete(connection);
      connection.close();
    }
  }

  /** Whether the connection goes on. */
  async #answer(seen: Seen, connection: HttpConnection): Promise<boolean> {
    const script = this.#scripts.find((one) => one.left > 0 && one.when(seen));
    if (script !== undefined) script.left--;
    switch (script?.fault.type) {
      case "answer":
        await connection.answer(script.fault.status, script.fault.body, script.fault.headers);
        return true;
      case "cut":
        await connection.cut();
        return false;
      case "drop":
        return false;
      case "hang":
        await this.#stopped.promise;
        return false;
      default:
    }
    if (this.token !== undefined && seen.headers["authorization"] !== `Bearer ${this.token}`) {
      await connection.answer(401, statusBody(401, "Unauthorized", "Unauthorized"));
      return true;
    }
    const [status, body] = this.#handle(seen);
    if (script?.fault.type === "lose-answer") return false;
    if (body === "watch") {
      await this.#openWatch(seen, connection);
      return true;
    }
    await connection.answer(status, body);
    return true;
  }

  #handle(seen: Seen): readonly [number, unknown] {
    if (seen.path === "/version") return [200, { gitVersion: "v1.36.0-fake" }];
    const path = /^\/(?:api|apis)\/(?<rest>.*)$/.exec(seen.path)?.groups?.["rest"] ?? "";
    const served = this.#kinds.filter(([apiVersion]) => path === apiVersion);
    if (served.length > 0) return [200, { kind: "APIResourceList", resources: served.map(resourceEntry) }];
    const kind = this.#kinds.find(([apiVersion, plural]) => splitPath(path, apiVersion)?.plural === plural);
    const parts = kind === undefined ? undefined : splitPath(path, kind[0]);
    if (kind === undefined || parts === undefined) return [404, "404 page not found\n"];
    return parts.name === undefined
      ? this.#collection(seen, kind, parts.namespace)
      : this.#single(seen, kind, parts.namespace, parts.name, parts.subresource);
  }

  #collection(seen: Seen, kind: readonly [string, string, string], namespace?: string): readonly [number, unknown] {
    if (seen.method === "POST") {
      const object = parseObject(seen.body, { apiVersion: kind[0], kind: kind[2] });
      if (object === undefined) return [400, statusBody(400, "BadRequest", "not an object")];
      if (this.#objects.has(keyOf(object))) return conflict(`${kind[1]} "${object.metadata.name}" already exists`);
      if (seen.query["dryRun"] === "All") return [201, object];
      return [201, this.put({ ...object, metadata: { ...object.metadata, ...(namespace ? { namespace } : {}) } })];
    }
    if (seen.query["watch"] === "true") {
      const from = Number(seen.query["resourceVersion"]);
      if (from < this.#oldest) return expired(from, this.#oldest);
      return [200, "watch"];
    }
    const all = [...this.#objects.values()].filter((object) => this.#matcher(seen, kind, namespace)(object));
    const start = Number(seen.query["continue"] ?? 0);
    const end = start + Math.min(Number(seen.query["limit"] ?? all.length), this.pageMax);
    const items = all.slice(start, end).map(({ kind: _kind, apiVersion: _version, ...item }) => item);
    const more = end < all.length ? { continue: String(end) } : {};
    return [200, { kind: `${kind[2]}List`, metadata: { resourceVersion: String(this.#version), ...more }, items }];
  }

  #single(
    seen: Seen,
    kind: readonly [string, string, string],
    namespace: string | undefined,
    name: string,
    subresource: string | undefined,
  ): readonly [number, unknown] {
    const key = keyOf({ kind: kind[2], metadata: { name, ...(namespace === undefined ? {} : { namespace }) } });
    const held = this.#objects.get(key);
    const sent = isJsonObject(seen.body) ? seen.body : {};
    const wanted = stringAt(sent, "metadata", "resourceVersion") ?? stringAt(sent, "preconditions", "resourceVersion");
    if (wanted !== undefined && wanted !== held?.metadata.resourceVersion) {
      return conflict(`Operation cannot be fulfilled on ${kind[1]} "${name}": the object has been modified`);
    }
    const isApply = seen.headers["content-type"] === "application/apply-patch+yaml";
    if (held === undefined && !isApply) return [404, statusBody(404, "NotFound", `${kind[1]} "${name}" not found`)];
    if (seen.method === "GET") return [200, held];
    if (seen.method === "DELETE" && held !== undefined) {
      if (listAt(sent, "dryRun").length === 0) this.delete(held);
      return [200, { kind: "Status", status: "Success", details: { name, uid: held.metadata.uid ?? "" } }];
    }
    const next = seen.method === "PUT" ? sent : merged(held ?? {}, sent);
    if (seen.query["dryRun"] === "All") return [200, next];
    const object = parseObject(next, { apiVersion: kind[0], kind: kind[2] });
    if (object === undefined) return [400, statusBody(400, "BadRequest", "not an object")];
    const stored = this.put(object);
    return [200, subresource === "scale" ? { kind: "Scale", metadata: stored.metadata, spec: sent["spec"] } : stored];
  }

  async #openWatch(seen: Seen, connection: HttpConnection): Promise<void> {
    const path = seen.path.replace(/^\/apis?\//, "");
    const kind = this.#kinds.find(([apiVersion, plural]) => splitPath(path, apiVersion)?.plural === plural);
    if (kind === undefined) return;
    const matches = this.#matcher(seen, kind, splitPath(path, kind[0])?.namespace);
    await connection.startChunks();
    const from = Number(seen.query["resourceVersion"]);
    // Queued in one go, so that no newer event gets in between.
    for (const { version, type, object } of this.#history) {
      if (version > from && matches(object)) {
        connection.chunk(`${JSON.stringify({ type, object })}\n`).catch(() => undefined);
      }
    }
    this.#watches.add({ connection, matches });
  }

  #matcher(seen: Seen, kind: readonly [string, string, string], namespace?: string): (object: KubeObject) => boolean {
    const [key, value] = (seen.query["labelSelector"] ?? "").split("=");
    return (object) =>
      object.kind === kind[2] && (namespace === undefined || object.metadata.namespace === namespace) &&
      (key === undefined || key === "" || object.metadata.labels?.[key] === value);
  }

  #stamp(object: KubeObject, uid: string): KubeObject {
    const resourceVersion = String(++this.#version);
    const managedFields = [{ manager: "fake", operation: "Update" }];
    return { ...object, metadata: { ...object.metadata, uid, resourceVersion, managedFields } };
  }

  #tell(type: string, object: KubeObject): void {
    this.#history = [...this.#history, { version: this.#version, type, object }];
    for (const { connection, matches } of this.#watches) {
      if (matches(object)) connection.chunk(`${JSON.stringify({ type, object })}\n`).catch(() => undefined);
    }
  }
}

/** A Status as servers send it. */
export function statusBody(code: number, reason: string, message: string, details: Json = {}): Json {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details };
}

function conflict(message: string): readonly [number, unknown] {
  return [409, statusBody(409, "Conflict", message)];
}

function expired(from: number, oldest: number): readonly [number, unknown] {
  return [410, statusBody(410, "Expired", `too old resource version: ${from} (${oldest})`)];
}

function keyOf({ kind, metadata }: Pick<KubeObject, "kind" | "metadata">): string {
  return `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}

function resourceEntry([, name, kind]: readonly [string, string, string]): Json {
  return { name, kind, namespaced: kind !== "Node", verbs: ["get", "list", "watch"] };
}

function splitPath(
  path: string,
  apiVersion: string,
): { plural: string; namespace?: string; name?: string; subresource?: string } | undefined {
  if (!path.startsWith(`${apiVersion}/`)) return undefined;
  const parts = path.slice(apiVersion.length + 1).split("/").map(decodeURIComponent);
  const namespace = parts[0] === "namespaces" ? parts[1] : undefined;
  const [plural, name, subresource] = namespace === undefined ? parts : parts.slice(2);
  return {
    plural: plural ?? "",
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function merged(base: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, unknown> = isJsonObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}
