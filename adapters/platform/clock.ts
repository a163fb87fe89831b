/** The machine's clock and dice. The only file that may read `Date.now`, `performance.now`, `Math.random` or set timers. */
import type { Clock } from "../../src/ports/clock.ts";

/** The longest delay a timer takes; more would fire at once. */
const TIMER_MS_MAX = 2_147_483_647;

/** The real machine's clock. */
export const machineClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, Math.min(Math.max(0, ms), TIMER_MS_MAX));
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};
