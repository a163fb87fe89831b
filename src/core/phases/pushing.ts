/**
 * The verdict is "promote", and its commit is on its way. Checks go on; the phase has a deadline, after which traffic
 * goes back without quarantine. Nothing of the primary changes before the commit is in Git.
 */
import type { Action } from "../action.ts";
import { lockDigest } from "../decision.ts";
import { decisionId, makeDecision, makeLock, remember } from "../locks.ts";
import { rollBack } from "../runs.ts";
import { keepUpActions, refreshActions } from "../traffic.ts";
import { advance, announce, enter, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { recheck } from "./rechecking.ts";

/** How long a promotion commit may take to land, milliseconds. */
export const PUSH_DEADLINE_MS = 30 * 60_000;

export function toPushing(turn: RunTurn, reason: string): Step {
  const { run } = turn;
  if (run.rendered === null) return advance({ ...turn, run }, "comparing");
  const id = decisionId(run.id, "promotion");
  const lock = makeLock(turn, run.release, { ...run.rendered, digests: run.digests }, id);
  const decision = makeDecision(turn, {
    kind: "promotion",
    run: run.id,
    release: run.release,
    lock,
    reason,
    evidenceOf: run,
  });
  const next = { ...run, stage: "check" as const, stageSince: turn.now };
  return enter(turn, "pushing", { run: next, decision }, [{ type: "submit", decision }]);
}

export function stepPushing(turn: RunTurn): Step {
  const { run, state, seen, now } = turn;
  const { decision } = state;
  const outcome = seen.decision;
  if (decision === null) return rollBack(turn, "held", "The promotion was taken back before it was in Git.");
  if (outcome?.type === "committed") {
    return undone(turn) ? rollBack(turn, "failed", REVERTED) : promoted(turn, outcome.commit);
  }
  if (outcome?.type === "impossible") {
    // Held, not restarted: the same revision would come to the same end, with a share on each time.
    return rollBack(turn, "held", `The promotion cannot be written: ${outcome.reason}`);
  }
  const deadline = state.phaseSince + (seen.promotionDeadlineMs ?? PUSH_DEADLINE_MS);
  if (now >= deadline) {
    const why = outcome?.type === "pending" && outcome.reason !== null ? outcome.reason : "no answer";
    return rollBack(turn, "held", `The promotion commit did not land in time: ${why}`);
  }
  const keepUp = keepUpActions(turn);
  const rechecked = recheck(turn, keepUp);
  if (rechecked.type === "over") return rechecked.step;
  const checked = rechecked.turn;
  const traffic = run.weight > 0 || run.mirror ? { lastTrafficAt: now } : {};
  const asks = !run.canary.skipAnalysis && !state.suspended && state.paused === null;
  const wake = wakeAt(asks ? Math.min(deadline, Math.max(now, checked.run.nextCheckAt)) : deadline);
  const resubmit = outcome === null || outcome.type === "withdrawn" ? [{ type: "submit" as const, decision }] : [];
  const actions = [...rechecked.actions, ...resubmit, wake];
  if (outcome?.type === "pending" && outcome.reason !== null) {
    const telling = { severity: "warn" as const, alert: true, actions };
    const step = waitAndTell(
      checked,
      "git-pending",
      `The promotion commit is not in Git yet: ${outcome.reason}`,
      telling,
    );
    return { state: { ...step.state, ...traffic, run: checked.run }, actions: step.actions };
  }
  return keep(checked, {}, actions, { ...traffic, waitsFor: "Writes the promotion to Git." });
}

function promoted(turn: RunTurn, commit: string): Step {
  const { run, state } = turn;
  const { decision } = state;
  if (decision === null) return rollBack(turn, "held", "The promotion was taken back before it was in Git.");
  const told = committed(turn, commit);
  const next = { ...run, stage: "applying" as const, stageSince: turn.now, previous: state.lock };
  return enter(turn, "promoting", { ...remember(state, decision.lock), run: next, decision: null }, [
    told,
    ...refreshActions(turn),
  ]);
}

/** Why a release that was promoted in Git is taken for failed. */
export const REVERTED = "A person reverted the promotion commit: that is a rollback.";

/** The promotion landed, and the tip holds the lock from before it again. */
export function undone(turn: RunTurn): boolean {
  const { lock, state } = turn.seen.git;
  const remembered = turn.state.lock;
  return state === "fresh" && lock.type === "read" && remembered !== null &&
    lockDigest(lock.value) === lockDigest(remembered);
}

/** The promotion is in Git, in time or late. */
export function committed(turn: RunTurn, commit: string): Action {
  const { id } = turn.run.canary;
  const message = `Promotion of ${id.name}.${id.namespace} is committed as ${commit.slice(0, 10)}`;
  return announce(turn, "promoting", message, { details: { commit } });
}
