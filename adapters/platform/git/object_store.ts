/**
 * Git objects in memory, keyed by their SHA-1. Whoever adds to a store adds whole closures: a commit in a store comes with
 * its root tree, a tree with everything under it. Parents of commits are not part of that, since fetches are shallow.
 */
import { createHash } from "node:crypto";
import type { Oid } from "../../../src/ports/git.ts";

export type ObjectType = "commit" | "tree" | "blob" | "tag";

/** An object without its header. */
export interface GitObject {
  readonly type: ObjectType;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Where objects are looked up. */
export interface ObjectSource {
  get(oid: Oid): GitObject | undefined;
}

/** The id of an object: SHA-1 over "type size NUL content", 40 lower-case hex digits. */
export function oidOf(object: GitObject): Oid {
  return createHash("sha1").update(`${object.type} ${object.bytes.length}\0`).update(object.bytes).digest("hex");
}

/** Whether a text is a full SHA-1 object id in lower-case hex. */
export function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

export class ObjectStore implements ObjectSource {
  readonly #objects = new Map<Oid, GitObject>();
  #sizeBytes = 0;

  get(oid: Oid): GitObject | undefined {
    return this.#objects.get(oid);
  }

  has(oid: Oid): boolean {
    return this.#objects.has(oid);
  }

  add(oid: Oid, object: GitObject): void {
    if (this.#objects.has(oid)) return;
    this.#objects.set(oid, object);
    this.#sizeBytes += object.bytes.length;
  }

  /** Takes over objects that were checked to be a closure. */
  adopt(objects: ReadonlyMap<Oid, GitObject>): void {
    for (const [oid, object] of objects) this.add(oid, object);
  }

  /** Forgets everything that is not in `keep`; returns how many objects went. */
  sweep(keep: ReadonlySet<Oid>): number {
    let gone = 0;
    for (const [oid, object] of this.#objects) {
      if (keep.has(oid)) continue;
      this.#objects.delete(oid);
      this.#sizeBytes -= object.bytes.length;
      gone++;
    }
    return gone;
  }

  /** How many objects are held. */
  get count(): number {
    return this.#objects.size;
  }

  /** Bytes of content, without what the runtime adds. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
}

/** New objects in front of a source that is left as it is, so a failed fetch or push leaves no trace. */
export class Overlay implements ObjectSource {
  readonly fresh = new Map<Oid, GitObject>();
  readonly #under: ObjectSource;

  constructor(under: ObjectSource) {
    this.#under = under;
  }

  get(oid: Oid): GitObject | undefined {
    return this.fresh.get(oid) ?? this.#under.get(oid);
  }

  /** Adds an object unless it is there already; returns its id. */
  put(object: GitObject): Oid {
    const oid = oidOf(object);
    if (this.get(oid) === undefined) this.fresh.set(oid, object);
    return oid;
  }
}
