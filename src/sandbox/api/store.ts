/**
 * The objects themselves, with one resourceVersion for all of them, the history that watches and paged lists read, and
 * listeners in this process. Knows no kinds beyond their id and no rules: `resource.ts` decides what may be written.
 */
import type { JsonObject } from "../../core/kube_object.ts";
import { objectAt, stringAt } from "../../core/kube_object.ts";
import { withMeta } from "./json_edit.ts";

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** As `kindId` writes it. */
  readonly kind: string;
  readonly resourceVersion: number;
  /** After the change; for a deletion the last state, stamped with the deletion's resourceVersion. */
  readonly object: JsonObject;
  readonly before: JsonObject | undefined;
}

/** Beyond this many changes the oldest are forgotten, as by compaction. */
const historyMax = 20_000;

export class ObjectStore {
  #resourceVersion = 1;
  /** Changes up to and with this version can no longer be replayed. */
  #compacted = 1;
  #history: Change[] = [];
  readonly #objects = new Map<string, Map<string, JsonObject>>();
  readonly #listeners = new Set<(change: Change) => void>();

  get resourceVersion(): number {
    return this.#resourceVersion;
  }

  get compacted(): number {
    return this.#compacted;
  }

  get(kind: string, namespace: string, name: string): JsonObject | undefined {
    return this.#objects.get(kind)?.get(`${namespace}/${name}`);
  }

  /** All objects of a kind in key order, or those of one namespace. */
  list(kind: string, namespace?: string): readonly JsonObject[] {
    const all = [...this.#objects.get(kind) ?? []].filter(([key]) =>
      namespace === undefined || key.startsWith(`${namespace}/`)
    );
    return all.sort(([a], [b]) => a < b ? -1 : 1).map(([, object]) => object);
  }

  /** The list as it was at an earlier version; undefined when that was compacted. */
  listAt(kind: string, namespace: string | undefined, version: number): readonly JsonObject[] | undefined {
    if (version < this.#compacted && version !== this.#resourceVersion) return undefined;
    const then = new Map(this.list(kind, namespace).map((object) => [keyOf(object), object] as const));
    for (let index = this.#history.length - 1; index >= 0; index--) {
      const change = this.#history[index];
      if (change === undefined || change.resourceVersion <= version) break;
      const key = keyOf(change.object);
      if (change.kind !== kind || (namespace !== undefined && !key.startsWith(`${namespace}/`))) continue;
      if (change.before === undefined) then.delete(key);
      else then.set(key, change.before);
    }
    return [...then].sort(([a], [b]) => a < b ? -1 : 1).map(([, object]) => object);
  }

  /** Changes of a kind after a version; undefined when they were compacted. */
  changesSince(kind: string, version: number): readonly Change[] | undefined {
    if (version < this.#compacted) return undefined;
    return this.#history.filter((change) => change.kind === kind && change.resourceVersion > version);
  }

  /** Stores an object under the next resourceVersion and tells the listeners. */
  put(kind: string, object: JsonObject): JsonObject {
    const of = this.#objects.get(kind) ?? new Map<string, JsonObject>();
    this.#objects.set(kind, of);
    const before = of.get(keyOf(object));
    const resourceVersion = ++this.#resourceVersion;
    const stored = withMeta(object, { resourceVersion: String(resourceVersion) });
    of.set(keyOf(stored), stored);
    this.#record({ type: before === undefined ? "ADDED" : "MODIFIED", kind, resourceVersion, object: stored, before });
    return stored;
  }

  /** Removes an object; its last state is what watchers see. */
  remove(kind: string, object: JsonObject): void {
    const before = this.#objects.get(kind)?.get(keyOf(object));
    if (before === undefined) return;
    this.#objects.get(kind)?.delete(keyOf(object));
    const resourceVersion = ++this.#resourceVersion;
    const last = withMeta(object, { resourceVersion: String(resourceVersion) });
    this.#record({ type: "DELETED", kind, resourceVersion, object: last, before });
  }

  /** Forgets the history: watches and pages from earlier versions are answered 410. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#resourceVersion;
  }

  /** Calls back after each change, in order; returns how to stop. Listeners must not throw. */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #record(change: Change): void {
    this.#history.push(change);
    if (this.#history.length > historyMax) {
      const dropped = this.#history.splice(0, historyMax / 10).at(-1);
      if (dropped !== undefined) this.#compacted = dropped.resourceVersion;
    }
    for (const listener of [...this.#listeners]) listener(change);
  }
}

function keyOf(object: JsonObject): string {
  const metadata = objectAt(object, "metadata");
  return `${stringAt(metadata, "namespace") ?? ""}/${stringAt(metadata, "name") ?? ""}`;
}
