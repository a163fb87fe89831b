/**
 * A clock that a test moves by hand. `advance` runs the sleeps that fall due, earliest first, and lets the code that
 * they woke run on before time moves further, so a loop of sleeps behaves as it would in real time. It uses no timers.
 */
import type { Clock } from "../../src/ports/clock.ts";

/** 2026-01-01T00:00:00Z, where a clock starts unless told otherwise. */
export const MANUAL_CLOCK_START_MS = 1_767_225_600_000;

/** Promise steps a woken sleeper gets before time moves on; long chains of `await` need many. */
const SETTLE_STEPS = 64;
/** Sleeps that one `advance` may run before it is called a runaway loop. */
const SLEEPS_MAX = 1_000_000;

interface Sleeper {
  readonly dueMs: number;
  /** Insertion order breaks ties, so equal deadlines run first come, first served. */
  readonly order: number;
  readonly wake: () => void;
}

/**
 * A `Clock` under a test's control.
 *
 * *Caveats*: only promise chains are waited for between sleeps. Where the code under test also does I/O, advance in
 * steps, or wait for a condition between two advances.
 */
export class ManualClock implements Clock {
  #monotonicMs = 0;
  readonly #startMs: number;
  #skewMs = 0;
  #order = 0;
  #sleepers: Sleeper[] = [];
  #random: number;

  /** @param startMs wall time at the start, epoch milliseconds; @param seed of `random()` */
  constructor(startMs: number = MANUAL_CLOCK_START_MS, seed = 1) {
    this.#startMs = startMs;
    this.#random = seed >>> 0;
  }

  now(): number {
    return this.#startMs + this.#monotonicMs + this.#skewMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** mulberry32: the same seed gives the same numbers. */
  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) >>> 0;
    let mixed = this.#random;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        dueMs: this.#monotonicMs + Math.max(0, ms),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Moves time on by `ms`, waking every sleep that falls due, also those that woken code starts meanwhile. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (let run = 0;; run++) {
      if (run > SLEEPS_MAX) throw new Error(`Cannot advance by ${ms} ms: more than ${SLEEPS_MAX} sleeps fell due`);
      const next = this.#nextUntil(untilMs);
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueMs);
      next.wake();
      await settle();
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, untilMs);
    await settle();
  }

  /** Moves wall time alone, as when NTP steps a machine's clock; `monotonic` and sleeps do not notice. */
  set skew(ms: number) {
    this.#skewMs = ms;
  }

  get skew(): number {
    return this.#skewMs;
  }

  /** Milliseconds until the next sleep falls due; undefined when nothing sleeps. */
  nextDueMs(): number | undefined {
    const next = this.#nextUntil(Infinity);
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs;
  }

  /** How many sleeps are waiting. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  #nextUntil(untilMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.dueMs > untilMs) continue;
      const earlier = first === undefined || sleeper.dueMs < first.dueMs ||
        (sleeper.dueMs === first.dueMs && sleeper.order < first.order);
      if (earlier) first = sleeper;
    }
    return first;
  }
}

async function settle(): Promise<void> {
  for (let step = 0; step < SETTLE_STEPS; step++) await Promise.resolve();
}
