/** What the process says of itself, read without any permission: prom-client's own collectors stay empty on Deno. */
import process from "node:process";
import type { Clock } from "../ports/clock.ts";

export interface ProcessReadings {
  /** Resident memory, bytes. */
  residentBytes(): number;
  /** User and system time since the start, seconds. */
  cpuSeconds(): number;
}

/** This process. */
export const thisProcess: ProcessReadings = {
  residentBytes: () => Deno.memoryUsage().rss,
  cpuSeconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  },
};

const LAG_LOOK_EVERY_MS = 500;

export interface LoopLag {
  /** The greatest delay since it was last taken, seconds. */
  take(): number;
}

/**
 * Watches how late the event loop runs what is due, until `signal` is aborted.
 *
 * *Caveats*: a delay shorter than the watcher's period may fall between two looks.
 */
export function watchLoopLag(clock: Pick<Clock, "monotonic" | "sleep">, signal: AbortSignal): LoopLag {
  let worstMs = 0;
  async function watch(): Promise<void> {
    while (!signal.aborted) {
      const dueMs = clock.monotonic() + LAG_LOOK_EVERY_MS;
      await clock.sleep(LAG_LOOK_EVERY_MS, signal);
      worstMs = Math.max(worstMs, clock.monotonic() - dueMs);
    }
  }
  // The only way it ends is the abort.
  watch().catch(() => undefined);
  return {
    take() {
      const seconds = Math.max(0, worstMs) / 1_000;
      worstMs = 0;
      return seconds;
    },
  };
}
