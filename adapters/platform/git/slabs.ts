/**
 * Bytes of many objects in few large arrays, since an array of its own for each takes two hundred bytes beside its
 * content. Counts what of each slab is still in use; a slab that nothing uses goes at once, and one that is mostly unused
 * is named, so that the owner can move what is left of it.
 */

const SLAB_BYTES_MIN = 16 * 1024;
const SLAB_BYTES_MAX = 1024 * 1024;

/** Where bytes were put. */
export interface Place {
  readonly slab: number;
  readonly offset: number;
}

export class Slabs {
  readonly #slabs: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  readonly #used: number[] = [];
  /** The one that is being filled, and how far. */
  #current = -1;
  #at = 0;

  /** Bytes that are held, used or not. */
  get sizeBytes(): number {
    return this.#slabs.reduce((sum, slab) => sum + (slab?.length ?? 0), 0);
  }

  /** Copies `source` from `from` to `end`; at least one byte. */
  put(source: Uint8Array, from: number, end: number): Place {
    const length = end - from;
    if (length > SLAB_BYTES_MAX / 4) {
      const slab = this.#make(length);
      this.#slabs[slab]?.set(source.subarray(from, end));
      this.#used[slab] = length;
      return { slab, offset: 0 };
    }
    const room = (this.#slabs[this.#current]?.length ?? 0) - this.#at;
    if (length > room) this.#next(length);
    const offset = this.#at;
    const into = this.#slabs[this.#current];
    // Short ones faster by hand than with a view made for them.
    if (length > 64) into?.set(source.subarray(from, end), offset);
    else if (into !== undefined) { for (let at = 0; at < length; at++) into[offset + at] = source[from + at] ?? 0; }
    this.#at += length;
    this.#used[this.#current] = (this.#used[this.#current] ?? 0) + length;
    return { slab: this.#current, offset };
  }

  /** The slab itself; whoever writes into it changes what was put there. */
  bytes(slab: number): Uint8Array<ArrayBuffer> {
    return this.#slabs[slab] ?? NOTHING;
  }

  /** Gives up so many bytes of a slab. */
  release(slab: number, length: number): void {
    this.#used[slab] = (this.#used[slab] ?? 0) - length;
    if (this.#used[slab] === 0 && slab !== this.#current) this.#slabs[slab] = undefined;
  }

  /** Slabs of which less than half is in use. */
  sparse(): ReadonlySet<number> {
    const found = new Set<number>();
    for (const [slab, bytes] of this.#slabs.entries()) {
      if (bytes !== undefined && slab !== this.#current && (this.#used[slab] ?? 0) * 2 < bytes.length) found.add(slab);
    }
    return found;
  }

  #next(length: number): void {
    const last = this.#slabs[this.#current];
    const isUnused = this.#used[this.#current] === 0;
    if (last !== undefined && isUnused) this.#slabs[this.#current] = undefined;
    const wanted = Math.max(SLAB_BYTES_MIN, (last?.length ?? 0) * 2, length);
    this.#current = this.#make(Math.max(length, Math.min(SLAB_BYTES_MAX, wanted)));
    this.#at = 0;
  }

  #make(length: number): number {
    const unused = this.#slabs.indexOf(undefined);
    const slab = unused < 0 ? this.#slabs.length : unused;
    this.#slabs[slab] = new Uint8Array(length);
    this.#used[slab] = 0;
    return slab;
  }
}

const NOTHING = new Uint8Array(0);
