/**
 * The decision: what was remembered and what was read give what to remember next and what to do now. Pure and total;
 * the rules that hold in many phases stand before the switch, once.
 */
import { rollBack } from "./runs.ts";
import { stepIdle } from "./phases/idle.ts";
import { stepInitialising, stepNew } from "./phases/adoption.ts";
import { stepFinalising, stepPromoting } from "./phases/promoting.ts";
import { stepHandingBack } from "./phases/handing_back.ts";
import { stepProgressing } from "./phases/progressing.ts";
import { stepPushing } from "./phases/pushing.ts";
import { stepRestoring } from "./phases/restoring.ts";
import { stepReverting } from "./phases/reverting.ts";
import { stepRollingBack } from "./phases/rolling_back.ts";
import { stepStarting } from "./phases/starting.ts";
import { stepWaiting } from "./phases/waiting.ts";
import { withReadySince } from "./readiness.ts";
import { targetLeaves } from "./traffic.ts";
import type { Observation } from "./observation.ts";
import type { State } from "./state.ts";
import { enter, type RunTurn, stay, type Step, type Turn } from "./turn.ts";

export function step(state: State, seen: Observation, now: number): Step {
  const canary = state.run?.canary ?? seen.git.canary ?? state.canary;
  if (canary === null) {
    return {
      state: { ...state, stalled: seen.git.complaint ?? "The Canary cannot be read.", waitsFor: null },
      actions: [],
    };
  }
  const known = seen.git.canary ?? state.canary;
  const suspended = seen.git.canary?.suspend ?? state.suspended;
  const turn: Turn = { canary, state: { ...state, canary: known, suspended }, seen, now };
  const { run } = turn.state;
  if (run === null) return withoutRun(turn);
  const running: RunTurn = withReadySince({ ...turn, run });
  return guard(running) ?? withRun(running);
}

function withoutRun(turn: Turn): Step {
  switch (turn.state.phase) {
    case "new":
      return stepNew(turn);
    case "idle":
      return stepIdle(turn);
    case "reverting":
      return stepReverting(turn);
    case "handing-back":
      return stepHandingBack(turn);
    case "released":
      return released(turn);
    case "initialising":
    case "waiting":
    case "starting":
    case "progressing":
    case "waiting-promotion":
    case "pushing":
    case "promoting":
    case "finalising":
    case "rolling-back":
    case "restoring":
      return enter(turn, turn.state.lock === null ? "new" : "idle");
  }
}

function withRun(turn: RunTurn): Step {
  switch (turn.state.phase) {
    case "new":
      return stepNew(turn);
    case "initialising":
      return stepInitialising(turn);
    case "idle":
      return enter(turn, "idle", { run: null });
    case "waiting":
      return stepWaiting(turn);
    case "starting":
      return stepStarting(turn);
    case "progressing":
    case "waiting-promotion":
      return stepProgressing(turn);
    case "pushing":
      return stepPushing(turn);
    case "promoting":
      return stepPromoting(turn);
    case "finalising":
      return stepFinalising(turn);
    case "rolling-back":
      return stepRollingBack(turn);
    case "reverting":
      return stepReverting(turn);
    case "restoring":
      return stepRestoring(turn);
    case "handing-back":
      return stepHandingBack(turn);
    case "released":
      return released(turn);
  }
}

/** A Canary that comes back after it was released starts again from what serves. */
function released(turn: Turn): Step {
  if (turn.seen.git.presence !== "declared") return stay(turn);
  return enter(turn, turn.state.lock === null ? "new" : "idle", { run: null });
}

/**
 * What ends a rollout whatever its stage: something unanalysed on the target, a newer candidate, the tip back at the
 * lock, the Canary gone. Only in phases where the candidate may still be turned back.
 */
function guard(turn: RunTurn): Step | null {
  const { run, state, seen } = turn;
  switch (state.phase) {
    case "starting":
    case "progressing":
    case "waiting-promotion":
    case "pushing":
      break;
    default:
      return null;
  }
  const { target } = seen.cluster;
  // One that is being deleted may be there for as long as its pods take to go; they are not ready for that alone.
  if (run.templateDigest !== null && (target.templateDigest !== run.templateDigest || target.deleting)) {
    const what = target.exists && !target.deleting
      ? "The live target is no longer what was analysed."
      : "The target was deleted.";
    return rollBack(turn, "superseded", what);
  }
  // An engine without our fence would have deleted it by now.
  if (targetLeaves(turn) && seen.cluster.leaving?.applied === true) {
    return rollBack(turn, "cancelled", "The target left Git.");
  }
  if (seen.git.state !== "fresh") return null;
  if (seen.git.presence === "removed") return rollBack(turn, "cancelled", "The Canary was removed from Git.");
  const { candidate, presence } = seen.git;
  if (presence !== "declared" || candidate === null || candidate.revision === run.release.revision) return null;
  const atLock = candidate.revision === state.lock?.release.revision;
  const name = `${run.canary.target.name}.${run.canary.id.namespace}`;
  return atLock
    ? rollBack(turn, "cancelled", "Git is back at the release that users are on.")
    : rollBack(turn, "superseded", `New revision detected! Restarting analysis for ${name}`);
}
