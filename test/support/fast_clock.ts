/**
 * A clock that runs faster than the machine's, for tests over real HTTP of waits that are minutes long: back-offs,
 * time-outs, leases. Several clocks of the same origin and speed agree, also in different processes.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** @param times how much faster than the machine's @param originMs epoch milliseconds at which both agree */
export function fastClock(times: number, originMs: number): Clock {
  return {
    now: () => originMs + (machineClock.now() - originMs) * times,
    monotonic: () => machineClock.monotonic() * times,
    sleep: (ms, signal) => machineClock.sleep(ms / times, signal),
    random: () => machineClock.random(),
  };
}
