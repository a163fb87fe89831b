/**
 * A clock that runs as another one does until a test lets it jump: hours go by at once, for waits too long for any real
 * clock. Whoever sleeps until a time that was jumped over wakes at once.
 */
import type { Clock } from "../../src/ports/clock.ts";

export class JumpClock implements Clock {
  readonly #under: Clock;
  #aheadMs = 0;
  #jumped = new AbortController();

  constructor(under: Clock) {
    this.#under = under;
  }

  now(): number {
    return this.#under.now() + this.#aheadMs;
  }

  monotonic(): number {
    return this.#under.monotonic() + this.#aheadMs;
  }

  random(): number {
    return this.#under.random();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const untilMs = this.monotonic() + ms;
    do {
      const jumped = this.#jumped.signal;
      const either = signal === undefined ? jumped : AbortSignal.any([signal, jumped]);
      await this.#under.sleep(Math.max(0, untilMs - this.monotonic()), either).catch((error) => {
        if (signal?.aborted || !jumped.aborted) throw error;
      });
    } while (this.monotonic() < untilMs);
  }

  /** Time goes on by so much, for wall and monotonic time alike. */
  jump(ms: number): void {
    this.#aheadMs += ms;
    const before = this.#jumped;
    this.#jumped = new AbortController();
    before.abort();
  }
}
