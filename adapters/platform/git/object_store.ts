/**
 * Git objects in memory, keyed by their SHA-1. Whoever adds to a store adds whole closures: a commit in a store comes with
 * its root tree, a tree with everything under it. Parents of commits are not part of that, since fetches are shallow.
 *
 * An object lies as it takes least: short ones as they are, others deflated, as a pack brought them where one did, and
 * blobs that a pack brought as a delta of another blob as that delta. Nothing is an object of the engine's own, or fifty
 * thousand manifests would take several times their bytes.
 */
import { deflateSync } from "node:zlib";
import { BugError } from "../../../src/errors.ts";
import type { Oid } from "../../../src/ports/git.ts";
import { applyDelta } from "./delta.ts";
import { inflateInto } from "./inflate.ts";
import { inflateLong, LONG_BYTES } from "./inflate_long.ts";
import type { GitObject, GitObjects, ObjectType } from "./objects.ts";
import { NumberSet, OidIndex } from "./oid_index.ts";
import { Slabs } from "./slabs.ts";
import { Turns } from "./turns.ts";

const TYPES: readonly ObjectType[] = ["commit", "tree", "blob", "tag"];
const TYPE_NUMBERS = { commit: 0, tree: 1, blob: 2, tag: 3 } satisfies Record<ObjectType, number>;
/** How an object lies. */
const [PLAIN, DEFLATED, DELTA] = [0, 1, 2];
/** What is written of an object, a row each: where it lies, how long that is, its own size, the number of its base. */
const [SLAB, OFFSET, LENGTH, SIZE, BASE] = [0, 1, 2, 3, 4];
const COLUMNS = 5;
/** Shorter ones are not worth the time. */
const PLAIN_BYTES_MAX = 384;
/** Deltas upon deltas to be read for one object; four bits. */
const DEPTH_MAX = 15;
/** For a few KiB the first level packs nearly as well as the last, in half the time. */
const LEVEL = { level: 1 };

/** A stream of zlib as it arrived. */
export interface Deflated {
  readonly source: Uint8Array;
  readonly from: number;
  readonly end: number;
}

/** A delta and the number of what it is to be applied to. */
export interface DeltaOf {
  readonly base: number;
  readonly delta: Uint8Array<ArrayBuffer>;
}

/** Objects of a store, by their numbers there. */
export interface Chosen {
  readonly store: ObjectStore;
  readonly numbers: NumberSet;
}

interface Sized {
  readonly type: ObjectType;
  readonly size: number;
}

interface Lying extends Deflated {
  readonly form: number;
  readonly base?: number;
  readonly depth?: number;
}

export class ObjectStore implements GitObjects {
  #index = new OidIndex();
  #rows = new Uint32Array(0);
  /** Type, how it lies, and deltas upon deltas: two, two and four bits. */
  #kinds = new Uint8Array(0);
  #slabs = new Slabs();
  #sizeBytes = 0;

  /** A copy each time: whoever writes into it changes nothing here. */
  get(oid: Oid): GitObject | undefined {
    const number = this.#index.find(oid);
    return number < 0 ? undefined : this.read(number);
  }

  has(oid: Oid): boolean {
    return this.#index.find(oid) >= 0;
  }

  /** What an object is, without looking into it. */
  typeOf(oid: Oid): ObjectType | undefined {
    const number = this.#index.find(oid);
    return number < 0 ? undefined : this.typeAt(number);
  }

  /** The number of an object here, valid until it is swept; -1 when there is none. */
  find(oid: Oid): number {
    return this.#index.find(oid);
  }

  /** The same for an id of 20 bytes within others. */
  findBytes(bytes: Uint8Array, at: number): number {
    return this.#index.findBytes(bytes, at);
  }

