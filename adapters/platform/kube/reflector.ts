/**
 * Keeps an `ObjectStore` like the server's: lists in pages, then watches from the list's version, and resumes from the
 * last version seen however a watch ends. It lists again only when the server has forgotten that version.
 */
import { at, type Json, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { RejectedError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { WatchScope } from "../../../src/ports/cluster.ts";
import { linkAbort } from "./abort.ts";
import { collectionPath, type ServedKind } from "./discovery.ts";
import type { KubeClient, KubeRequest } from "./request.ts";
import { errorFromWatchEvent, ExpiredError, TooLargeError } from "./status_errors.ts";
import { compareVersions, type ListFacts, type ObjectStore, parseObject } from "./store.ts";

/** Objects a page; fewer where a page of that many is larger than an answer may be. */
const PAGE_OBJECTS = 500;
/** More than an agent can hold, and more than one cluster has: a server that pages in circles. */
const OBJECTS_MAX = 1_000_000;
/** The server ends a watch after this many seconds; spread, so that not all watches are opened anew at once. */
const WATCH_SECONDS_MIN = 60;
const WATCH_SECONDS_MAX = 120;
/** A watch that the server did not end by then has lost its connection. */
const WATCH_GRACE_MS = 10_000;
/** A watch that lived this long, or brought an event, was not a failure. */
const WATCH_PROVEN_MS = 5_000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 30_000;

/** How a watch is doing, for metrics and readiness. */
export interface ReflectorStatus {
  readonly scope: WatchScope;
  readonly synced: boolean;
  readonly objects: number;
  /** Lists after the first one. */
  readonly relists: number;
  /** Watches opened after the first one. */
  readonly reconnects: number;
  /** Epoch milliseconds of the last event or bookmark; undefined before the first. */
  readonly lastEventAt: number | undefined;
  /** Why the last attempt failed, until a list, an event or a bookmark arrives. */
  readonly lastError: Error | undefined;
}

export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly scope: WatchScope;
  readonly find: (signal: AbortSignal) => Promise<ServedKind>;
  readonly store: ObjectStore;
}

/** One list-and-watch loop. It starts at once and runs until `stop`, or until its very first list is refused. */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #isSynced = false;
  #lists = 0;
  #watches = 0;
  #lastEventAt: number | undefined;
  #lastError: Error | undefined;
  /** Where the next watch begins; undefined when a list is needed first. */
  #resumeFrom: string | undefined;
  /** The highest version seen, to notice a server that went back in time. */
  #lastSeen = "";
  #proven = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    // Whoever waits sees the rejection; nobody may be waiting.
    this.#synced.promise.catch(() => undefined);
    this.#running = this.#run();
  }

  /**
   * Resolves when the first list is in the store; outages only delay it.
   *
   * @throws {RejectedError} the server refuses the first list, or does not serve the kind; the loop has ended then
   */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  status(): ReflectorStatus {
    return {
      scope: this.#options.scope,
      synced: this.#isSynced,
      objects: this.#options.store.size,
      relists: Math.max(0, this.#lists - 1),
      reconnects: Math.max(0, this.#watches - 1),
      lastEventAt: this.#lastEventAt,
      lastError: this.#lastError,
    };
  }

  /** Ends the loop and waits for it; a `synced` that is still pending rejects. */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("The watch was stopped", "AbortError"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      let waitMs = 0;
      try {
        this.#proven = false;
        const served = await this.#options.find(this.#stop.signal);
        if (this.#resumeFrom === undefined) await this.#list(served);
        await this.#watch(served);
        // An end in good order is resumed at once; a server that only ever hangs up is not.
        failures = this.#proven ? 0 : failures + 1;
        if (failures > 1) waitMs = backoffMs(failures - 1, clock);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (!this.#isSynced && error instanceof RejectedError) {
          this.#synced.reject(error);
          return;
        }
        this.#lastError = error instanceof Error ? error : new Error(String(error));
        // A kind that is gone for a while may come back with other objects: what was seen of it proves nothing.
        if (error instanceof ExpiredError || error instanceof RejectedError) this.#resumeFrom = undefined;
        failures = this.#proven ? 1 : failures + 1;
        const wishMs = error instanceof UnavailableError ? error.retryAfterMs ?? 0 : 0;
        waitMs = Math.min(BACKOFF_MS_MAX, Math.max(wishMs, backoffMs(failures, clock)));
      }
      // Rejects only when stopped, and then the loop ends.
      if (waitMs > 0) await clock.sleep(waitMs, this.#stop.signal).catch(() => undefined);
    }
    this.#synced.reject(this.#stop.signal.reason);
  }

  /** A page is filed before the next one is asked for: what was listed is never held spread out as a whole. */
  async #list(served: ServedKind): Promise<void> {
    const { store } = this.#options;
    const listed = new Set<string>();
    let continueAt = "";
    let list: ListFacts;
    do {
      const page = await this.#page(served, continueAt);
      this.#stop.signal.throwIfAborted();
      const resourceVersion = stringAt(page, "metadata", "resourceVersion") ?? "";
      if (resourceVersion === "") {
        throw new UnavailableError(`Cannot list ${served.resource}: the answer has no resourceVersion`);
      }
      list = { resourceVersion, startOver: compareVersions(resourceVersion, this.#lastSeen) === -1 };
      const objects = listAt(page, "items").flatMap((item) => parseObject(item, served) ?? []);
      for (const key of store.takeListed(objects, list)) listed.add(key);
      const next = stringAt(page, "metadata", "continue") ?? "";
      if ((next !== "" && next === continueAt) || listed.size > OBJECTS_MAX) {
        throw new UnavailableError(`Cannot list ${served.resource}: the list does not end`, {
          data: { objects: listed.size },
        });
      }
      continueAt = next;
    } while (continueAt !== "");

    store.keepOnly(listed, list);
    this.#lists++;
    this.#resumeFrom = list.resourceVersion;
    this.#lastSeen = list.resourceVersion;
    this.#lastError = undefined;
    this.#isSynced = true;
    this.#synced.resolve();
  }

  /** One page; of fewer objects where it is longer than an answer may be. */
  async #page(served: ServedKind, continueAt: string): Promise<Json> {
    for (let limit = PAGE_OBJECTS;; limit = Math.ceil(limit / 4)) {
      const query = { limit: String(limit), ...(continueAt === "" ? {} : { continue: continueAt }) };
      try {
        return await this.#options.client.send(this.#request("list", served, query));
      } catch (error) {
        if (!(error instanceof TooLargeError) || limit === 1) throw error;
      }
    }
  }

  async #watch(served: ServedKind): Promise<void> {
    const { client, clock } = this.#options;
    const seconds = WATCH_SECONDS_MIN + Math.floor(clock.random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN + 1));
    const link = linkAbort(this.#stop.signal);
    const ended = new AbortController();
    const late = () => link.abort(new UnavailableError(`Cannot watch ${served.resource}: nothing ended it in time`));
    clock.sleep(seconds * 1000 + WATCH_GRACE_MS, ended.signal).then(late, () => undefined);
    const openedAtMs = clock.monotonic();
    this.#watches++;
    try {
      const query = {
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: this.#resumeFrom ?? "",
        timeoutSeconds: String(seconds),
      };
      const request = this.#request("watch", served, query, link.signal);
      for await (const line of client.lines(request)) this.#take(parseEvent(served, line), request, served);
    } finally {
      ended.abort();
      link.unlink();
      if (clock.monotonic() - openedAtMs >= WATCH_PROVEN_MS) this.#proven = true;
    }
  }

  #take(event: WatchEvent, request: KubeRequest, served: ServedKind): void {
    if (event.type === "ERROR") throw errorFromWatchEvent(request, event.object);
    const object = parseObject(event.object, served);
    const version = stringAt(event.object, "metadata", "resourceVersion");
    if (object !== undefined) {
      if (event.type === "DELETED") this.#options.store.remove(object);
      else if (event.type !== "BOOKMARK") this.#options.store.upsert(object);
    }
    if (version !== undefined) {
      this.#resumeFrom = version;
      this.#lastSeen = version;
      this.#options.store.told(version);
    }
    this.#proven = true;
    this.#lastError = undefined;
    this.#lastEventAt = this.#options.clock.now();
  }

  #request(
    verb: "list" | "watch",
    served: ServedKind,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal = this.#stop.signal,
  ): KubeRequest {
    const { namespace, labelSelector } = this.#options.scope;
    return {
      verb,
      resource: served.resource,
      ...(namespace === undefined ? {} : { namespace }),
      path: collectionPath(served, namespace),
      query: { ...query, ...(labelSelector === undefined ? {} : { labelSelector }) },
      signal,
    };
  }
}

interface WatchEvent {
  readonly type: string;
  readonly object: Json;
}

function parseEvent(served: ServedKind, line: string): WatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new UnavailableError(`Cannot watch ${served.resource}: a line is not JSON`, { cause });
  }
  return { type: stringAt(event, "type") ?? "", object: at(event, "object") ?? null };
}

/** Exponential with jitter: half of it at least, so that a server that is coming up is not met by all at once. */
function backoffMs(failures: number, clock: Clock): number {
  const fullMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(failures - 1, 10));
  return fullMs * (0.5 + clock.random() / 2);
}
