/**
 * Packs: one pass that resolves every object once, and the writer for pushes. The reader takes nothing on trust: checksum,
 * object count, sizes and delta bases must all be right, or nothing of the pack is used. Chains of deltas are followed with
 * a stack, and whatever a server can make long yields to the event loop.
 *
 * @see https://git-scm.com/docs/gitformat-pack
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { Oid } from "../../../src/ports/git.ts";
import { BaseCache } from "./base_cache.ts";
import { applyDelta, deltaSizes } from "./delta.ts";
import { ObjectStore } from "./object_store.ts";
import { type GitObject, type ObjectSource, type ObjectType, oidOf } from "./objects.ts";
import { HEADER_BYTES, PackCursor, TRAILER_BYTES } from "./pack_cursor.ts";
import { AnswerFault, concatBytes } from "./pkt_line.ts";
import { Turns } from "./turns.ts";

const TYPE_NUMBERS = { commit: 1, tree: 2, blob: 3, tag: 4 } satisfies Record<ObjectType, number>;
const TYPES: readonly (ObjectType | undefined)[] = [undefined, "commit", "tree", "blob", "tag"];
/** Bytes of the pack that are hashed at once. */
const HASHED_BYTES = 1024 * 1024;
/** Shorter bases are found faster in the store. */
const CACHED_BYTES_MIN = 512;

export interface PackLimits {
  /** Bound on all objects together once inflated, bytes: a small pack can hold a large one. */
  readonly inflatedBytesMax: number;
}

/** A delta in the pack; it is inflated again when its base is there, so that waiting costs nothing. */
interface PendingDelta {
  readonly entry: number;
  readonly from: number;
  readonly sizeBytes: number;
}

/**
 * Reads a whole pack into a store.
 *
 * @param bases where the bases of a thin pack are looked up
 * @throws {AnswerFault} "broken", "too-large", or "incomplete" when the base of a delta is nowhere to be found
 */
export async function readPack(
  pack: Uint8Array<ArrayBuffer>,
  bases: ObjectSource,
  limits: PackLimits,
): Promise<ObjectStore> {
  const turns = new Turns();
  const reader = new PackReader(pack, bases, limits);
  await refuseWrongChecksum(pack, turns);
  for (let read = 0; read < reader.count; read++) {
    let bytes = reader.readNext();
    for (; bytes >= 0; bytes = reader.growNext()) if (turns.isDue(bytes)) await turns.next();
  }
  return reader.finish();
}

async function refuseWrongChecksum(pack: Uint8Array<ArrayBuffer>, turns: Turns): Promise<void> {
  const hash = createHash("sha1");
  const end = pack.length - TRAILER_BYTES;
  for (let at = 0; at < end; at += HASHED_BYTES) {
    hash.update(pack.subarray(at, Math.min(end, at + HASHED_BYTES)));
    if (turns.isDue(HASHED_BYTES)) await turns.next();
  }
  if (hash.digest("hex") === pack.subarray(end).toHex()) return;
  throw new AnswerFault("broken", "the pack does not have its checksum");
}

class PackReader {
  readonly #pack: Uint8Array<ArrayBuffer>;
  readonly #cursor: PackCursor;
  readonly #bases: ObjectSource;
  readonly #limits: PackLimits;
  readonly #store = new ObjectStore();
  readonly #cache = new BaseCache();
  /** Of each entry, in rising order, and the number of its object; -1 while its base is missing. */
  readonly #offsets: Float64Array;
  readonly #numbers: Int32Array;
  /** Deltas by what they wait for, an entry or an id, so that each is looked at once. */
  readonly #waiting = new Map<number | Oid, PendingDelta[]>();
  /** Deltas whose base is there now, with its number. */
  readonly #ready: { readonly pending: PendingDelta; readonly base: number }[] = [];
  #read = 0;
  #inflatedBytes = 0;
  #againBytes = 0;

  constructor(pack: Uint8Array<ArrayBuffer>, bases: ObjectSource, limits: PackLimits) {
    this.#pack = pack;
    this.#cursor = new PackCursor(pack);
    this.#bases = bases;
    this.#limits = limits;
    this.#offsets = new Float64Array(this.count);
    this.#numbers = new Int32Array(this.count).fill(-1);
    this.#store.reserve(this.count);
  }

  get count(): number {
    return this.#cursor.count;
  }

  /** Reads the next entry; returns how many bytes it made. */
  readNext(): number {
    const cursor = this.#cursor;
    const entry = this.#read++;
    this.#offsets[entry] = cursor.at;
    const { type, sizeBytes, base } = cursor.readHead();
    this.#spend(sizeBytes);
    const from = cursor.at;
    const bytes = cursor.inflate(sizeBytes);
    if (base !== undefined) return this.#readDelta({ entry, from, sizeBytes }, base, bytes);
    const plain = TYPES[type];
    if (plain === undefined) throw new AnswerFault("broken", `the pack holds an object of unknown type ${type}`);
    const object = { type: plain, bytes };
    const oid = oidOf(object);
    const number = this.#store.addDeflated(oid, object, { source: this.#pack, from, end: cursor.at });
    // Deltas mostly stand near their base, which would have to be inflated again for them.
    if (sizeBytes >= CACHED_BYTES_MIN) this.#cache.put(number, { type: plain, bytes: bytes.slice() });
    this.#settle(entry, oid, number);
    return sizeBytes;
  }

