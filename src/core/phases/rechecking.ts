/**
 * Checks that go on while something else is waited for: pods of the next share, the promotion's commit. A round counts
 * and may end the rollout; it never moves it on.
 */
import type { Action } from "../action.ts";
import { count, gather, judgeRound } from "../analysis.ts";
import { rollBack } from "../runs.ts";
import { announce, type RunTurn, type Step } from "../turn.ts";
import { announcement } from "./words.ts";

export type Rechecked =
  | { readonly type: "goes-on"; readonly turn: RunTurn; readonly actions: readonly Action[] }
  | { readonly type: "over"; readonly step: Step };

/** @param keepUp actions that are due whatever the checks say */
export function recheck(turn: RunTurn, keepUp: readonly Action[]): Rechecked {
  const { run, seen, now } = turn;
  if (seen.answers.hooks.rollback?.type === "open") {
    return { type: "over", step: rollBack(turn, "failed", announcement.manualRollback(), keepUp) };
  }
  if (seen.answers.metrics === null) return { type: "goes-on", turn, actions: keepUp };
  const { analysis } = run.canary;
  const verdict = judgeRound(analysis, seen.answers);
  const evidence = gather(run.evidence, seen.answers, now);
  const nextCheckAt = now + analysis.intervalMs;
  const judged: RunTurn = { ...turn, run: { ...run, ...count(run, verdict), evidence, nextCheckAt } };
  if (verdict.type !== "failed") return { type: "goes-on", turn: judged, actions: keepUp };
  const { failedChecks, inconclusiveChecks } = judged.run;
  const told = announce(judged, "check-failed", verdict.message, {
    severity: "warn",
    part: `${failedChecks}/${nextCheckAt}`,
  });
  const actions = [...keepUp, told];
  if (failedChecks < analysis.threshold) return { type: "goes-on", turn: judged, actions };
  const step = inconclusiveChecks === failedChecks
    ? rollBack(judged, "held", `All failed checks were inconclusive: ${verdict.message}`, actions)
    : rollBack(judged, "failed", announcement.thresholdReached(failedChecks), actions);
  return { type: "over", step };
}
