/**
 * WATCH: what happened since a version, then what happens, one JSON line an event. Selectors turn changes into the
 * events a client of that selection must see. Bookmarks come as the real server sends them: after initial events, once
 * a minute and before the end, and only when there is something new to mark.
 */
import type { Clock } from "../../ports/clock.ts";
import type { JsonObject } from "../../core/kube_object.ts";
import { groupVersion, type Kind, kindId } from "./kinds.ts";
import { readVersion, type Selects, selectsOf } from "./listing.ts";
import { served } from "./request_context.ts";
import { expired, invalid, StatusError } from "./status_error.ts";
import type { Change, ObjectStore } from "./store.ts";

/** Ends the watch: cleanly, or as a broken connection. */
export interface OpenWatch {
  readonly path: string;
  readonly close: () => void;
  readonly cut: () => void;
}

export interface WatchOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Cuts the connection after so many events. */
  readonly cutAfterEvents: number | undefined;
  /** Watches that are open, for cutting and for stopping the server. */
  readonly open: Set<OpenWatch>;
}

const bookmarkEveryMs = 60_000;
const defaultTimeoutSeconds = 1800;

/** Reads the version to start from. Throws 500 on one that is no number, as the real server does. */
function startVersion(query: URLSearchParams): number | undefined {
  try {
    return readVersion(query);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new StatusError(500, "", error.message.replace("invalid resource version: ", ""));
  }
}

/** Initial events want to know how old they may be. */
function refuseUnmatched(query: URLSearchParams): void {
  if (query.get("sendInitialEvents") !== "true" || query.get("resourceVersionMatch") === "NotOlderThan") return;
  const detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
  const subject = { group: "meta.k8s.io", plural: "", kind: "ListOptions", name: "" };
  throw invalid(subject, [{ type: "Forbidden", field: "resourceVersionMatch", detail }]);
}

/** Opens a watch. */
export function watchStream(options: WatchOptions): ReadableStream<Uint8Array> {
  refuseUnmatched(options.query);
  const asked = startVersion(options.query);
  const selects = selectsOf(options.query, options.kind);
  let session: Session | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      session = new Session(options, selects, asked ?? 0, controller);
      session.begin(asked);
    },
    cancel() {
      session?.abandon();
    },
  });
}

/** One open watch. */
class Session implements OpenWatch {
  readonly path: string;
  readonly #options: WatchOptions;
  readonly #selects: Selects;
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #ended = new AbortController();
  #unlisten: () => void = () => {};
  #sent = 0;
  /** The newest version of this kind that was seen, and the newest that a bookmark told. */
  #seen: number;
  #marked: number;

  constructor(
    options: WatchOptions,
    selects: Selects,
    from: number,
    controller: ReadableStreamDefaultController<Uint8Array>,
  ) {
    this.path = options.path;
    this.#options = options;
    this.#selects = selects;
    this.#controller = controller;
    this.#seen = from;
    this.#marked = from;
    options.open.add(this);
  }

  begin(asked: number | undefined): void {
    const { query, store, clock, kind } = this.#options;
    const fromNow = asked === undefined || asked === 0 || query.get("sendInitialEvents") === "true";
    const missed = fromNow ? [] : store.changesSince(kindId(kind), asked);
    if (missed === undefined) {
      this.#send("ERROR", expired(`too old resource version: ${asked ?? 0} (${store.compacted})`).body());
      return this.close();
    }
    if (fromNow) this.#sendPresent();
    for (const change of missed) this.#onChange(change);
    if (this.#ended.signal.aborted) return;
    this.#unlisten = store.listen((change) => this.#onChange(change));
    const timeoutMs = Number(query.get("timeoutSeconds") ?? defaultTimeoutSeconds) * 1000;
    pace(clock, timeoutMs, this.#ended.signal, () => this.#mark()).then(() => {
      this.#mark();
      this.close();
    }, () => {});
  }

  close(): void {
    if (this.abandon()) this.#controller.close();
  }

  cut(): void {
    if (this.abandon()) this.#controller.error(new Error("The watch was cut"));
  }

  /** Stops listening; false when that was done before. */
  abandon(): boolean {
    if (this.#ended.signal.aborted) return false;
    this.#ended.abort();
    this.#unlisten();
    this.#options.open.delete(this);
    return true;
  }

  #sendPresent(): void {
    const { store, kind, version, namespace, query } = this.#options;
    for (const object of store.list(kindId(kind), namespace)) {
      if (this.#selects(object)) this.#send("ADDED", served(object, kind, version));
    }
    this.#seen = store.resourceVersion;
    if (query.get("allowWatchBookmarks") === "true") this.#bookmark({ "k8s.io/initial-events-end": "true" });
    this.#marked = this.#seen;
  }

  #onChange(change: Change): void {
    const { kind, version, namespace } = this.#options;
    if (change.kind !== kindId(kind)) return;
    this.#seen = change.resourceVersion;
    const event = eventFor(change, this.#selects, namespace);
    if (event !== undefined) this.#send(event, served(change.object, kind, version));
  }

  /** A bookmark, where the client wants them and there is something new to mark. */
  #mark(): void {
    if (this.#options.query.get("allowWatchBookmarks") === "true" && this.#seen > this.#marked) this.#bookmark();
  }

  #bookmark(annotations?: JsonObject): void {
    const { kind, version } = this.#options;
    this.#marked = this.#seen;
    const metadata = { resourceVersion: String(this.#seen), ...(annotations === undefined ? {} : { annotations }) };
    this.#send("BOOKMARK", { kind: kind.kind, apiVersion: groupVersion(kind, version), metadata });
  }

  #send(type: string, object: JsonObject): void {
    if (this.#ended.signal.aborted) return;
    this.#controller.enqueue(this.#encoder.encode(`${JSON.stringify({ type, object })}\n`));
    if (type !== "BOOKMARK" && ++this.#sent === this.#options.cutAfterEvents) this.cut();
  }
}

/** Calls `mark` once a minute until the time is up. Rejects when the watch ended before. */
async function pace(clock: Clock, timeoutMs: number, signal: AbortSignal, mark: () => void): Promise<void> {
  let left = timeoutMs;
  while (left > 0) {
    const step = Math.min(left, bookmarkEveryMs);
    await clock.sleep(step, signal);
    left -= step;
    if (left > 0) mark();
  }
}

/** What a change is to a client that sees only the selected objects; undefined for nothing. */
function eventFor(change: Change, selects: Selects, namespace: string | undefined): Change["type"] | undefined {
  const inScope = (object: JsonObject | undefined): boolean =>
    object !== undefined && (namespace === undefined || namespaceOf(object) === namespace) && selects(object);
  const was = inScope(change.before);
  const is = change.type !== "DELETED" && inScope(change.object);
  if (was && is) return "MODIFIED";
  if (is) return "ADDED";
  return was ? "DELETED" : undefined;
}

function namespaceOf(object: JsonObject): string | undefined {
  const metadata = object["metadata"];
  const namespace = typeof metadata === "object" && metadata !== null && "namespace" in metadata
    ? metadata["namespace"]
    : undefined;
  return typeof namespace === "string" ? namespace : undefined;
}