  /** Resolves one delta whose base has come; returns how many bytes it made, or -1 when there is none. */
  growNext(): number {
    const next = this.#ready.pop();
    if (next === undefined) return -1;
    const { pending: { entry, from, sizeBytes }, base } = next;
    const onwards = this.#cursor.at;
    this.#cursor.at = from;
    const delta = this.#cursor.inflate(sizeBytes);
    this.#cursor.at = onwards;
    return this.#grow(entry, delta, this.#baseAt(base), base);
  }

  finish(): ObjectStore {
    if (!this.#cursor.isAtEnd) {
      throw new AnswerFault("broken", "the pack holds more than the objects it announced");
    }
    if (this.#waiting.size > 0) {
      throw new AnswerFault("incomplete", `the pack lacks the base of ${this.#waiting.size} deltas`);
    }
    return this.#store;
  }

  #readDelta(pending: PendingDelta, base: number | Oid, delta: Uint8Array<ArrayBuffer>): number {
    const isOffset = typeof base === "number";
    const key = isOffset ? this.#entryAt(base) : base;
    const number = typeof key === "number" ? this.#numbers[key] ?? -1 : this.#store.find(key);
    if (number >= 0) return this.#grow(pending.entry, delta, this.#baseAt(number), number);
    const elsewhere = typeof key === "number" ? undefined : this.#baseElsewhere(key);
    if (elsewhere !== undefined) return this.#grow(pending.entry, delta, elsewhere, -1);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [pending]);
    else waiting.push(pending);
    return delta.length;
  }

  /** Which entry begins at an offset. */
  #entryAt(offset: number): number {
    let low = 0;
    let high = this.#read - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    if (this.#offsets[low] === offset) return low;
    throw new AnswerFault("broken", "a delta's base is no object of the pack");
  }

  #baseAt(number: number): GitObject {
    const cached = this.#cache.get(number);
    if (cached !== undefined) return cached;
    const object = { type: this.#store.typeAt(number), bytes: this.#store.look(number) };
    this.#readAgain(object);
    if (object.bytes.length >= CACHED_BYTES_MIN) this.#cache.put(number, object);
    return object;
  }

  #baseElsewhere(oid: Oid): GitObject | undefined {
    const cached = this.#cache.get(oid);
    if (cached !== undefined) return cached;
    const object = this.#bases.get(oid);
    if (object === undefined) return undefined;
    this.#readAgain(object);
    this.#cache.put(oid, object);
    return object;
  }

  /** @param base the number of the object that is grown from; -1 for one from elsewhere */
  #grow(entry: number, delta: Uint8Array<ArrayBuffer>, from: GitObject, base: number): number {
    const sizeBytes = deltaSizes(delta).result;
    this.#spend(sizeBytes);
    const object = { type: from.type, bytes: applyDelta(from.bytes, delta) };
    const oid = oidOf(object);
    const isOurs = base >= 0;
    this.#settle(
      entry,
      oid,
      isOurs ? this.#store.addGrown(oid, object, { base, delta }) : this.#store.add(oid, object),
    );
    return sizeBytes;
  }

  /** Notes an entry's object, and lets go on what waited for it. */
  #settle(entry: number, oid: Oid, number: number): void {
    this.#numbers[entry] = number;
    if (this.#waiting.size === 0) return;
    for (const key of [entry, oid]) {
      for (const pending of this.#waiting.get(key) ?? []) this.#ready.push({ pending, base: number });
      this.#waiting.delete(key);
    }
  }

  #spend(bytes: number): void {
    this.#inflatedBytes += bytes;
    if (this.#inflatedBytes > this.#limits.inflatedBytesMax) this.#refuseSize();
  }

  /** Few deltas of few bytes could make us read one large base again and again. */
  #readAgain({ bytes }: GitObject): void {
    this.#againBytes += bytes.length;
    if (this.#againBytes > this.#limits.inflatedBytesMax) this.#refuseSize();
  }

  #refuseSize(): void {
    throw new AnswerFault("too-large", `the pack holds more than ${this.#limits.inflatedBytesMax} bytes`);
  }
}

/** Makes a pack of whole objects, without deltas. */
export function writePack(objects: Iterable<GitObject>): Uint8Array<ArrayBuffer> {
  const list = [...objects];
  const header = Buffer.alloc(HEADER_BYTES);
  header.write("PACK", "latin1");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(list.length, 8);
  const parts: Uint8Array[] = [header];
  for (const object of list) parts.push(entryHeader(object), deflateSync(object.bytes));
  const body = concatBytes(parts);
  return concatBytes([body, createHash("sha1").update(body).digest()]);
}

function entryHeader(object: GitObject): Uint8Array {
  let rest = object.bytes.length;
  const bytes = [(TYPE_NUMBERS[object.type] << 4) | (rest & 15)];
  rest = Math.floor(rest / 16);
  while (rest > 0) {
    bytes.push((bytes.pop() ?? 0) | 0x80, rest & 0x7f);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from(bytes);
}
