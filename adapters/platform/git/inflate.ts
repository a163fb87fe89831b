/**
 * Inflates one zlib stream off the front of some bytes, into bytes that are there already. A pack has tens of thousands of
 * streams of a few hundred bytes, and calling the library for each takes more than twice as long: a handle, a
 * window and an array of its own each time. This one keeps nothing but its tables and says where the stream ended, which
 * a pack does not. As strict as zlib, held against it by a property test; long streams are left to the library.
 *
 * @see RFC 1950 and RFC 1951
 */
import { buildCode, type Code, CODE_BITS_MAX, emptyCode, refuseGaps } from "./huffman.ts";
import { AnswerFault } from "./pkt_line.ts";

const LITERALS_MAX = 286;
const DISTANCES_MAX = 30;
const END_OF_BLOCK = 256;

/** By code of a length: how many bits follow, and what they are added to. */
const LENGTH_EXTRA = Uint8Array.from({ length: 29 }, (_, code) => code < 8 || code === 28 ? 0 : (code >> 2) - 1);
const LENGTH_BASE = Uint16Array.from(
  { length: 29 },
  (_, code) => code < 8 ? code + 3 : code === 28 ? 258 : ((4 + (code & 3)) << ((code >> 2) - 1)) + 3,
);
const DISTANCE_EXTRA = Uint8Array.from({ length: DISTANCES_MAX }, (_, code) => Math.max(0, (code >> 1) - 1));
const DISTANCE_BASE = Uint16Array.from(
  { length: DISTANCES_MAX },
  (_, code) => code < 4 ? code + 1 : ((2 + (code & 1)) << ((code >> 1) - 1)) + 1,
);
const LENGTHS_ORDER = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);

const FIXED_LITERALS = emptyCode(288, 9);
const FIXED_DISTANCES = emptyCode(32, 6);
const literals = emptyCode(320, 9);
const distances = emptyCode(320, 6);
const lengthsCode = emptyCode(19, 7);
const LITERAL_MASK = 0x1ff;
const DISTANCE_MASK = 0x3f;
const LENGTHS_MASK = 0x7f;
const lengths = new Uint8Array(320);

{
  const fixed = Uint8Array.from({ length: 288 }, (_, at) => at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8);
  buildCode(FIXED_LITERALS, fixed, 0, 288);
  buildCode(FIXED_DISTANCES, new Uint8Array(32).fill(5), 0, 32);
}

// What is being read; one stream at a time, never across an await.
const NOTHING: Uint8Array = new Uint8Array(0);
let input = NOTHING;
let at = 0;
let bits = 0;
let bitCount = 0;
let output = NOTHING;
let written = 0;
let limit = 0;

/**
 * Inflates the stream that begins at `from` to exactly `size` bytes at the front of `into`.
 *
 * @param source nothing at or beyond `end` belongs to the stream
 * @returns where the stream ended in `source`
 * @throws {AnswerFault} "broken" when it is cut off, wrong, or of another size
 */
export function inflateInto(
  into: Uint8Array,
  size: number,
  source: Uint8Array,
  { from, end }: { readonly from: number; readonly end: number },
): number {
  input = source;
  at = from;
  bits = bitCount = 0;
  output = into;
  written = 0;
  limit = size;
  try {
    return readStream(end);
  } finally {
    // What is kept here would keep a whole pack.
    input = output = NOTHING;
  }
}

function readStream(end: number): number {
  const head = ((input[at++] ?? 0) << 8) | (input[at++] ?? 0);
  const isZlib = (head & 0x0f00) === 0x0800 && head >> 12 <= 7 && head % 31 === 0 && (head & 0x20) === 0;
  if (!isZlib) throw broken("it does not begin as one");
  let isLast = false;
  while (!isLast) {
    refill();
    if (at - (bitCount >> 3) > end) throw broken("it is cut off");
    const block = take(3);
    isLast = (block & 1) === 1;
    if (block >> 1 === 0) copyStored(end);
    else if (block >> 1 === 1) readBlock(FIXED_LITERALS, FIXED_DISTANCES);
    else if (block >> 1 === 2) {
      readCodes();
      readBlock(literals, distances);
    } else throw broken("a block is of no kind");
  }
  at -= bitCount >> 3;
  if (at + 4 > end) throw broken("it is cut off");
  if (written !== limit) throw broken("it is shorter than announced");
  const sum = ((input[at] ?? 0) << 24 | (input[at + 1] ?? 0) << 16 | (input[at + 2] ?? 0) << 8 |
    (input[at + 3] ?? 0)) >>> 0;
  if (sum !== adler32(output, limit)) throw broken("its checksum is wrong");
  return at + 4;
}

function broken(why: string): AnswerFault {
  return new AnswerFault("broken", `an object in the pack cannot be inflated: ${why}`);
}

/** Brings at least 24 bits; beyond the end of the input zeros, which the caller notices by where it stands. */
function refill(): void {
  while (bitCount < 24) {
    bits |= (input[at] ?? 0) << bitCount;
    at++;
    bitCount += 8;
  }
}

/** The next bits, at most 13 and of those that are there. */
function take(count: number): number {
  const value = bits & ((1 << count) - 1);
  bits >>>= count;
  bitCount -= count;
  return value;
}

