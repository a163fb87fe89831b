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
