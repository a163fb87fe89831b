/**
 * Which canary has its next turn when. Holds keys, not events: deduplicated, the earlier time wins, and never two
 * turns of one key at once. At most `parallel` turns run together.
 */
import type { Clock } from "../ports/clock.ts";

/**
 * Longest time that turns keep the event loop for themselves: most of them wait for nothing but promises, and thousands in a
 * row would keep the Lease, health checks and watches waiting, and what each of them leaves behind from being collected.
 */
const SLICE_MS = 50;

/** Longest wait without a look at what is due. */
const IDLE_MS_MAX = 1000;

export class KeyQueue {
  /** By the monotonic clock: one that is set brings no turn forward, and puts none off. */
  readonly #due = new Map<string, number>();
  readonly #running = new Set<string>();
  readonly #turn: (key: string) => Promise<void>;
  readonly #clock: Clock;
  readonly #parallel: number;
  #changed: (() => void) | null = null;

  constructor(
    options: { readonly clock: Clock; readonly parallel: number; readonly turn: (key: string) => Promise<void> },
  ) {
    this.#clock = options.clock;
    this.#parallel = options.parallel;
    this.#turn = options.turn;
  }

  /** Asks for a turn at a time (epoch ms); an earlier one that is already asked for stays. */
  add(key: string, at: number): void {
    const known = this.#due.get(key);
    const waitMs = at - this.#clock.now();
    const due = this.#clock.monotonic() + waitMs;
    if (known !== undefined && known <= due) return;
    this.#due.set(key, due);
    this.#changed?.();
  }

  get size(): number {
    return this.#due.size;
  }

  forget(key: string): void {
    this.#due.delete(key);
  }

  /** Runs turns until the signal is aborted; resolves when the last one has ended. `turn` must not throw. */
  async run(signal: AbortSignal): Promise<void> {
    const turns = new Set<Promise<void>>();
    let sliceEndsMs = this.#clock.monotonic() + SLICE_MS;
    while (!signal.aborted) {
      const key = this.#next();
      if (key === null) {
        await this.#idle(signal);
        continue;
      }
      if (this.#clock.monotonic() >= sliceEndsMs) {
        await this.#clock.sleep(0, signal).catch(() => undefined);
        sliceEndsMs = this.#clock.monotonic() + SLICE_MS;
        continue;
      }
      this.#due.delete(key);
      this.#running.add(key);
      const turn = this.#turn(key).finally(() => {
        this.#running.delete(key);
        turns.delete(turn);
        this.#changed?.();
      });
      turns.add(turn);
    }
    await Promise.allSettled(turns);
  }

  /** The due key that waits longest, unless enough turns run. */
  #next(): string | null {
    if (this.#running.size >= this.#parallel) return null;
    const now = this.#clock.monotonic();
    let best: string | null = null;
    let bestAt = Number.POSITIVE_INFINITY;
    for (const [key, at] of this.#due) {
      if (at <= now && at < bestAt && !this.#running.has(key)) [best, bestAt] = [key, at];
    }
    return best;
  }

  /** When the next turn is due of which none runs; `latestMs` at the latest. */
  #nextDueMs(latestMs: number): number {
    let firstMs = latestMs;
    for (const [key, at] of this.#due) if (at < firstMs && !this.#running.has(key)) firstMs = at;
    return firstMs;
  }

  /** Waits for the next due time or a change, at most a second. */
  async #idle(signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const full = this.#running.size >= this.#parallel;
    const delayMs = full ? IDLE_MS_MAX : Math.max(1, this.#nextDueMs(now + IDLE_MS_MAX) - now);
    const stop = new AbortController();
    const changed = new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    const slept = this.#clock.sleep(delayMs, AbortSignal.any([signal, stop.signal])).catch(() => undefined);
    await Promise.race([changed, slept]);
    this.#changed = null;
    stop.abort();
    await slept;
  }
}