function copyStored(end: number): void {
  take(bitCount & 7);
  at -= bitCount >> 3;
  bits = bitCount = 0;
  const length = (input[at] ?? 0) | (input[at + 1] ?? 0) << 8;
  const inverse = (input[at + 2] ?? 0) | (input[at + 3] ?? 0) << 8;
  at += 4;
  if (length !== (inverse ^ 0xffff)) throw broken("a stored block contradicts itself");
  if (at + length > end) throw broken("it is cut off");
  if (written + length > limit) throw broken("it is longer than announced");
  output.set(input.subarray(at, at + length), written);
  at += length;
  written += length;
}

/** Reads to the end of a block. Where it stands is kept in locals meanwhile: this is where all the time goes. */
function readBlock(literal: Code, distance: Code): void {
  const [from, into, quick, quickDistance] = [input, output, literal.quick, distance.quick];
  let [here, held, count, to] = [at, bits, bitCount, written];
  for (;;) {
    // A length and what follows it: 15 and 5 bits.
    for (; count < 20; count += 8) held |= (from[here++] ?? 0) << count;
    const found = quick[held & LITERAL_MASK] || longCode(literal, held);
    held >>>= found & 15;
    count -= found & 15;
    const symbol = found >> 4;
    if (symbol < END_OF_BLOCK) {
      if (to >= limit) throw broken("it is longer than announced");
      into[to++] = symbol;
      continue;
    }
    if (symbol === END_OF_BLOCK) break;
    const kind = symbol - END_OF_BLOCK - 1;
    if (kind >= LENGTH_BASE.length) throw broken("a length is of no kind");
    const lengthBits = LENGTH_EXTRA[kind] ?? 0;
    const length = (LENGTH_BASE[kind] ?? 0) + (held & ((1 << lengthBits) - 1));
    held >>>= lengthBits;
    count -= lengthBits;
    for (; count < 15; count += 8) held |= (from[here++] ?? 0) << count;
    const far = quickDistance[held & DISTANCE_MASK] || longCode(distance, held);
    held >>>= far & 15;
    count -= far & 15;
    const code = far >> 4;
    if (code >= DISTANCES_MAX) throw broken("a distance is of no kind");
    for (; count < 13; count += 8) held |= (from[here++] ?? 0) << count;
    const distanceBits = DISTANCE_EXTRA[code] ?? 0;
    const back = (DISTANCE_BASE[code] ?? 0) + (held & ((1 << distanceBits) - 1));
    held >>>= distanceBits;
    count -= distanceBits;
    if (back > to) throw broken("a distance reaches before the beginning");
    const until = to + length;
    if (until > limit) throw broken("it is longer than announced");
    for (let source = to - back; to < until; source++, to++) into[to] = into[source] ?? 0;
  }
  at = here;
  bits = held;
  bitCount = count;
  written = to;
}

/** Finds a code bit by bit among the next 15 bits; as `quick` has it, symbol times 16 plus length. */
function longCode({ counts, symbols }: Code, held: number): number {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    code |= (held >>> (length - 1)) & 1;
    const count = counts[length] ?? 0;
    if (code - count < first) return (symbols[index + code - first] ?? 0) << 4 | length;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  throw broken("a code stands for nothing");
}

function readCodes(): void {
  const literalCount = take(5) + 257;
  const distanceCount = take(5) + 1;
  const lengthCount = take(4) + 4;
  if (literalCount > LITERALS_MAX || distanceCount > DISTANCES_MAX) throw broken("a block has too many codes");
  lengths.fill(0, 0, 19);
  for (let index = 0; index < lengthCount; index++) {
    refill();
    lengths[LENGTHS_ORDER[index] ?? 0] = take(3);
  }
  if (buildCode(lengthsCode, lengths, 0, 19) !== 0) throw broken("the code of its codes is not whole");
  const count = literalCount + distanceCount;
  for (let index = 0; index < count;) {
    refill();
    const found = lengthsCode.quick[bits & LENGTHS_MASK] ?? 0;
    if (found === 0) throw broken("a code stands for nothing");
    bits >>>= found & 15;
    bitCount -= found & 15;
    const symbol = found >> 4;
    if (symbol < 16) {
      lengths[index++] = symbol;
      continue;
    }
    if (symbol === 16 && index === 0) throw broken("a length repeats nothing");
    const repeated = symbol === 16 ? lengths[index - 1] ?? 0 : 0;
    const times = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
    if (index + times > count) throw broken("a block has too many codes");
    lengths.fill(repeated, index, index + times);
    index += times;
  }
  if (lengths[END_OF_BLOCK] === 0) throw broken("a block has no end");
  refuseGaps(buildCode(literals, lengths, 0, literalCount), literals, literalCount);
  refuseGaps(buildCode(distances, lengths, literalCount, distanceCount), distances, distanceCount);
}

function adler32(bytes: Uint8Array, size: number): number {
  let low = 1;
  let high = 0;
  for (let index = 0; index < size;) {
    // So many additions fit without a remainder being taken.
    const until = Math.min(size, index + 5552);
    for (; index < until; index++) {
      low += bytes[index] ?? 0;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return ((high << 16) | low) >>> 0;
}
