/** Cuts an exchange with a server that is silent for too long, or that drips for ever. Shared by the ways to reach one. */
import type { Clock } from "../../../src/ports/clock.ts";

/** A whole answer may take this many times the bound on silence, so that a server that drips does not hold us forever. */
const WHOLE_ANSWER_TIMEOUTS = 10;

/** Aborts an exchange when the server is silent for too long, or takes too long altogether. */
export class Watchdog {
  readonly signal: AbortSignal;
  /** Why the exchange was cut, once it was. */
  expired: string | undefined;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  readonly #done = new AbortController();
  readonly #startedMs: number;
  #progressMs: number;

  constructor(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#startedMs = this.#progressMs = clock.monotonic();
    this.signal = outer === undefined ? this.#abort.signal : AbortSignal.any([outer, this.#abort.signal]);
    this.#run().catch(() => {
      // Only `stop` ends the sleep early, and then there is nothing left to watch.
    });
  }

  progress(): void {
    this.#progressMs = this.#clock.monotonic();
  }

  stop(): void {
    this.#done.abort();
  }

  async #run(): Promise<void> {
    while (this.expired === undefined) {
      const silentMs = this.#timeoutMs - (this.#clock.monotonic() - this.#progressMs);
      const wholeMs = this.#timeoutMs * WHOLE_ANSWER_TIMEOUTS - (this.#clock.monotonic() - this.#startedMs);
      if (silentMs <= 0) this.expired = `no answer within ${this.#timeoutMs} ms`;
      else if (wholeMs <= 0) this.expired = `the answer took more than ${this.#timeoutMs * WHOLE_ANSWER_TIMEOUTS} ms`;
      else await this.#clock.sleep(Math.min(silentMs, wholeMs), this.#done.signal);
    }
    this.#abort.abort(new Error(this.expired));
  }
}