  /** What `get` gives, by number. */
  read(number: number): GitObject {
    return { type: this.typeAt(number), bytes: this.#bytes(number) };
  }

  /** The bytes of an object for a look at them: not to be written into, and not to be kept. */
  look(number: number): Uint8Array<ArrayBuffer> {
    return this.#form(number) === PLAIN ? this.#lying(number) : this.#bytes(number);
  }

  typeAt(number: number): ObjectType {
    const type = TYPES[(this.#kinds[number] ?? 0) & 3];
    if (type === undefined) throw new BugError(`Cannot read object ${number}: it is not in the store`);
    return type;
  }

  oidAt(number: number): Oid {
    return this.#index.oidOf(number);
  }

  /** Makes room for so many at once. */
  reserve(count: number): void {
    this.#index.reserve(count);
    this.#grow(count);
  }

  /** Adds an object under its id, which the caller has made of it; returns its number. */
  add(oid: Oid, object: GitObject): number {
    const held = this.#index.find(oid);
    return held >= 0 ? held : this.#addWhole(oid, object);
  }

  /** The same for one that arrived deflated. */
  addDeflated(oid: Oid, object: GitObject, deflated: Deflated): number {
    const held = this.#index.find(oid);
    if (held >= 0) return held;
    const isWorth = deflated.end - deflated.from < object.bytes.length && object.bytes.length > PLAIN_BYTES_MAX;
    if (!isWorth) return this.#addWhole(oid, object);
    return this.#put(oid, sizeOf(object), { ...deflated, form: DEFLATED });
  }

  /** The same for one that arrived as a delta of something that is here. */
  addGrown(oid: Oid, object: GitObject, { base, delta }: DeltaOf): number {
    const held = this.#index.find(oid);
    if (held >= 0) return held;
    const depth = ((this.#kinds[base] ?? 0) >> 4) + 1;
    // Only of blobs can what is left for the sake of its deltas be kept: a tree comes with everything under it.
    const isWorth = object.type === "blob" && object.bytes.length > PLAIN_BYTES_MAX &&
      delta.length * 4 <= object.bytes.length && depth <= DEPTH_MAX;
    if (!isWorth) return this.#addWhole(oid, object);
    return this.#put(oid, sizeOf(object), { source: delta, from: 0, end: delta.length, form: DELTA, base, depth });
  }

  /** Takes over objects that were checked to be a closure; out of another store as they lie there. */
  async adopt({ store, numbers }: Chosen): Promise<void> {
    if (store === this) return;
    if (this.size === 0) return this.#moveIn(store, numbers);
    const turns = new Turns();
    for (const number of numbers) {
      this.#copy(store, number);
      if (turns.isDue(store.#cell(number, SIZE))) await turns.next();
    }
  }

  *keys(): Generator<Oid> {
    for (let number = 0; number < this.#index.end; number++) if (this.#index.holds(number)) yield this.oidAt(number);
  }

  *values(): Generator<GitObject> {
    for (const [, object] of this) yield object;
  }

  *[Symbol.iterator](): Generator<readonly [Oid, GitObject]> {
    for (let number = 0; number < this.#index.end; number++) {
      if (this.#index.holds(number)) yield [this.oidAt(number), this.read(number)];
    }
  }

  /** A set for numbers of this store. */
  marks(): NumberSet {
    return new NumberSet(this.#index.end);
  }

  /** Forgets everything that is neither in `keep` nor the base of a delta there; returns how many objects went. */
  sweep(keep: NumberSet): number {
    const kept = this.#withBases(keep);
    const before = this.size;
    for (let number = 0; number < this.#index.end; number++) {
      if (kept.has(number) || !this.#index.holds(number)) continue;
      this.#sizeBytes -= this.#cell(number, SIZE);
      const length = this.#cell(number, LENGTH);
      if (length > 0) this.#slabs.release(this.#cell(number, SLAB), length);
    }
    this.#index.retain((number) => kept.has(number));
    if (this.size < before) this.#moveTogether();
    return before - this.size;
  }

  /** How many objects are held. */
  get size(): number {
    return this.#index.size;
  }

  /** Bytes of content, as objects are given. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes that hold it, beside the index. */
  get heldBytes(): number {
    return this.#slabs.sizeBytes;
  }

  #cell(number: number, column: number): number {
    return this.#rows[number * COLUMNS + column] ?? 0;
  }

  #form(number: number): number {
    return (this.#kinds[number] ?? 0) >> 2 & 3;
  }

  #bytes(number: number): Uint8Array<ArrayBuffer> {
    if (this.#form(number) !== DELTA) return this.#whole(number);
    const chain: number[] = [];
    let at = number;
    for (; this.#form(at) === DELTA; at = this.#cell(at, BASE)) chain.push(at);
    let bytes = this.#whole(at);
    for (const next of chain.reverse()) bytes = applyDelta(bytes, this.#lying(next));
    return bytes;
  }

  #whole(number: number): Uint8Array<ArrayBuffer> {
    if (this.#form(number) === PLAIN) {
      const offset = this.#cell(number, OFFSET);
      return this.#slabs.bytes(this.#cell(number, SLAB)).slice(offset, offset + this.#cell(number, LENGTH));
    }
    const lying = this.#lying(number);
    const size = this.#cell(number, SIZE);
    if (size > LONG_BYTES) return inflateLong(lying, size).bytes;
    const bytes = new Uint8Array(size);
    inflateInto(bytes, bytes.length, lying, { from: 0, end: lying.length });
    return bytes;
  }

  #lying(number: number): Uint8Array<ArrayBuffer> {
    const offset = this.#cell(number, OFFSET);
    return this.#slabs.bytes(this.#cell(number, SLAB)).subarray(offset, offset + this.#cell(number, LENGTH));
  }

  #addWhole(oid: Oid, object: GitObject): number {
    const { bytes } = object;
    if (bytes.length > PLAIN_BYTES_MAX) {
      const { buffer, byteOffset, length } = deflateSync(bytes, LEVEL);
      const source = new Uint8Array(buffer, byteOffset, length);
      if (length < bytes.length) {
        return this.#put(oid, sizeOf(object), { source, from: 0, end: length, form: DEFLATED });
      }
    }
    return this.#put(oid, sizeOf(object), { source: bytes, from: 0, end: bytes.length, form: PLAIN });
  }

  #put(oid: Oid, { type, size }: Sized, how: Lying): number {
    const { source, from, end, form, base = 0, depth = 0 } = how;
    const number = this.#index.add(oid);
    if (number >= this.#kinds.length) this.#grow(Math.max(16, number + (number >> 2)));
    const place = end > from ? this.#slabs.put(source, from, end) : { slab: 0, offset: 0 };
    const row = number * COLUMNS;
    this.#rows[row + SLAB] = place.slab;
    this.#rows[row + OFFSET] = place.offset;
    this.#rows[row + LENGTH] = end - from;
    this.#rows[row + SIZE] = size;
    this.#rows[row + BASE] = base;
    this.#kinds[number] = TYPE_NUMBERS[type] | form << 2 | depth << 4;
    this.#sizeBytes += size;
    return number;
  }

  #grow(count: number): void {
    if (count <= this.#kinds.length) return;
    const rows = new Uint32Array(count * COLUMNS);
    rows.set(this.#rows);
    this.#rows = rows;
    const kinds = new Uint8Array(count);
    kinds.set(this.#kinds);
    this.#kinds = kinds;
  }

  #copy(from: ObjectStore, number: number): void {
    const oid = from.oidAt(number);
    if (this.has(oid)) return;
    const form = from.#form(number);
    const source = from.#lying(number);
    if (form !== DELTA) {
      const sized = { type: from.typeAt(number), size: from.#cell(number, SIZE) };
      this.#put(oid, sized, { source, from: 0, end: source.length, form });
      return;
    }
    const base = this.find(from.oidAt(from.#cell(number, BASE)));
    if (base < 0) this.#addWhole(oid, from.read(number));
    else this.addGrown(oid, from.read(number), { base, delta: source });
  }

  /** Takes all that another store has, which is left empty: nothing is copied, and nothing is there twice. */
  #moveIn(from: ObjectStore, numbers: NumberSet): void {
    if (numbers.size < from.size) from.sweep(numbers);
    [this.#index, from.#index] = [from.#index, new OidIndex()];
    [this.#rows, from.#rows] = [from.#rows, new Uint32Array(0)];
    [this.#kinds, from.#kinds] = [from.#kinds, new Uint8Array(0)];
    [this.#slabs, from.#slabs] = [from.#slabs, new Slabs()];
    [this.#sizeBytes, from.#sizeBytes] = [from.#sizeBytes, 0];
  }

  #withBases(keep: NumberSet): NumberSet {
    const kept = this.marks();
    for (const number of keep) {
      let at = number;
      while (kept.add(at) && this.#form(at) === DELTA) at = this.#cell(at, BASE);
    }
    return kept;
  }

  /** Moves what is left in slabs that are mostly unused, so that they go. */
  #moveTogether(): void {
    const sparse = this.#slabs.sparse();
    if (sparse.size === 0) return;
    for (let number = 0; number < this.#index.end; number++) {
      const slab = this.#cell(number, SLAB);
      const length = this.#cell(number, LENGTH);
      if (length === 0 || !sparse.has(slab) || !this.#index.holds(number)) continue;
      const offset = this.#cell(number, OFFSET);
      const place = this.#slabs.put(this.#slabs.bytes(slab), offset, offset + length);
      this.#rows.set([place.slab, place.offset], number * COLUMNS);
      this.#slabs.release(slab, length);
    }
  }
}

function sizeOf({ type, bytes }: GitObject): Sized {
  return { type, size: bytes.length };
}
