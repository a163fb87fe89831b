/** Webhook deliveries of the last day, so that one that is sent again is known. Bounded: the oldest are forgotten. */
import type { Clock } from "../ports/clock.ts";

const REMEMBERED_MS = 24 * 3_600_000;
const DELIVERIES_MAX = 10_000;

export class Deliveries {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #seen = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** True the first time in a day. */
  take(id: string): boolean {
    const now = this.#clock.monotonic();
    for (const [oldest, at] of this.#seen) {
      if (now - at < REMEMBERED_MS && this.#seen.size < DELIVERIES_MAX) break;
      this.#seen.delete(oldest);
    }
    if (this.#seen.has(id)) return false;
    this.#seen.set(id, now);
    return true;
  }
}
