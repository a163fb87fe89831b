/**
 * Texts at rest of which most are like another: a thousand Services, locks or states that differ in names and versions.
 * A few are kept as examples; of any other, only what it takes to make it from an example. Does no I/O.
 */
import { Buffer } from "node:buffer";
import { type Packed, packText, Scratch, unpackText } from "./packed.ts";

/** Beyond these, a text that is like none is packed by itself. */
const EXAMPLES_MAX = 16;
/** Places in an example are told in two bytes. */
const EXAMPLE_BYTES_MAX = 0xffff;
/** A shorter text is no example, and is not worth the time. */
const BYTES_MIN = 128;
/** What is made from an example has to be this much shorter than the text; deflated alone it takes a third to a half. */
const SHORTER_BY = 4;
/** Shorter pieces are written out: a copy takes five bytes. */
const COPY_BYTES_MIN = 8;
const COPY = 0x80;
/** Pieces are found by their first eight bytes; a bucket holds the last that fell into it. */
const BUCKETS = 4096;

interface Example {
  readonly bytes: Buffer;
  /** Where in `bytes` a piece begins, plus one; 0: nowhere. */
  readonly places: Uint16Array;
}

/** Of the text that is packed or unpacked, and of what is made of it. */
const TEXT = new Scratch();
const MADE = new Scratch();

/** Made from an example: this and its number, which are none of the marks of `packText`; then copies and written pieces. */
const FIRST_MARK = 0x80;

/** Packs texts of one kind; only the same one can unpack them. */
export class Alike {
  readonly #examples: Example[] = [];
  /** The example that served last: neighbours are alike. */
  #last = 0;

  pack(text: string): Packed {
    const bytes = TEXT.encoded(text);
    if (bytes.length < BYTES_MIN) return packText(text);
    const count = this.#examples.length;
    for (let tried = 0; tried < count; tried++) {
      const number = (this.#last + tried) % count;
      const example = this.#examples[number];
      const made = example === undefined ? null : difference(example, bytes, bytes.length / SHORTER_BY);
      if (made === null) continue;
      this.#last = number;
      made[0] = FIRST_MARK + number;
      return made.toString("latin1");
    }
    if (count < EXAMPLES_MAX && bytes.length <= EXAMPLE_BYTES_MAX) {
      this.#examples.push({ bytes: Buffer.from(bytes), places: placesOf(bytes) });
      this.#last = count;
    }
    return packText(text);
  }

  unpack(packed: Packed): string {
    const example = this.#examples[packed.charCodeAt(0) - FIRST_MARK];
    return example === undefined ? unpackText(packed) : madeFrom(example, packed);
  }
}

function placesOf(bytes: Buffer): Uint16Array {
  const places = new Uint16Array(BUCKETS);
  for (let at = 0; at + COPY_BYTES_MIN <= bytes.length; at++) places[bucketOf(bytes, at)] = at + 1;
  return places;
}

function bucketOf(bytes: Buffer, at: number): number {
  return Math.imul(fourBytes(bytes, at), 0x9e3779b1) + Math.imul(fourBytes(bytes, at + 4), 0x85ebca6b) >>> 20;
}

function fourBytes(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0) << 16 | (bytes[at + 3] ?? 0) << 24;
}

/** How many bytes are the same from there on; none where there is no such place. */
function sameBytes(a: Buffer, atA: number, b: Buffer, atB: number): number {
  if (atA < 0) return 0;
  let length = 0;
  while (atA + length < a.length && atB + length < b.length && a[atA + length] === b[atB + length]) length++;
  return Math.min(length, EXAMPLE_BYTES_MAX);
}

/** Room for the mark, copies and written pieces; null where they would take more than `max` bytes. */
function difference(example: Example, bytes: Buffer, max: number): Buffer | null {
  const made = MADE.room(Math.ceil(max) + 8);
  let to = 1;
  let written = 0;
  /** From a place in the text to the one in the example that was copied last: what differs is often as long. */
  let shift = 0;
  /** Writes out what no copy covered, up to there. @returns whether it fits */
  const write = (end: number): boolean => {
    while (written < end) {
      const length = Math.min(end - written, COPY - 1);
      if (to + length + 1 > max) return false;
      made[to++] = length;
      to += bytes.copy(made, to, written, written + length);
      written += length;
    }
    return true;
  };
  for (let at = 0; at + COPY_BYTES_MIN <= bytes.length;) {
    const found = (example.places[bucketOf(bytes, at)] ?? 0) - 1;
    const byBucket = sameBytes(example.bytes, found, bytes, at);
    const byShift = sameBytes(example.bytes, at + shift, bytes, at);
    const place = byShift >= byBucket ? at + shift : found;
    const length = Math.max(byShift, byBucket);
    if (length < COPY_BYTES_MIN) {
      at++;
      if (at - written > max) return null;
      continue;
    }
    if (!write(at) || to + 5 > max) return null;
    made[to] = COPY;
    made.writeUInt16LE(place, to + 1);
    made.writeUInt16LE(length, to + 3);
    to += 5;
    shift = place - at;
    at += length;
    written = at;
  }
  return write(bytes.length) ? made.subarray(0, to) : null;
}

function madeFrom(example: Example, made: Packed): string {
  const text = TEXT.room(lengthOf(made));
  let to = 0;
  for (let at = 1; at < made.length;) {
    const length = made.charCodeAt(at);
    if (length === COPY) {
      const place = twoBytes(made, at + 1);
      to += example.bytes.copy(text, to, place, place + twoBytes(made, at + 3));
      at += 5;
    } else {
      for (const end = at + 1 + length; ++at < end;) text[to++] = made.charCodeAt(at);
    }
  }
  return text.toString("utf8", 0, to);
}

/** Bytes of the text that is made. */
function lengthOf(made: Packed): number {
  let bytes = 0;
  for (let at = 1; at < made.length;) {
    const length = made.charCodeAt(at);
    bytes += length === COPY ? twoBytes(made, at + 3) : length;
    at += length === COPY ? 5 : 1 + length;
  }
  return bytes;
}

function twoBytes(made: Packed, at: number): number {
  return made.charCodeAt(at) | made.charCodeAt(at + 1) << 8;
}
