/** A candidate waits for the gate confirm-rollout. No pod of it runs and no share is on. */
import { rollBack } from "../runs.ts";
import { repairActions, restActions, routeActions, routesObserved, steadyRoutes } from "../traffic.ts";
import { enter, type RunTurn, stay, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { started } from "./idle.ts";
import { announcement } from "./words.ts";

export function stepWaiting(turn: RunTurn): Step {
  const { run, seen, state, now } = turn;
  const routes = steadyRoutes(turn);
  // Pods of a rollout that this one follows may still be there.
  const resting = routesObserved(turn, routes) ? restActions(turn) : [];
  const repairs = [...routeActions(turn, routes), ...repairActions(turn), ...resting];
  const { candidate, presence } = seen.git;
  if (seen.git.state === "fresh" && (presence !== "declared" || candidate?.revision !== run.release.revision)) {
    return enter(turn, "idle", { run: null }, repairs);
  }
  if (run.rollback !== null) return rollBack(turn, run.rollback.cause, run.rollback.reason);
  const answer = seen.answers.hooks["confirm-rollout"];
  const open = run.openGates.includes("confirm-rollout") || answer?.type === "open";
  if (open && !state.suspended && state.paused === null) {
    const openGates = run.openGates.filter((gate) => gate !== "confirm-rollout");
    const next = { ...run, openGates, stage: "applying" as const, stageSince: now };
    return enter(turn, "starting", { run: next }, [...repairs, started(turn)]);
  }
  if (state.suspended || state.paused !== null) return waitAndTell(turn, "waiting", "Suspended.", { actions: repairs });
  if (answer === undefined) return stay(turn, {}, [...repairs, wakeAt(Math.max(now, run.nextCheckAt))]);
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const muted = answer.type !== "open" && answer.muteAlert;
  const telling = { severity: "warn" as const, alert: !muted, actions: [...repairs, wakeAt(nextCheckAt)] };
  const step = waitAndTell(turn, "waiting", announcement.confirmRollout(), telling);
  return { state: { ...step.state, run: { ...run, nextCheckAt } }, actions: step.actions };
}
