/** Goes through the bytes of a pack, entry by entry: heads, bases and what is deflated. Knows nothing of objects. */
import { Buffer } from "node:buffer";
import type { Oid } from "../../../src/ports/git.ts";
import { inflateInto } from "./inflate.ts";
import { inflateLong, LONG_BYTES } from "./inflate_long.ts";
import { AnswerFault } from "./pkt_line.ts";

/** Bytes before the first entry. */
export const HEADER_BYTES = 12;
/** Bytes of the checksum behind the last. */
export const TRAILER_BYTES = 20;
/** The least that an entry takes: a byte of head, and a stream of zlib that holds nothing. */
const ENTRY_BYTES_MIN = 9;

const OFFSET_DELTA = 6;
const REFERENCE_DELTA = 7;

/** Short contents, one after the other, of whichever pack: nobody waits between inflating one and using it. */
const scratch = new Uint8Array(LONG_BYTES);

/** What stands before an entry's content: its type, size once inflated, and for a delta where its base is. */
export interface EntryHead {
  readonly type: number;
  readonly sizeBytes: number;
  /** An offset in this pack, or an id; undefined for what is no delta. */
  readonly base: number | Oid | undefined;
}

export class PackCursor {
  /** How many entries the pack announces; no more than it can hold. */
  readonly count: number;
  /** Where the next read begins. */
  at = HEADER_BYTES;
  readonly #buffer: Buffer<ArrayBuffer>;
  readonly #end: number;

  /** @throws {AnswerFault} "broken" when the bytes are no pack of version 2 */
  constructor(pack: Uint8Array<ArrayBuffer>) {
    this.#buffer = Buffer.from(pack.buffer, pack.byteOffset, pack.byteLength);
    this.#end = pack.length - TRAILER_BYTES;
    if (this.#end < HEADER_BYTES) throw new AnswerFault("broken", "the pack is too short");
    const isPack = this.#buffer.toString("latin1", 0, 4) === "PACK" && this.#buffer.readUInt32BE(4) === 2;
    if (!isPack) throw new AnswerFault("broken", "the pack is not of version 2");
    this.count = this.#buffer.readUInt32BE(8);
    if (this.count * ENTRY_BYTES_MIN > this.#end - HEADER_BYTES) {
      throw new AnswerFault("broken", `the pack announces ${this.count} objects, more than it can hold`);
    }
  }

  get isAtEnd(): boolean {
    return this.at === this.#end;
  }

  readHead(): EntryHead {
    const offset = this.at;
    let byte = this.#byte();
    const type = (byte >> 4) & 7;
    let sizeBytes = byte & 15;
    for (let shift = 4; (byte & 0x80) !== 0; shift += 7) {
      if (shift > 46) throw new AnswerFault("broken", "an object's size in the pack does not end");
      byte = this.#byte();
      sizeBytes += (byte & 0x7f) * 2 ** shift;
    }
    return { type, sizeBytes, base: this.#readBase(type, offset) };
  }

  #readBase(type: number, offset: number): number | Oid | undefined {
    if (type === REFERENCE_DELTA) {
      const oid = this.#buffer.toString("hex", this.at, this.at + 20);
      this.at += 20;
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

  /** What stands here, inflated; short ones are overwritten by the next. */
  inflate(sizeBytes: number): Uint8Array<ArrayBuffer> {
    if (this.at > this.#end) throw new AnswerFault("broken", "the pack ends inside an object");
    if (sizeBytes <= LONG_BYTES) {
      this.at = inflateInto(scratch, sizeBytes, this.#buffer, { from: this.at, end: this.#end });
      return scratch.subarray(0, sizeBytes);
    }
    // Deflate never grows data by more than a few bytes a block, so a window of this length holds the whole stream.
    const windowEnd = Math.min(this.#end, this.at + sizeBytes + (sizeBytes >> 3) + 4096);
    const { bytes, consumed } = inflateLong(this.#buffer.subarray(this.at, windowEnd), sizeBytes);
    this.at += consumed;
    return bytes;
  }

  #byte(): number {
    const byte = this.#buffer[this.at++];
    if (byte === undefined || this.at > this.#end) throw new AnswerFault("broken", "the pack ends inside an object");
    return byte;
  }
}
