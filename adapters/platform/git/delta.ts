/**
 * Applies one pack delta to its base, checking every bound: a delta that points outside its base is a broken answer.
 *
 * @see https://git-scm.com/docs/gitformat-pack, "Deltified representation"
 */
import { AnswerFault } from "./pkt_line.ts";

/** Bytes that a copy instruction with size 0 stands for. */
const COPY_DEFAULT_BYTES = 0x10000;

/** The sizes a delta announces: of its base and of its result, bytes; `at` is where its instructions begin. */
export function deltaSizes(delta: Uint8Array): { readonly base: number; readonly result: number; readonly at: number } {
  const base = readSize(delta, 0);
  const result = readSize(delta, base.at);
  return { base: base.value, result: result.value, at: result.at };
}

/** @throws {AnswerFault} "broken" when the delta does not fit its base or its own sizes */
export function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array<ArrayBuffer> {
  const sizes = deltaSizes(delta);
  if (sizes.base !== base.length) throw new AnswerFault("broken", "a delta was made for a base of another size");
  const result = new Uint8Array(sizes.result);
  let at = sizes.at;
  let to = 0;
  while (at < delta.length) {
    const op = delta[at++] ?? 0;
    if (op === 0) throw new AnswerFault("broken", "a delta holds the reserved instruction 0");
    let piece: Uint8Array;
    if ((op & 0x80) === 0) {
      piece = slice(delta, at, op);
      at += op;
    } else {
      const copy = readCopy(delta, at, op);
      at = copy.at;
      piece = slice(base, copy.offset, copy.length);
    }
    if (to + piece.length > result.length) throw new AnswerFault("broken", "a delta makes more than it announced");
    result.set(piece, to);
    to += piece.length;
  }
  if (to !== result.length) throw new AnswerFault("broken", "a delta makes less than it announced");
  return result;
}

function readCopy(delta: Uint8Array, start: number, op: number) {
  let at = start;
  let offset = 0;
  let length = 0;
  for (let byte = 0; byte < 4; byte++) {
    if ((op & (1 << byte)) !== 0) offset += (delta[at++] ?? 0) * 2 ** (8 * byte);
  }
  for (let byte = 0; byte < 3; byte++) {
    if ((op & (0x10 << byte)) !== 0) length += (delta[at++] ?? 0) * 2 ** (8 * byte);
  }
  return { at, offset, length: length === 0 ? COPY_DEFAULT_BYTES : length };
}

function readSize(delta: Uint8Array, start: number): { readonly value: number; readonly at: number } {
  let value = 0;
  let at = start;
  for (let shift = 0; shift <= 49; shift += 7) {
    const byte = delta[at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** shift;
    if ((byte & 0x80) === 0) return { value, at };
  }
  throw new AnswerFault("broken", "a delta's size does not end");
}

function slice(bytes: Uint8Array, from: number, length: number): Uint8Array {
  if (from + length > bytes.length) throw new AnswerFault("broken", "a delta reaches outside its bytes");
  return bytes.subarray(from, from + length);
}
