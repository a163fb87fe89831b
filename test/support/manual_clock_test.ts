/** The manual clock itself: order, nesting, aborts, skew. Everything timed in the tests rests on these. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { MANUAL_CLOCK_START_MS, ManualClock } from "./manual_clock.ts";

Deno.test("sleeps run in the order they fall due, and loops keep their rhythm within one advance", async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const loop = async (name: string, everyMs: number) => {
    for (let round = 0; round < 3; round++) {
      await clock.sleep(everyMs);
      seen.push(`${name}@${clock.monotonic()}`);
    }
  };
  const both = Promise.all([loop("slow", 30), loop("fast", 10)]);
  await clock.advance(30);
  deepEqual(seen, ["fast@10", "fast@20", "slow@30", "fast@30"]);
  await clock.advance(1000);
  await both;
  equal(seen.at(-1), "slow@90");
  equal(clock.monotonic(), 1030);
  equal(clock.now(), MANUAL_CLOCK_START_MS + 1030);
  equal(clock.sleeping, 0);
});

Deno.test("a sleep does not end before it is due", async () => {
  const clock = new ManualClock();
  let woken = false;
  const sleep = clock.sleep(100).then(() => woken = true);
  await clock.advance(99);
  equal(woken, false);
  equal(clock.nextDueMs(), 1);
  await clock.advance(1);
  equal(woken, true);
  await sleep;
});

Deno.test("an aborted sleep rejects with the signal's reason and is forgotten", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const sleep = clock.sleep(100, stop.signal);
  stop.abort(new Error("stopped"));
  await rejects(sleep, /stopped/);
  await rejects(clock.sleep(1, stop.signal), /stopped/);
  equal(clock.sleeping, 0);
});

Deno.test("skew moves wall time only; random repeats from its seed", () => {
  const clock = new ManualClock(1000);
  clock.skew = -400;
  equal(clock.now(), 600);
  equal(clock.monotonic(), 0);
  const numbers = (seed: number) => {
    const seeded = new ManualClock(0, seed);
    return [seeded.random(), seeded.random(), seeded.random()];
  };
  deepEqual(numbers(7), numbers(7));
  equal(numbers(7)[0] === numbers(8)[0], false);
  for (const value of numbers(7)) equal(value >= 0 && value < 1, true);
});
