/** Waiting for a condition in tests that do real I/O: looks often, and gives up with the condition's name. */
import { machineClock } from "../../adapters/platform/clock.ts";

const LOOK_EVERY_MS = 2;

/** Resolves once the condition holds; an error that names it after `timeoutMs` of real time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const giveUpAtMs = machineClock.monotonic() + timeoutMs;
  while (!await condition()) {
    if (machineClock.monotonic() > giveUpAtMs) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await machineClock.sleep(LOOK_EVERY_MS);
  }
}
