/**
 * Canonical Huffman codes as deflate has them, made from the lengths of their symbols' codes. As strict as zlib about what
 * is no whole code.
 *
 * @see RFC 1951, section 3.2.2
 */
import { AnswerFault } from "./pkt_line.ts";

/** The longest code, bits. */
export const CODE_BITS_MAX = 15;

const offsets = new Uint16Array(CODE_BITS_MAX + 1);
const nextCode = new Uint16Array(CODE_BITS_MAX + 1);
/** Nine bits in the reverse order. */
const REVERSED = Uint16Array.from({ length: 512 }, (_, value) => {
  let reversed = 0;
  for (let bit = 0; bit < 9; bit++) reversed |= ((value >> bit) & 1) << (8 - bit);
  return reversed;
});

/** A canonical Huffman code, ready to be read. */
export interface Code {
  /** Codes up to so many bits, at most 9, are found at one look; longer ones, which are rare, bit by bit. */
  readonly quickBits: number;
  /** By the next bits: symbol times 16 plus length; 0 where the code is longer or there is none. */
  readonly quick: Uint16Array;
  /** How many symbols have a code of each length. */
  readonly counts: Uint16Array;
  /** The symbols in the order of their codes. */
  readonly symbols: Uint16Array;
}

/** Room for a code of so many symbols. */
export function emptyCode(symbols: number, quickBits: number): Code {
  return {
    quickBits,
    quick: new Uint16Array(1 << quickBits),
    counts: new Uint16Array(CODE_BITS_MAX + 1),
    symbols: new Uint16Array(symbols),
  };
}

/** Makes a code of the lengths of its symbols' codes; returns how much of it is left unused. */
export function buildCode(code: Code, of: Uint8Array, from: number, symbolCount: number): number {
  const { counts, quick, quickBits, symbols } = code;
  counts.fill(0);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    counts[of[from + symbol] ?? 0] = (counts[of[from + symbol] ?? 0] ?? 0) + 1;
  }
  let left = 1;
  let next = 0;
  let index = 0;
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    const count = counts[length] ?? 0;
    left = (left << 1) - count;
    if (left < 0) throw new AnswerFault("broken", "a code has more symbols than it can");
    offsets[length] = index;
    nextCode[length] = next;
    index += count;
    next = (next + count) << 1;
  }
  quick.fill(0);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const length = of[from + symbol] ?? 0;
    if (length === 0) continue;
    const place = offsets[length] ?? 0;
    symbols[place] = symbol;
    offsets[length] = place + 1;
    const canonical = nextCode[length] ?? 0;
    nextCode[length] = canonical + 1;
    if (length > quickBits) continue;
    // Codes come with their highest bit first, all else with the lowest.
    const reversed = REVERSED[canonical << (9 - length)] ?? 0;
    const entry = (symbol << 4) | length;
    for (let slot = reversed; slot < quick.length; slot += 1 << length) quick[slot] = entry;
  }
  return left;
}

/** A code may leave bits unused only when it has a single symbol, of one bit, or none. */
export function refuseGaps(left: number, { counts }: Code, symbols: number): void {
  if (left === 0) return;
  const unused = counts[0] ?? 0;
  if (unused === symbols || (unused === symbols - 1 && counts[1] === 1)) return;
  throw new AnswerFault("broken", "a code is not whole");
}
