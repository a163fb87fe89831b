/** Follows the weight that the agent reports, to compare it with what users got. */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { CanaryDetail } from "../../src/ports/agent.ts";
import type { WeightSpan } from "./shares.ts";

export interface WeightWatch {
  /** Spans so far, without their first moments, in which proxies were still following. */
  stop(): Promise<readonly WeightSpan[]>;
}

const LOOK_EVERY_MS = 100;

/** @param settleMs left out at the start of each span */
export function watchWeights(look: () => Promise<CanaryDetail | undefined>, settleMs: number): WeightWatch {
  const end = new AbortController();
  const spans: WeightSpan[] = [];
  const following = (async () => {
    let current = { weight: -1, fromMs: 0 };
    while (!end.signal.aborted) {
      // Before the question: a change that is seen in the answer came after this time or was there already.
      const askedMs = machineClock.now();
      const view = await look().catch(() => undefined);
      if (view !== undefined && view.weight !== current.weight) {
        if (current.weight >= 0) spans.push({ ...current, toMs: askedMs - LOOK_EVERY_MS - 50 });
        current = { weight: view.weight, fromMs: machineClock.now() + settleMs };
      }
      await machineClock.sleep(LOOK_EVERY_MS, end.signal).catch(() => {});
    }
  })();
  return {
    async stop() {
      end.abort();
      await following;
      return spans.filter(({ fromMs, toMs }) => toMs > fromMs);
    },
  };
}
