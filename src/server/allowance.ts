/** How often something may happen, by name: so many at once, then one in each interval. Bounded by the names in use. */
import type { Clock } from "../ports/clock.ts";

interface Bucket {
  readonly left: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export class Allowance {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #atOnce: number;
  readonly #everyMs: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param rate how many may come at once, and after how long each of them may come again */
  constructor(clock: Pick<Clock, "monotonic">, rate: { readonly atOnce: number; readonly everyMs: number }) {
    this.#clock = clock;
    this.#atOnce = rate.atOnce;
    this.#everyMs = rate.everyMs;
  }

  /** Takes one; seconds to wait where there is none, else 0. Names must be known ones, not words of a request. */
  take(name: string): number {
    const now = this.#clock.monotonic();
    const { left, at } = this.#buckets.get(name) ?? { left: this.#atOnce, at: now };
    const filled = Math.min(this.#atOnce, left + (now - at) / this.#everyMs);
    const isAllowed = filled >= 1;
    this.#buckets.set(name, { left: isAllowed ? filled - 1 : filled, at: now });
    return isAllowed ? 0 : Math.max(1, Math.ceil((1 - filled) * this.#everyMs / 1_000));
  }
}
