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
import { expired, StatusError } from "./status_error.ts";
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

/** Opens a watch. */
export function watchStream(options: WatchOptions): ReadableStream<Uint8Array> {
  const { store, clock, kind, query, open } = options;
  const selects = selectsOf(query, kind);
  const asked = startVersion(query);
  const bookmarks = query.get("allowWatchBookmarks") === "true";
  const fromNow = asked === undefined || asked === 0 || query.get("sendInitialEvents") === "true";
  const timeoutMs = Number(query.get("timeoutSeconds") ?? defaultTimeoutSeconds) * 1000;
  const encoder = new TextEncoder();
  const ended = new AbortController();
  let sent = 0;
  let marked = asked ?? 0;
  let seen = marked;
  let stop = () => {};

  return new ReadableStream<Uint8Array>({
    start(controller) {
      const finish = (how: () => void) => {
        if (ended.signal.aborted) return;
        ended.abort();
        stop();
        how();
      };
      const handle: OpenWatch = {
        path: options.path,
        close: () => finish(() => controller.close()),
        cut: () => finish(() => controller.error(new Error("The watch was cut"))),
      };
      stop = () => open.delete(handle);
      open.add(handle);
      const send = (type: string, object: JsonObject) => {
        if (ended.signal.aborted) return;
        controller.enqueue(encoder.encode(`${JSON.stringify({ type, object })}\n`));
        if (type !== "BOOKMARK" && ++sent === options.cutAfterEvents) handle.cut();
      };
      const bookmark = (annotations?: JsonObject) => {
        const metadata = {
          resourceVersion: String(Math.max(seen, marked)),
          ...(annotations === undefined ? {} : { annotations }),
        };
        marked = Math.max(seen, marked);
        send("BOOKMARK", { kind: kind.kind, apiVersion: groupVersion(kind, options.version), metadata });
      };
      const onChange = (change: Change) => {
        if (change.kind !== kindId(kind)) return;
        seen = change.resourceVersion;
        const event = eventFor(change, selects, options.namespace);
        if (event !== undefined) send(event, served(change.object, kind, options.version));
      };
      if (fromNow) {
        for (const object of store.list(kindId(kind), options.namespace)) {
          if (selects(object)) send("ADDED", served(object, kind, options.version));
        }
        seen = store.resourceVersion;
        marked = seen;
        if (bookmarks) bookmark({ "k8s.io/initial-events-end": "true" });
      } else {
        const missed = store.changesSince(kindId(kind), asked);
        if (missed === undefined) {
          send("ERROR", expired(`too old resource version: ${asked} (${store.compacted})`).body());
          return handle.close();
        }
        for (const change of missed) onChange(change);
      }
      if (ended.signal.aborted) return;
      const unlisten = store.listen(onChange);
      stop = () => {
        unlisten();
        open.delete(handle);
      };
      const mark = () => {
        if (bookmarks && seen > marked) bookmark();
      };
      void pace(clock, timeoutMs, ended.signal, mark).then(() => {
        mark();
        handle.close();
      }, () => {});
    },
    cancel() {
      ended.abort();
      stop();
    },
  });
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
