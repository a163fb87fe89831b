/**
 * When a quarantined revision that is pushed again is reverted again: later each time, and a bounded number of times a
 * day. Pure; the same rule says what the agent does and what the status file tells people.
 */
import type { QuarantineEntry } from "./decision.ts";

/** Reverts of one revision within 24 hours before the agent stops for a day and says so. */
export const REVERTS_A_DAY_MAX = 10;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const DELAY_MINUTES_MAX = 60;

export interface NextRevert {
  /** Epoch milliseconds; not before this. */
  readonly at: number;
  /** Minutes after the last one. */
  readonly delayMinutes: number;
  /** There were as many within a day as there may be: the agent stops until the day is over. */
  readonly isSpent: boolean;
}

/**
 * The delay doubles with each revert within a day of the last one, from a minute to an hour. A day after the last one
 * all starts anew, so no 24 hours ever hold more than `REVERTS_A_DAY_MAX`.
 */
export function nextRevert(entry: Pick<QuarantineEntry, "recentReverts" | "lastRevertAt">): NextRevert {
  const { lastRevertAt } = entry;
  const lately = recentOf(entry.recentReverts, lastRevertAt).length;
  const isSpent = lately >= REVERTS_A_DAY_MAX;
  const delayMinutes = isSpent ? DAY_MS / MINUTE_MS : Math.min(DELAY_MINUTES_MAX, 2 ** Math.max(0, lately - 1));
  return { at: lastRevertAt + delayMinutes * MINUTE_MS, delayMinutes, isSpent };
}

/** The times of reverts after one at `at`, newest first: those of the day before it, no more than count. */
export function withRevert(known: readonly number[], at: number): readonly number[] {
  return [at, ...recentOf(known, at)].slice(0, REVERTS_A_DAY_MAX);
}

/** A time that is ahead of the last one comes from a clock that was set, and counts too: rather one revert too few. */
function recentOf(times: readonly number[], lastAt: number): readonly number[] {
  return times.filter((at) => lastAt - at < DAY_MS);
}
