/**
 * States whose times hold though the machine's clock is set: what this process remembers moves along with the clock, by
 * the monotonic one, and what another process left behind is never ahead of it.
 */
import { canaryKey } from "../core/canary.ts";
import { movedBy, notAhead } from "../core/set_clock.ts";
import type { Clock } from "../ports/clock.ts";
import type { StateStore } from "./store.ts";

/** Less is drift between the two clocks, or a clock that is being slewed. */
const SET_MS_MIN = 10_000;

/**
 * *Caveats*: while nothing runs, a clock that is set forward looks like time that has passed; it makes deadlines end
 * early in a rollout that was under way.
 */
export function steadyStore(store: StateStore, clock: Clock): StateStore {
  /** What wall time was ahead of the monotonic clock when a state was last remembered. */
  const leads = new Map<string, number>();
  const lead = (): number => clock.now() - clock.monotonic();
  return {
    async load(id, now) {
      const state = await store.load(id, now);
      const key = canaryKey(id);
      const known = leads.get(key);
      if (known === undefined) leads.set(key, lead());
      const ms = known === undefined ? 0 : lead() - known;
      return notAhead(Math.abs(ms) < SET_MS_MIN ? state : movedBy(state, ms), now);
    },
    async save(state, signal) {
      const at = lead();
      await store.save(state, signal);
      leads.set(canaryKey(state.id), at);
    },
    forget(id) {
      leads.delete(canaryKey(id));
      store.forget(id);
    },
    forgetAll() {
      leads.clear();
      store.forgetAll();
    },
    async remove(id) {
      leads.delete(canaryKey(id));
      await store.remove(id);
    },
    known: () => store.known(),
  };
}
