/**
 * File names between Git, which has bytes, and our strings. Bytes that are not UTF-8 become lone surrogates U+DC80 to
 * U+DCFF (as in Python's "surrogateescape"), which no valid name can hold, so every name survives the way there and back.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();
const ESCAPE_BASE = 0xdc00;

/** A name as a string; lossless, see `encodeName`. */
export function decodeName(bytes: Uint8Array): string {
  return tryDecode(bytes) ?? decodeEscaping(bytes);
}

/** The bytes that `decodeName` was given. */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  if (!/[\udc80-\udcff]/.test(name)) return utf8.encode(name);
  const bytes: number[] = [];
  for (const char of name) {
    const code = char.codePointAt(0) ?? 0;
    if (code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff) bytes.push(code - ESCAPE_BASE);
    else bytes.push(...utf8.encode(char));
  }
  return Uint8Array.from(bytes);
}

function tryDecode(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    // Not UTF-8: an answer, not an error.
    return undefined;
  }
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    const char = at + length <= bytes.length ? tryDecode(bytes.subarray(at, at + length)) : undefined;
    text += char ?? String.fromCharCode(ESCAPE_BASE + (bytes[at] ?? 0));
    at += char === undefined ? 1 : length;
  }
  return text;
}

/** How many bytes a UTF-8 sequence has by its first byte; 1 where it can be none. */
function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
