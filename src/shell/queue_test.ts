/** Turns come when they were asked for, also when somebody sets the clock meanwhile. */
import { deepStrictEqual } from "node:assert/strict";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { KeyQueue } from "./queue.ts";

const HOUR = 3_600_000;

/** Runs a queue; what came at which second since the start. */
async function turnsOf(body: (queue: KeyQueue, clock: ManualClock) => Promise<void>): Promise<readonly string[]> {
  const clock = new ManualClock();
  const turns: string[] = [];
  const turn = (key: string) => Promise.resolve(void turns.push(`${key} ${Math.round(clock.monotonic() / 1000)}`));
  const queue = new KeyQueue({ clock, parallel: 2, turn });
  const end = new AbortController();
  const running = queue.run(end.signal);
  await body(queue, clock);
  end.abort();
  await clock.advance(1);
  await running;
  return turns;
}

for (const skew of [0, HOUR, -HOUR]) {
  Deno.test(`a turn comes after its time, with the clock set by ${skew / HOUR} h meanwhile`, async () => {
    const turns = await turnsOf(async (queue, clock) => {
      queue.add("prod/shop", clock.now() + 60_000);
      queue.add("prod/cart", clock.now() + 30_000);
      clock.skew = skew;
      queue.add("prod/shop", clock.now() + 90_000);
      await clock.advance(29_000);
      queue.add("prod/now", clock.now());
      await clock.advance(61_000);
    });
    deepStrictEqual(turns, ["prod/now 29", "prod/cart 30", "prod/shop 60"]);
  });
}
