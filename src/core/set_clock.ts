/**
 * The times that a state remembers, after somebody set the clock. They are compared with what the clock says now, so
 * that a clock set forward would end every deadline at once, and one set back would make each wait that much longer.
 */
import type { State } from "./state.ts";

/** The state as if all of it had happened so much later, milliseconds; only a rollout's times are of any account. */
export function movedBy(state: State, ms: number): State {
  return state.run === null ? state : withTimes(state, (at) => at + ms);
}

/** The state without times that have not come yet: nothing happened in the future, and a check is due in time. */
export function notAhead(state: State, now: number): State {
  const { run, phaseSince, lastTrafficAt } = state;
  const latest = Math.max(
    phaseSince,
    lastTrafficAt ?? 0,
    run?.stageSince ?? 0,
    run?.routedAt ?? 0,
    run?.readySince ?? 0,
  );
  const intervalMs = run?.canary.analysis.intervalMs ?? 0;
  const checkMax = now + intervalMs;
  if (latest <= now && (run === null || run.nextCheckAt <= checkMax)) return state;
  const past = withTimes(state, (at) => Math.min(at, now));
  if (run === null || past.run === null) return past;
  return { ...past, run: { ...past.run, nextCheckAt: Math.min(run.nextCheckAt, checkMax) } };
}

function withTimes(state: State, change: (at: number) => number): State {
  const { run, phaseSince, lastTrafficAt } = state;
  return {
    ...state,
    phaseSince: change(phaseSince),
    lastTrafficAt: lastTrafficAt === null ? null : change(lastTrafficAt),
    run: run === null ? null : {
      ...run,
      stageSince: change(run.stageSince),
      routedAt: run.routedAt === null ? null : change(run.routedAt),
      readySince: run.readySince === null ? null : change(run.readySince),
      nextCheckAt: change(run.nextCheckAt),
    },
  };
}
