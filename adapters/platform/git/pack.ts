/**
 * Packs: one pass that resolves every object once, and the writer for pushes. The reader takes nothing on trust: checksum,
 * object count, sizes and delta bases must all be right, or nothing of the pack is used.
 *
 * @see https://git-scm.com/docs/gitformat-pack
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { constants, deflateSync, inflateSync } from "node:zlib";
import { BugError } from "../../../src/errors.ts";
import type { Oid } from "../../../src/ports/git.ts";
import { applyDelta, deltaSizes } from "./delta.ts";
import {
  type GitObject,
  type GitObjects,
  type ObjectSource,
  ObjectStore,
  type ObjectType,
  oidOf,
} from "./object_store.ts";
import { AnswerFault, concatBytes } from "./pkt_line.ts";
import { Turns } from "./turns.ts";

const HEADER_BYTES = 12;
const TRAILER_BYTES = 20;
const OFFSET_DELTA = 6;
const REFERENCE_DELTA = 7;
const TYPE_NUMBERS = { commit: 1, tree: 2, blob: 3, tag: 4 } satisfies Record<ObjectType, number>;
const TYPES: ReadonlyMap<number, ObjectType> = new Map([[1, "commit"], [2, "tree"], [3, "blob"], [4, "tag"]]);

export interface PackLimits {
  /** Bound on all objects together once inflated, bytes: a small pack can hold a large one. */
  readonly inflatedBytesMax: number;
}

interface PendingDelta {
  readonly offset: number;
  readonly delta: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a whole pack into a map.
 *
 * @param bases where the bases of a thin pack are looked up
 * @throws {AnswerFault} "broken", "too-large", or "incomplete" when the base of a delta is nowhere to be found
 */
export async function readPack(
  pack: Uint8Array<ArrayBuffer>,
  bases: ObjectSource,
  limits: PackLimits,
): Promise<GitObjects> {
  const reader = new PackReader(pack, bases, limits);
  const turns = new Turns();
  for (let read = 0; read < reader.count; read++) {
    reader.readNext();
    await turns.taken(1);
  }
  return reader.finish();
}

class PackReader {
  readonly count: number;
  readonly #buffer: Buffer<ArrayBuffer>;
  readonly #bases: ObjectSource;
  readonly #limits: PackLimits;
  readonly #byOffset = new Map<number, Oid>();
  /** At rest: a pack's objects together take much more room than any few of them. */
  readonly #byOid = new ObjectStore();
  /** Deltas by what they wait for, an offset or an id, so that each is looked at once. */
  readonly #waiting = new Map<number | Oid, PendingDelta[]>();
  #at = HEADER_BYTES;
  #inflatedBytes = 0;

  constructor(pack: Uint8Array<ArrayBuffer>, bases: ObjectSource, limits: PackLimits) {
    this.#buffer = Buffer.from(pack.buffer, pack.byteOffset, pack.byteLength);
    this.#bases = bases;
    this.#limits = limits;
    if (pack.length < HEADER_BYTES + TRAILER_BYTES) throw new AnswerFault("broken", "the pack is too short");
    const isPack = this.#buffer.toString("latin1", 0, 4) === "PACK" && this.#buffer.readUInt32BE(4) === 2;
    if (!isPack) throw new AnswerFault("broken", "the pack is not of version 2");
    const body = this.#buffer.subarray(0, -TRAILER_BYTES);
    const checksum = this.#buffer.toString("hex", pack.length - TRAILER_BYTES);
    if (createHash("sha1").update(body).digest("hex") !== checksum) {
      throw new AnswerFault("broken", "the pack does not have its checksum");
    }
    this.count = this.#buffer.readUInt32BE(8);
  }

  readNext(): void {
    const offset = this.#at;
    const { type, size } = this.#readEntryHeader();
    const base = this.#readBase(type, offset);
    const bytes = this.#inflate(size);
    if (base === undefined) {
      const plain = TYPES.get(type);
      if (plain === undefined) throw new AnswerFault("broken", `the pack holds an object of unknown type ${type}`);
      this.#resolve(offset, { type: plain, bytes });
      return;
    }
    const found = this.#findBase(base);
    if (found !== undefined) return this.#resolve(offset, this.#grow(found, bytes));
    const waiting = this.#waiting.get(base);
    if (waiting === undefined) this.#waiting.set(base, [{ offset, delta: bytes }]);
    else waiting.push({ offset, delta: bytes });
  }

  finish(): GitObjects {
    if (this.#at !== this.#buffer.length - TRAILER_BYTES) {
      throw new AnswerFault("broken", "the pack holds more than the objects it announced");
    }
    if (this.#waiting.size > 0) {
      throw new AnswerFault("incomplete", `the pack lacks the base of ${this.#waiting.size} deltas`);
    }
    return this.#byOid;
  }

