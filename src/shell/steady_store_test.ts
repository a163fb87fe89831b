/** What is remembered moves along with a clock that is set; what another process left is never ahead of it. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { State } from "../core/state.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MINUTE, rollingOut } from "../../test/support/core_builders.ts";
import { steadyStore } from "./steady_store.ts";
import type { StateStore } from "./store.ts";

const HOUR = 60 * MINUTE;

/** Remembers one state. */
function memory(first: State): StateStore {
  let state = first;
  return {
    load: () => Promise.resolve(state),
    save: (next) => Promise.resolve(void (state = next)),
    forget: () => {},
    forgetAll: () => {},
    remove: () => Promise.resolve(),
    known: () => [],
  };
}

for (const ms of [HOUR, -HOUR]) {
  Deno.test(`a clock that is set by ${ms / HOUR} h: nothing is older or younger than it was, saved or not`, async () => {
    const clock = new ManualClock();
    const { state } = rollingOut("progressing", { run: { stageSince: clock.now(), routedAt: clock.now() } });
    const store = steadyStore(memory({ ...state, phaseSince: clock.now() }), clock);
    const age = async (): Promise<readonly number[]> => {
      const { run, phaseSince } = await store.load(state.id, clock.now());
      return [phaseSince, run?.stageSince ?? 0, run?.routedAt ?? 0].map((at) => clock.now() - at);
    };
    deepStrictEqual(await age(), [0, 0, 0]);
    clock.skew = ms;
    await clock.advance(MINUTE);
    deepStrictEqual(await age(), [MINUTE, MINUTE, MINUTE]);
    deepStrictEqual(await age(), [MINUTE, MINUTE, MINUTE], "and a second time before anything is saved");
    await store.save(await store.load(state.id, clock.now()));
    deepStrictEqual(await age(), [MINUTE, MINUTE, MINUTE]);
    clock.skew = 0;
    deepStrictEqual(await age(), [MINUTE, MINUTE, MINUTE], "and back again");
  });
}

Deno.test("a state that another process left is not ahead of this one's clock", async () => {
  const clock = new ManualClock();
  const { state } = rollingOut("progressing", { run: { stageSince: clock.now() + HOUR } });
  const loaded = await steadyStore(memory(state), clock).load(state.id, clock.now());
  strictEqual(loaded.run?.stageSince, clock.now());
});
