/** However often a bot pushes a bad revision again: what its reverts come to over days. */
import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { nextRevert, REVERTS_A_DAY_MAX, withRevert } from "./quarantine.ts";

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

/** Reverts as early as the rule allows after each push; the gaps are how long the bot takes. */
function revertsUnder(gaps: readonly number[]): readonly number[] {
  const times: number[] = [0];
  let recent = withRevert([], 0);
  for (const gap of gaps) {
    const last = times.at(-1) ?? 0;
    const at = Math.max(last + gap, nextRevert({ lastRevertAt: last, recentReverts: recent }).at);
    times.push(at);
    recent = withRevert(recent, at);
  }
  return times;
}

Deno.test("nextRevert() makes a bot that pushes every second wait 1, 2, 4 ... 60 minutes, then a day, then anew", () => {
  const times = revertsUnder(Array.from({ length: 11 }, () => 1_000));
  const waits = times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / MINUTE);
  deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 1_440, 1]);
});

Deno.test("nextRevert() lets no 24 hours hold more than ten reverts, and never waits longer than a day", () => {
  const gaps = fc.array(fc.oneof(fc.nat(MINUTE), fc.nat(DAY / 8), fc.nat(2 * DAY)), { maxLength: 60 });
  fc.assert(fc.property(gaps, (bot) => {
    const times = revertsUnder(bot);
    for (const from of times) {
      const within = times.filter((at) => at >= from && at < from + DAY).length;
      ok(within <= REVERTS_A_DAY_MAX, `${within} reverts in the day after ${from}`);
    }
    for (const [index, gap] of bot.entries()) {
      ok((times[index + 1] ?? 0) <= (times[index] ?? 0) + Math.max(gap, DAY));
    }
  }));
});
