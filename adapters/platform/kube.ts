/**
 * The cluster as the agent sees it: reads from watch caches, writes as single requests under one field manager. Nothing
 * is retried here; what an error means for a canary is the shell's business.
 */
import type { CanaryId } from "../../src/core/canary.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectRef,
  refOf,
  stringAt,
} from "../../src/core/kube_object.ts";
import { UnavailableError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Cluster, WatchScope, WriteOptions } from "../../src/ports/cluster.ts";
import { Caches } from "./kube/caches.ts";
import type { KubeEndpoint } from "./kube/config.ts";
import { collectionPath, Discovery, objectPath, type ServedKind } from "./kube/discovery.ts";
import type { ReflectorStatus } from "./kube/reflector.ts";
import { KubeClient, type KubeRequest } from "./kube/request.ts";
import { NotFoundError } from "./kube/status_errors.ts";
import { type ChangeListener, parseObject } from "./kube/store.ts";

export interface OpenClusterOptions {
  readonly endpoint: KubeEndpoint;
  readonly clock: Clock;
  /** "serin" unless told otherwise. */
  readonly fieldManager?: string;
  /** Of single requests; 15 s unless told otherwise. */
  readonly requestTimeoutMs?: number;
}

const LIST_LIMIT = 500;
const LIST_PAGES_MAX = 40;

/** A `Cluster` with a life: it holds connections and watches until it is closed. */
export interface OpenCluster extends Cluster {
  /** Stops all watches, aborts all requests, closes all connections. */
  close(): Promise<void>;
  /** The server's version, such as "v1.36.0". */
  server(signal?: AbortSignal): Promise<{ readonly version: string }>;
  /** How each watch is doing. */
  watches(): readonly ReflectorStatus[];
}

/**
 * Opens a cluster; the first request goes out when something is asked of it.
 *
 * *Guarantees*: after a write, `get` returns what was written or something newer. A watch without a namespace covers
 * all; `get` and `all` answer from whichever watches cover what is asked.
 *
 * *Caveats*: a label-selected watch holds only what it selects: for all else of its kind and namespace `get` returns
 * undefined, which does not mean that it is not there. `scale` does not touch the cache, since its answer is no object.
 */
export function openCluster(options: OpenClusterOptions): OpenCluster {
  return new KubeCluster(options);
}

class KubeCluster implements OpenCluster {
  readonly #client: KubeClient;
  readonly #discovery: Discovery;
  readonly #caches: Caches;
  readonly #fieldManager: string;

  constructor(options: OpenClusterOptions) {
    const { endpoint, clock, requestTimeoutMs } = options;
    this.#client = new KubeClient(endpoint, requestTimeoutMs === undefined ? {} : { timeoutMs: requestTimeoutMs });
    this.#discovery = new Discovery(this.#client, clock);
    this.#caches = new Caches(this.#client, this.#discovery, clock);
    this.#fieldManager = options.fieldManager ?? "serin";
  }

  get requests(): ReadonlyMap<string, number> {
    return this.#client.requests;
  }

  watch(scope: WatchScope, signal?: AbortSignal): Promise<void> {
    return this.#caches.watch(scope, signal);
  }

  get(ref: ObjectRef): KubeObject | undefined {
    return this.#caches.get(ref);
  }

