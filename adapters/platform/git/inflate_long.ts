/** Inflates long streams of zlib with the library, which is faster at them. */
import { constants, inflateSync } from "node:zlib";
import { BugError } from "../../../src/errors.ts";
import { AnswerFault } from "./pkt_line.ts";

/** From so many bytes on the library wins. */
export const LONG_BYTES = 64 * 1024;

/**
 * Inflates the stream at the front of `window`; `consumed` counts its compressed bytes, which a pack does not say.
 *
 * @throws {AnswerFault} "broken" when it is cut off, wrong, or not of `size` bytes
 */
export function inflateLong(window: Uint8Array<ArrayBuffer>, size: number) {
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
  // A plain array: on the Buffer that zlib returns, `slice` would share memory instead of copying.
  const { buffer, byteOffset, length } = answer.buffer;
  if (length !== size) throw new AnswerFault("broken", "an object in the pack is not as long as announced");
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
