/**
 * The primary of a committed promotion did not get ready: the previous lock (remembered, Git is not needed) is applied
 * again; when it is ready traffic goes back, the canary goes to zero, and Git is told.
 */
import { followLeftMs, primaryReady } from "../readiness.ts";
import { lastOf, turnedDown } from "../runs.ts";
import {
  repairActions,
  routeActions,
  routesObserved,
  routesOf,
  settleLeftMs,
  targetToZero,
  unfenceActions,
} from "../traffic.ts";
import { announce, enter, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { protectShare } from "./promoting.ts";

export function stepRestoring(turn: RunTurn): Step {
  const { run, state, seen, now } = turn;
  const lock = state.lock;
  if (lock === null) return enter(turn, "new", { run: null });
  const { primary } = seen.cluster;
  const repairs = repairActions(turn);
  const wanted = Math.max(1, primary.replicas);
  if (!primaryReady(turn)) {
    const relief = protectShare(turn);
    const what = `Waits for the previous primary: ${primary.ready} of ${wanted} pods are ready.`;
    const late = now >= run.stageSince + run.canary.progressDeadlineMs || primary.failed !== null;
    const actions = [...repairs, ...relief.actions];
    if (late && primary.revision === lock.release.revision) {
      const step = waitAndTell(turn, "stalled", what, { severity: "error", alert: true, actions });
      return { state: { ...step.state, run: { ...run, ...relief.run } }, actions: step.actions };
    }
    return keep(turn, relief.run, actions, { waitsFor: what });
  }
  const followLeft = seen.cluster.routes.weight > 0 ? followLeftMs(turn) : 0;
  if (followLeft > 0) {
    return keep(turn, {}, [...repairs, wakeAt(now + followLeft)], {
      waitsFor: "Lets proxies learn of the primary's pods before traffic goes back to them.",
    });
  }
  const back: RunTurn = { ...turn, run: { ...run, weight: 0, mirror: false } };
  const routes = routesOf(back, back.run);
  const writes = routeActions(back, routes);
  if (writes.length > 0 || !routesObserved(back, routes)) {
    return keep(back, { routedAt: null }, [...writes, ...repairs], { waitsFor: "Routes traffic back." });
  }
  const routedAt = run.routedAt ?? now;
  const left = settleLeftMs({ ...back, run: { ...back.run, routedAt } });
  if (left > 0) {
    return keep(back, { routedAt }, [...repairs, wakeAt(now + left)], {
      waitsFor: "Lets proxies follow before the canary goes to zero.",
    });
  }
  const zero = targetToZero(turn);
  if (zero.length > 0) {
    return keep(back, { routedAt }, [...unfenceActions(turn), ...zero, { type: "floor-primary", floor: null }], {
      waitsFor: "Scales the canary down.",
    });
  }
  const reason = run.rollback?.reason ?? "The primary of the promotion did not get ready.";
  const decision = turnedDown(turn, "withdrawal", lock, reason);
  const told = announce(
    turn,
    "failed",
    `Canary failed! Scaling down ${run.canary.id.name}.${run.canary.id.namespace}`,
    { severity: "warn" },
  );
  const previousCookie = run.cookies.canary ?? state.previousCookie;
  return enter(turn, "reverting", { decision, last: lastOf(turn, "failed", reason), previousCookie }, [
    ...unfenceActions(turn),
    { type: "floor-primary", floor: null },
    told,
    { type: "call-hooks", hooks: "post-rollout", phase: "Failed" },
    { type: "submit", decision },
  ]);
}
