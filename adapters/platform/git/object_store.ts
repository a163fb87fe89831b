/**
 * Git objects in memory, keyed by their SHA-1. Whoever adds to a store adds whole closures: a commit in a store comes with
 * its root tree, a tree with everything under it. Parents of commits are not part of that, since fetches are shallow.
 */
import { createHash } from "node:crypto";
import { packBytes, type Packed, unpackBytes } from "../../../src/core/packed.ts";
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

/** Objects by their ids: a map of them, or a store. */
export interface GitObjects extends ObjectSource, Iterable<readonly [Oid, GitObject]> {
  readonly size: number;
  has(oid: Oid): boolean;
  keys(): Iterable<Oid>;
  values(): Iterable<GitObject>;
}

/** An object at rest. */
interface Stored {
  readonly type: ObjectType;
  readonly packed: Packed;
  readonly sizeBytes: number;
}

export class ObjectStore implements GitObjects {
  readonly #objects = new Map<Oid, Stored>();
  #sizeBytes = 0;

  /** A copy each time: whoever writes into it changes nothing here. */
  get(oid: Oid): GitObject | undefined {
    const stored = this.#objects.get(oid);
    return stored === undefined ? undefined : { type: stored.type, bytes: unpackBytes(stored.packed) };
  }

  has(oid: Oid): boolean {
    return this.#objects.has(oid);
  }

  add(oid: Oid, object: GitObject): void {
    if (this.#objects.has(oid)) return;
    const { type, bytes } = object;
    this.#objects.set(oid, { type, packed: packBytes(bytes), sizeBytes: bytes.length });
    this.#sizeBytes += bytes.length;
  }

  /** Takes over objects that were checked to be a closure. */
  adopt(objects: GitObjects): void {
    for (const oid of objects.keys()) this.take(oid, objects);
  }

  /** Takes over one object; out of another store as it lies there. @returns whether it is there */
  take(oid: Oid, from: ObjectSource): boolean {
    if (this.#objects.has(oid)) return true;
    const stored = from instanceof ObjectStore ? from.#objects.get(oid) : undefined;
    if (stored === undefined) {
      const object = from.get(oid);
      if (object !== undefined) this.add(oid, object);
      return object !== undefined;
    }
    this.#objects.set(oid, stored);
    this.#sizeBytes += stored.sizeBytes;
    return true;
  }

  /** What an object is, without looking into it. */
  typeOf(oid: Oid): ObjectType | undefined {
    return this.#objects.get(oid)?.type;
  }

  keys(): Iterable<Oid> {
    return this.#objects.keys();
  }

  *values(): Generator<GitObject> {
    for (const [, object] of this) yield object;
  }

  *[Symbol.iterator](): Generator<readonly [Oid, GitObject]> {
    for (const oid of this.#objects.keys()) {
      const object = this.get(oid);
      if (object !== undefined) yield [oid, object];
    }
  }

  /** Forgets everything that is not in `keep`; returns how many objects went. */
  sweep(keep: ReadonlySet<Oid>): number {
    let gone = 0;
    for (const [oid, { sizeBytes }] of this.#objects) {
      if (keep.has(oid)) continue;
      this.#objects.delete(oid);
      this.#sizeBytes -= sizeBytes;
      gone++;
    }
    return gone;
  }

  /** How many objects are held. */
  get size(): number {
    return this.#objects.size;
  }

  /** Bytes of content as it was given, before it is packed. */
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
