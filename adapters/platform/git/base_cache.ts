/** Objects that deltas were applied to lately, since most of a pack's deltas have their base in common with a neighbour. */
import type { Oid } from "../../../src/ports/git.ts";
import type { GitObject } from "./objects.ts";

/** Bound on what is kept beside the last one, bytes. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

export class BaseCache {
  /** Used last at the end; by number in the store, or by id elsewhere. */
  readonly #kept = new Map<number | Oid, GitObject>();
  #sizeBytes = 0;

  get(key: number | Oid): GitObject | undefined {
    const object = this.#kept.get(key);
    if (object === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, object);
    return object;
  }

  put(key: number | Oid, object: GitObject): void {
    if (this.#kept.has(key)) return;
    this.#kept.set(key, object);
    this.#sizeBytes += object.bytes.length;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#sizeBytes <= KEPT_BYTES_MAX || oldest === key) break;
      this.#kept.delete(oldest);
      this.#sizeBytes -= bytes.length;
    }
  }
}