  all(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[] {
    return this.#caches.all(apiVersion, kind, namespace);
  }

  derived(apiVersion: string, kind: string, of?: CanaryId): Iterable<KubeObject> {
    return this.#caches.derived(apiVersion, kind, of);
  }

  onChange(listener: ChangeListener): void {
    this.#caches.onChange(listener);
  }

  watches(): readonly ReflectorStatus[] {
    return this.#caches.statuses();
  }

  async live(ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | undefined> {
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, signal);
    try {
      const request = { verb: "get" as const, ...named(served, ref), path: objectPath(served, ref), signal };
      const answer = await this.#client.send(request);
      const object = parseAnswer(served, request, answer);
      this.#caches.offer(object);
      // Caches hold none of them; who asks for one object may want to know who wrote what.
      const managedFields = listAt(answer, "metadata", "managedFields").filter(isJsonObject);
      return managedFields.length === 0 ? object : { ...object, metadata: { ...object.metadata, managedFields } };
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  async list(scope: WatchScope, signal?: AbortSignal): Promise<readonly KubeObject[]> {
    const { apiVersion, kind, namespace, labelSelector } = scope;
    const served = await this.#discovery.find(apiVersion, kind, signal);
    const found: KubeObject[] = [];
    for (let next = "", pages = 0; pages === 0 || next !== "";) {
      pages += 1;
      if (pages > LIST_PAGES_MAX) {
        throw new UnavailableError(`Cannot list ${served.resource}: more than ${LIST_PAGES_MAX} pages`);
      }
      const page = await this.#client.send({
        verb: "list",
        resource: served.resource,
        path: collectionPath(served, namespace),
        query: {
          limit: String(LIST_LIMIT),
          ...(labelSelector === undefined ? {} : { labelSelector }),
          ...(next === "" ? {} : { continue: next }),
        },
        signal,
      });
      for (const item of listAt(page, "items")) {
        const object = parseObject(item, served);
        if (object !== undefined) found.push(object);
      }
      next = stringAt(page, "metadata", "continue") ?? "";
    }
    return found;
  }

  async create(object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const ref = refOf(object);
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    // The path of the object itself is built only to check its name and namespace.
    objectPath(served, ref);
    return await this.#write(served, "create", ref, options, {
      path: collectionPath(served, ref.namespace),
      body: withoutServerFields(object, options),
    });
  }

  async apply(object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const ref = refOf(object);
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    const { status: _status, ...owned } = withoutServerFields(object, options);
    return await this.#write(served, "patch", ref, options, {
      path: objectPath(served, ref),
      // The type says YAML; JSON is YAML.
      contentType: "application/apply-patch+yaml",
      query: options.force === true ? { force: "true" } : {},
      body: owned,
    });
  }

  async patch(ref: ObjectRef, patch: JsonObject, options: WriteOptions = {}): Promise<KubeObject> {
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    return await this.#write(served, "patch", ref, options, {
      path: objectPath(served, ref),
      contentType: "application/merge-patch+json",
      body: withVersion(patch, options),
    });
  }

  async replace(object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const ref = refOf(object);
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    return await this.#write(served, "update", ref, options, {
      path: objectPath(served, ref),
      body: withoutServerFields(object, options),
    });
  }

  async scale(ref: ObjectRef, replicas: number, options: WriteOptions = {}): Promise<void> {
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    await this.#client.send({
      verb: "patch",
      ...named(served, ref),
      resource: `${served.resource}/scale`,
      path: `${objectPath(served, ref)}/scale`,
      contentType: "application/merge-patch+json",
      query: this.#writeQuery(options),
      body: withVersion({ spec: { replicas } }, options),
      signal: options.signal,
    });
  }

  async remove(ref: ObjectRef, options: WriteOptions = {}): Promise<void> {
    const served = await this.#discovery.find(ref.apiVersion, ref.kind, options.signal);
    const { resourceVersion } = options;
    let answer: Json;
    try {
      answer = await this.#client.send({
        verb: "delete",
        ...named(served, ref),
        path: objectPath(served, ref),
        body: {
          apiVersion: "v1",
          kind: "DeleteOptions",
          propagationPolicy: "Background",
          ...(resourceVersion === undefined ? {} : { preconditions: { resourceVersion } }),
          ...(options.dryRun === true ? { dryRun: ["All"] } : {}),
        },
        signal: options.signal,
      });
    } catch (error) {
      if (error instanceof NotFoundError) return;
      throw error;
    }
    if (options.dryRun === true) return;
    // A Status means gone; the object itself means that finalizers hold it.
    const uid = stringAt(answer, "details", "uid");
    const object = stringAt(answer, "kind") === "Status" ? undefined : parseObject(answer, served);
    if (object !== undefined) this.#caches.offer(object);
    else if (uid !== undefined) this.#caches.forget(ref, uid);
  }

  async server(signal?: AbortSignal): Promise<{ readonly version: string }> {
    const answer = await this.#client.send({ verb: "get", resource: "version", path: "/version", signal });
    return { version: stringAt(answer, "gitVersion") ?? "unknown" };
  }

  async close(): Promise<void> {
    await this.#caches.stop();
    this.#client.close();
  }

  async #write(
    served: ServedKind,
    verb: "create" | "patch" | "update",
    ref: ObjectRef,
    options: WriteOptions,
    rest: Pick<KubeRequest, "path" | "query" | "body" | "contentType">,
  ): Promise<KubeObject> {
    const query = { ...this.#writeQuery(options), ...rest.query };
    const request = { verb, ...named(served, ref), ...rest, query, signal: options.signal };
    if (options.dryRun === true) return parseAnswer(served, request, await this.#client.send(request));
    return await this.#store(served, request);
  }

  /** Sends, and files the object that comes back. */
  async #store(served: ServedKind, request: KubeRequest): Promise<KubeObject> {
    const object = parseAnswer(served, request, await this.#client.send(request));
    this.#caches.offer(object);
    return object;
  }

  #writeQuery(options: WriteOptions): Readonly<Record<string, string>> {
    return {
      fieldManager: this.#fieldManager,
      fieldValidation: "Strict",
      ...(options.dryRun === true ? { dryRun: "All" } : {}),
    };
  }
}

function named(served: ServedKind, ref: ObjectRef): { resource: string; name: string; namespace?: string } {
  const { name, namespace } = ref;
  return { resource: served.resource, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** The object as it may be sent: managedFields are the server's. Its resourceVersion is the caller's precondition. */
function withoutServerFields(object: KubeObject, options: WriteOptions): KubeObject {
  const { managedFields: _fields, ...metadata } = object.metadata;
  const { resourceVersion } = options;
  return { ...object, metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } };
}

function withVersion(patch: JsonObject, options: WriteOptions): JsonObject {
  const { resourceVersion } = options;
  if (resourceVersion === undefined) return patch;
  const metadata = patch["metadata"];
  return { ...patch, metadata: { ...(isJsonObject(metadata) ? metadata : {}), resourceVersion } };
}

function parseAnswer(served: ServedKind, request: KubeRequest, answer: Json): KubeObject {
  const object = parseObject(answer, served);
  if (object === undefined) {
    throw new UnavailableError(`Cannot ${request.verb} ${served.resource}: the answer is not an object`);
  }
  return object;
}
