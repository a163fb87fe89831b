/**
 * Object ids with a number each, in typed arrays: fifty thousand ids as texts in a map take more room than the objects
 * they stand for. Numbers are small, never change while their id is held, and are used again once it is gone.
 */
import type { Oid } from "../../../src/ports/git.ts";

/** 32-bit words of an id. */
const WORDS = 5;
const DIGITS = 40;
const CAPACITY_MIN = 16;
/** By character: the digit's value; 255 for what is no lower-case hexadecimal digit. */
const VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = "0123456789abcdef".indexOf(String.fromCharCode(code));
  return digit < 0 ? 255 : digit;
});

/** The id that is being looked for. */
const wanted = new Int32Array(WORDS);

export class OidIndex {
  #words = new Int32Array(0);
  #isHeld = new Uint8Array(0);
  /** Numbers plus one, at the place that an id's first word says or after it; 0 where nothing is. */
  #table = new Int32Array(0);
  #free: number[] = [];
  /** Numbers below this were given out. */
  #end = 0;
  #size = 0;

  /** How many ids are held. */
  get size(): number {
    return this.#size;
  }

  /** All numbers given out are below this. */
  get end(): number {
    return this.#end;
  }

  /** Makes room for so many at once. */
  reserve(count: number): void {
    if (count > this.#isHeld.length) this.#resize(count);
  }

  /** @returns the id's number, or -1, also for a text that is no id */
  find(oid: Oid): number {
    return readText(oid) ? this.#number(this.#place()) : -1;
  }

  /** The same for an id of 20 bytes. */
  findBytes(bytes: Uint8Array, at: number): number {
    readBytes(bytes, at);
    return this.#number(this.#place());
  }

  /** Adds an id that is not held; returns its number, which is at most `end`. The text must be an id. */
  add(oid: Oid): number {
    readText(oid);
    if (this.#free.length === 0 && this.#end === this.#isHeld.length) {
      this.#resize(Math.max(CAPACITY_MIN, this.#end + (this.#end >> 2)));
    }
    const number = this.#free.pop() ?? this.#end++;
    this.#words.set(wanted, number * WORDS);
    this.#isHeld[number] = 1;
    this.#table[this.#place()] = number + 1;
    this.#size++;
    return number;
  }

  holds(number: number): boolean {
    return this.#isHeld[number] === 1;
  }

  /** The id behind a number that is held. */
  oidOf(number: number): Oid {
    let text = "";
    for (let word = 0; word < WORDS; word++) {
      text += ((this.#words[number * WORDS + word] ?? 0) >>> 0).toString(16).padStart(8, "0");
    }
    return text;
  }

  /** Lets go of every number that `isKept` does not hold on to. */
  retain(isKept: (number: number) => boolean): void {
    const before = this.#size;
    for (let number = 0; number < this.#end; number++) {
      if (this.#isHeld[number] !== 1 || isKept(number)) continue;
      this.#isHeld[number] = 0;
      this.#free.push(number);
      this.#size--;
    }
    if (this.#size < before) this.#fillTable();
  }

  /** Where the wanted id is in the table, or where it would be put. */
  #place(): number {
    const table = this.#table;
    const words = this.#words;
    const mask = table.length - 1;
    if (mask < 0) return -1;
    let place = (wanted[0] ?? 0) & mask;
    for (let entry = table[place] ?? 0; entry !== 0; entry = table[place] ?? 0) {
      const from = (entry - 1) * WORDS;
      const isIt = words[from] === wanted[0] && words[from + 1] === wanted[1] && words[from + 2] === wanted[2] &&
        words[from + 3] === wanted[3] && words[from + 4] === wanted[4];
      if (isIt) return place;
      place = (place + 1) & mask;
    }
    return place;
  }

  #number(place: number): number {
    return (this.#table[place] ?? 0) - 1;
  }

  #resize(capacity: number): void {
    const words = new Int32Array(capacity * WORDS);
    words.set(this.#words);
    this.#words = words;
    const isHeld = new Uint8Array(capacity);
    isHeld.set(this.#isHeld);
    this.#isHeld = isHeld;
    // At least a third stays empty, so that searches are short.
    let places = CAPACITY_MIN;
    while (places * 2 < capacity * 3) places *= 2;
    if (places === this.#table.length) return;
    const sought = wanted.slice();
    this.#table = new Int32Array(places);
    this.#fillTable();
    wanted.set(sought);
  }

  #fillTable(): void {
    this.#table.fill(0);
    for (let number = 0; number < this.#end; number++) {
      if (this.#isHeld[number] !== 1) continue;
      wanted.set(this.#words.subarray(number * WORDS, number * WORDS + WORDS));
      this.#table[this.#place()] = number + 1;
    }
  }
}

function readText(oid: Oid): boolean {
  if (oid.length !== DIGITS) return false;
  let wrong = 0;
  for (let word = 0; word < WORDS; word++) {
    let value = 0;
    for (let at = word * 8; at < word * 8 + 8; at++) {
      const digit = VALUES[oid.charCodeAt(at)] ?? 255;
      wrong |= digit;
      value = (value << 4) | digit;
    }
    wanted[word] = value;
  }
  return wrong < 16;
}

function readBytes(bytes: Uint8Array, from: number): void {
  for (let word = 0; word < WORDS; word++) {
    const at = from + word * 4;
    wanted[word] = (bytes[at] ?? 0) << 24 | (bytes[at + 1] ?? 0) << 16 | (bytes[at + 2] ?? 0) << 8 |
      (bytes[at + 3] ?? 0);
  }
}

/** A set of such numbers. */
export class NumberSet {
  #isIn: Uint8Array;
  #size = 0;

  /** @param end numbers are expected to be below this; larger ones are taken too */
  constructor(end = 0) {
    this.#isIn = new Uint8Array(end);
  }

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    return this.#isIn[number] === 1;
  }

  /** @returns whether it is new here */
  add(number: number): boolean {
    if (this.has(number)) return false;
    if (number >= this.#isIn.length) {
      const isIn = new Uint8Array(number * 2 + 16);
      isIn.set(this.#isIn);
      this.#isIn = isIn;
    }
    this.#isIn[number] = 1;
    this.#size++;
    return true;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let at = this.#isIn.indexOf(1); at >= 0; at = this.#isIn.indexOf(1, at + 1)) yield at;
  }
}
