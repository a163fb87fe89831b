/**
 * Texts and bytes at rest: longer ones deflated, all of them as strings of one byte a character, since what nobody looks
 * at for hours should take little room, and an array of its own takes two hundred bytes beside its content. Pure.
 */
import { Buffer } from "node:buffer";
import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Packed bytes: a mark, then the bytes as they are, or deflated. */
export type Packed = string;

const PLAIN = 0x3d;
const DEFLATED = 0x7e;
/** Shorter ones are not worth the time. */
const DEFLATED_BYTES_MIN = 384;
const ENCODER = new TextEncoder();
/** For a few KiB the first level packs nearly as well as the last, in half the time. */
const LEVEL = { level: 1 };

export function packBytes(bytes: Uint8Array): Packed {
  const isLong = bytes.length >= DEFLATED_BYTES_MIN;
  const body = isLong ? deflateRawSync(bytes, LEVEL) : bytes;
  const marked = Buffer.allocUnsafe(body.length + 1);
  marked[0] = isLong ? DEFLATED : PLAIN;
  marked.set(body, 1);
  return marked.toString("latin1");
}

export function unpackBytes(packed: Packed): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytesOf(packed);
  // A plain array: on a Buffer, `slice` would share memory instead of copying.
  return new Uint8Array(buffer, byteOffset, length);
}

export function packText(text: string): Packed {
  return packBytes(Buffer.from(text));
}

export function unpackText(packed: Packed): string {
  return bytesOf(packed).toString();
}

function bytesOf(packed: Packed): Buffer<ArrayBuffer> {
  const body = Buffer.from(packed, "latin1").subarray(1);
  return packed.charCodeAt(0) === DEFLATED ? Buffer.from(inflateRawSync(body)) : body;
}

/** Larger rooms are not kept. */
const ROOM_BYTES_MAX = 256 * 1024;

/**
 * Room for bytes that nobody needs after the next one asks for it. Thousands of small arrays, made one after the other, lie
 * about until a large collection, and leave the system's heap full of holes.
 */
export class Scratch {
  #kept = Buffer.alloc(0);

  /** At least so many bytes; what is in them is left from before. */
  room(bytes: number): Buffer<ArrayBuffer> {
    if (bytes > ROOM_BYTES_MAX) return Buffer.allocUnsafe(bytes);
    if (this.#kept.length < bytes) this.#kept = Buffer.allocUnsafeSlow(Math.min(ROOM_BYTES_MAX, 2 * bytes));
    return this.#kept;
  }

  /** The text's bytes. */
  encoded(text: string): Buffer<ArrayBuffer> {
    const room = this.room(3 * text.length);
    return room.subarray(0, ENCODER.encodeInto(text, room).written);
  }
}
