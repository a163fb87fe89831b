/**
 * Traffic goes back, that is observed, then the canary goes to zero; only then is Git written. Needs neither Git nor
 * the metrics server.
 */
import type { Action } from "../action.ts";
import { type Lock, lockDigest } from "../decision.ts";
import { remember } from "../locks.ts";
import { podTemplateOf } from "../release.ts";
import { lastOf, turnedDown } from "../runs.ts";
import { isSame } from "../same.ts";
import type { RollbackCause, State } from "../state.ts";
import {
  dropCaptured,
  repairActions,
  routeActions,
  routesObserved,
  routesOf,
  settleLeftMs,
  targetToZero,
  unfenceActions,
} from "../traffic.ts";
import { announce, enter, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { committed, REVERTED, undone } from "./pushing.ts";

const FAILED_HOOK: Action = { type: "call-hooks", hooks: "post-rollout", phase: "Failed" };

export function stepRollingBack(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const back: RunTurn = { ...turn, run: { ...run, weight: 0, mirror: false } };
  const routes = routesOf(back, back.run);
  const nobodyHome = seen.cluster.primary.exists && seen.cluster.primary.available === 0 &&
    seen.cluster.target.ready > 0;
  if (nobodyHome && seen.cluster.routes.weight > 0) {
    const what = "No pod of the primary is available: traffic cannot go back yet.";
    return waitAndTell(back, "stalled", what, { severity: "error", alert: true, actions: repairActions(turn) });
  }
  const writes = routeActions(back, routes);
  if (writes.length > 0) {
    return keep(back, { routedAt: null }, [...writes, ...repairActions(turn)], { waitsFor: "Routes traffic back." });
  }
  if (!routesObserved(back, routes)) {
    return keep(back, { routedAt: null }, repairActions(turn), { waitsFor: "Waits for the route to be accepted." });
  }
  const routedAt = run.routedAt ?? now;
  const left = settleLeftMs({ ...back, run: { ...back.run, routedAt } });
  if (left > 0) {
    return keep(back, { routedAt }, [...repairActions(turn), wakeAt(now + left)], {
      waitsFor: "Lets proxies follow before the canary goes to zero.",
    });
  }
  return rest({ ...back, run: { ...back.run, routedAt } });
}

/** Routes are back and settled: fence off, canary to zero, and the promotion that may be on its way taken back. */
function rest(turn: RunTurn): Step {
  const { run, seen, state } = turn;
  const cause: RollbackCause = run.rollback?.cause ?? "cancelled";
  const unfence = unfenceActions(turn);
  const floorOff: Action = { type: "floor-primary", floor: null };
  if (cause !== "superseded" || onlyConfigsChanged(turn)) {
    const zero = targetToZero(turn);
    if (zero.length > 0) {
      return keep(turn, {}, [...unfence, ...zero, floorOff], { waitsFor: "Scales the canary down." });
    }
  }
  const { decision } = state;
  if (decision !== null && decision.kind === "promotion") {
    const outcome = seen.decision;
    if (outcome?.type === "committed" && undone(turn)) {
      // Git is back at the lock by somebody's hand: what is left to do is what a failure leaves to do.
      const digest = lockDigest(decision.lock);
      const withdrawn = [...state.withdrawn.filter((known) => known !== digest), digest].slice(-10);
      const isBack = cause === "cancelled" || cause === "superseded";
      const reverted = isBack ? turn.run : { ...run, rollback: { cause: "failed" as const, reason: REVERTED } };
      const next = { ...turn, run: reverted, state: { ...state, decision: null, withdrawn } };
      return conclude(next, isBack ? cause : "failed", [...unfence, floorOff]);
    }
    if (outcome?.type === "committed") {
      return landedAnyway(turn, { lock: decision.lock, commit: outcome.commit }, cause);
    }
    const gone = outcome?.type === "withdrawn" || outcome?.type === "impossible";
    if (!gone) {
      const what = "Takes the promotion commit back, or finds out that it landed.";
      const actions: readonly Action[] = [...unfence, { type: "withdraw", decision: decision.id }];
      return keep(turn, {}, actions, { waitsFor: what });
    }
  }
  return conclude({ ...turn, state: { ...state, decision: null } }, cause, [...unfence, floorOff]);
}

/** Pods read a config when they start: those of the earlier candidate would pass for the newer one's, template and all. */
function onlyConfigsChanged({ run, seen }: RunTurn): boolean {
  const { candidate } = seen.git;
  return candidate !== null && candidate.revision !== run.release.revision &&
    isSame(podTemplateOf(candidate.target), podTemplateOf(run.release.target));
}

/**
 * The promotion landed though traffic went back. A release that failed is withdrawn; one that passed and only came
 * late is what Git says now, and is promoted from there without a share.
 */
function landedAnyway(
  turn: RunTurn,
  landed: { readonly lock: Lock; readonly commit: string },
  cause: RollbackCause,
): Step {
  const { run, state, now } = turn;
  if (cause === "failed") {
    return withdraw(
      { ...turn, state: { ...state, decision: null } },
      landed.lock,
      run.rollback?.reason ?? "The release failed.",
    );
  }
  const next = { ...run, stage: "applying" as const, stageSince: now, previous: state.lock, rollback: null };
  return enter(turn, "promoting", { ...remember(state, landed.lock), run: next, decision: null }, [
    committed(turn, landed.commit),
  ]);
}

/** Undoes a committed promotion in Git: the lock that users are on again, and the manifests back to it. */
function withdraw(turn: RunTurn, landed: Lock, reason: string): Step {
  const { state } = turn;
  const lock = state.lock;
  if (lock === null) return enter(turn, "new", { run: null });
  const decision = turnedDown(turn, "withdrawal", lock, reason);
  const withdrawn = [...state.withdrawn.filter((known) => known !== lockDigest(landed)), lockDigest(landed)].slice(-10);
  const patch = { ...expiring(turn), decision, withdrawn, last: lastOf(turn, "failed", reason) };
  return enter(turn, "reverting", patch, [...failure(turn), { type: "submit", decision }]);
}

/** The rollout's cookie is to be expired in browsers. */
function expiring(turn: RunTurn): Pick<State, "previousCookie"> {
  return { previousCookie: turn.run.cookies.canary ?? turn.state.previousCookie };
}

/** What is told and called when a rollout has failed, however far it had come. */
function failure(turn: RunTurn): readonly Action[] {
  const { id } = turn.run.canary;
  const message = `Canary failed! Scaling down ${id.name}.${id.namespace}`;
  return [announce(turn, "failed", message, { severity: "warn", part: "end" }), FAILED_HOOK];
}

/** What the rollout comes to, by its cause. */
function conclude(turn: RunTurn, cause: RollbackCause, before: readonly Action[]): Step {
  const { run, state } = turn;
  const actions = [...before, ...dropCaptured(run.release)];
  const reason = run.rollback?.reason ?? "";
  const cookies = expiring(turn);
  switch (cause) {
    case "superseded":
      return enter(
        turn,
        "idle",
        { ...cookies, run: null, decision: null, last: lastOf(turn, "cancelled", reason) },
        actions,
      );
    case "cancelled": {
      const told = announce(turn, "cancelled", `The rollout is over: ${reason}`, { part: "end" });
      return enter(turn, "idle", { ...cookies, run: null, decision: null, last: lastOf(turn, "cancelled", reason) }, [
        ...actions,
        told,
      ]);
    }
    case "held": {
      const told = announce(turn, "held", `Held, not failed: ${reason}`, {
        severity: "warn",
        alert: true,
        part: "end",
      });
      const held = { revision: run.release.revision, reason };
      return enter(turn, "idle", { ...cookies, run: null, decision: null, held, last: lastOf(turn, "held", reason) }, [
        ...actions,
        told,
        FAILED_HOOK,
      ]);
    }
    case "failed": {
      const lock = state.lock;
      if (lock === null) return enter(turn, "new", { run: null });
      const decision = turnedDown(turn, "revert", lock, reason);
      const patch = { ...cookies, decision, last: lastOf(turn, "failed", reason) };
      return enter(turn, "reverting", patch, [...actions, ...failure(turn), { type: "submit", decision }]);
    }
  }
}