  #byte(): number {
    const byte = this.#buffer[this.#at++];
    if (byte === undefined || this.#at > this.#buffer.length - TRAILER_BYTES) {
      throw new AnswerFault("broken", "the pack ends inside an object");
    }
    return byte;
  }

  #readEntryHeader(): { readonly type: number; readonly size: number } {
    let byte = this.#byte();
    const type = (byte >> 4) & 7;
    let size = byte & 15;
    for (let shift = 4; (byte & 0x80) !== 0; shift += 7) {
      if (shift > 46) throw new AnswerFault("broken", "an object's size in the pack does not end");
      byte = this.#byte();
      size += (byte & 0x7f) * 2 ** shift;
    }
    return { type, size };
  }

  #readBase(type: number, offset: number): number | Oid | undefined {
    if (type === REFERENCE_DELTA) {
      const oid = this.#buffer.toString("hex", this.#at, this.#at + 20);
      this.#at += 20;
      return oid;
    }
    if (type !== OFFSET_DELTA) return undefined;
    let byte = this.#byte();
    let distance = byte & 0x7f;
    while ((byte & 0x80) !== 0) {
      byte = this.#byte();
      distance = (distance + 1) * 128 + (byte & 0x7f);
    }
    if (distance === 0 || distance > offset) throw new AnswerFault("broken", "a delta's base lies outside the pack");
    return offset - distance;
  }

  #inflate(size: number): Uint8Array<ArrayBuffer> {
    this.#spend(size);
    // Deflate never grows data by more than a few bytes a block, so a window of this length holds the whole stream.
    const windowEnd = Math.min(this.#buffer.length - TRAILER_BYTES, this.#at + size + (size >> 3) + 4096);
    const { bytes, consumed } = inflateStream(this.#buffer.subarray(this.#at, windowEnd), size);
    if (bytes.length !== size) throw new AnswerFault("broken", "an object in the pack is shorter than announced");
    this.#at += consumed;
    return bytes;
  }

  #spend(bytes: number): void {
    this.#inflatedBytes += bytes;
    if (this.#inflatedBytes > this.#limits.inflatedBytesMax) {
      throw new AnswerFault("too-large", `the pack holds more than ${this.#limits.inflatedBytesMax} bytes`);
    }
  }

  #findBase(base: number | Oid): GitObject | undefined {
    const oid = typeof base === "number" ? this.#byOffset.get(base) : base;
    if (oid === undefined) return undefined;
    return this.#byOid.get(oid) ?? (typeof base === "number" ? undefined : this.#bases.get(oid));
  }

  #grow(base: GitObject, delta: Uint8Array): GitObject {
    this.#spend(deltaSizes(delta).result);
    return { type: base.type, bytes: applyDelta(base.bytes, delta) };
  }

  /** Files an object, then everything that waited for it; a stack, since chains may be long. */
  #resolve(offset: number, object: GitObject): void {
    const stack = [{ offset, object }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const base = next.object;
      const oid = oidOf(base);
      this.#byOffset.set(next.offset, oid);
      this.#byOid.add(oid, base);
      for (const key of [next.offset, oid]) {
        const children = this.#waiting.get(key) ?? [];
        this.#waiting.delete(key);
        for (const child of children) stack.push({ offset: child.offset, object: this.#grow(base, child.delta) });
      }
    }
  }
}

/** Inflates one stream off the front of `window`; `consumed` counts the compressed bytes, which a pack does not say. */
function inflateStream(window: Uint8Array, size: number) {
  let answer: unknown;
  try {
    // One byte more than announced, so that a longer stream is an error and not cut off.
    answer = inflateSync(window, {
      info: true,
      chunkSize: Math.max(64, size + 1),
      maxOutputLength: size + 1,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AnswerFault("broken", `an object in the pack cannot be inflated: ${why}`);
  }
  if (!isInflated(answer)) throw new BugError("Cannot read a pack: zlib does not say how much it consumed");
  const { buffer, byteOffset, length } = answer.buffer;
  // A plain array: on the Buffer that zlib returns, `slice` would share memory instead of copying.
  return { bytes: new Uint8Array(buffer, byteOffset, length), consumed: answer.engine.bytesWritten };
}

/** The shape of `inflateSync` with `info`, which its types leave out. */
interface Inflated {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly engine: { readonly bytesWritten: number };
}

function isInflated(value: unknown): value is Inflated {
  if (typeof value !== "object" || value === null || !("buffer" in value) || !("engine" in value)) return false;
  const { buffer, engine } = value;
  return buffer instanceof Uint8Array && typeof engine === "object" && engine !== null && "bytesWritten" in engine;
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
