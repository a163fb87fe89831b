/**
 * Virtual time: things that are to happen, in order of their time and then of when they were asked for. Between two of
 * them every promise that can run on does so, which takes no real time beyond the work itself.
 */
import { setImmediate } from "node:timers";
import { MANUAL_CLOCK_START_MS } from "../support/manual_clock.ts";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  #now = 0;
  #order = 0;
  /** A binary heap, the earliest first. */
  readonly #heap: Entry[] = [];
  /** Events run so far. */
  steps = 0;

  /** Milliseconds since the world began. */
  get elapsed(): number {
    return this.#now;
  }

  /** Epoch milliseconds. */
  get now(): number {
    return MANUAL_CLOCK_START_MS + this.#now;
  }

  after(ms: number, run: () => void): void {
    this.#push({ at: this.#now + Math.max(0, Math.ceil(ms)), order: this.#order++, run });
  }

  /** Runs what falls due until `done` says so, asked after each event, or until the time is up. True when done. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    await drained();
    while (!done()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) {
        this.#now = Math.max(this.#now, end);
        return done();
      }
      this.#pop();
      this.#now = next.at;
      this.steps += 1;
      next.run();
      await drained();
    }
    return true;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    heap.push(entry);
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      if (left >= heap.length) return;
      const child = right < heap.length && this.#isBefore(right, left) ? right : left;
      if (!this.#swapIfBefore(child, at)) return;
      at = child;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.at < other.at || (one.at === other.at && one.order < other.order);
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [one, other] = [this.#heap[child], this.#heap[parent]];
    if (one === undefined || other === undefined || !this.#isBefore(child, parent)) return false;
    this.#heap[child] = other;
    this.#heap[parent] = one;
    return true;
  }
}

/** Resolves when no promise can run on any more. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve()));
}
