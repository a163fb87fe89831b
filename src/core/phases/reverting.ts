/** A verdict is on its way to Git and nothing else hangs on it: users are on the lock, no share is on. */
import { impossibleKey, remember } from "../locks.ts";
import {
  dropCaptured,
  refreshActions,
  repairActions,
  restActions,
  routeActions,
  routesObserved,
  steadyRoutes,
} from "../traffic.ts";
import { alsoTold, announce, enter, stay, type Step, type Turn, waitAndTell, wakeAt } from "../turn.ts";
import type { State } from "../state.ts";

const REASON_CHARS_MAX = 2_000;

export function stepReverting(turn: Turn): Step {
  const { state, seen } = turn;
  const { decision } = state;
  const back = routeActions(turn, steadyRoutes(turn));
  const resting = routesObserved(turn, steadyRoutes(turn)) ? restActions(turn) : [];
  const keepUp = [...back, ...repairActions(turn), ...resting];
  if (decision === null) return enter(turn, "idle", { run: null }, keepUp);
  const outcome = seen.decision;
  if (outcome === null) {
    return stay(turn, { waitsFor: "Writes the verdict to Git." }, [...keepUp, { type: "submit", decision }]);
  }
  const over: Partial<State> = { run: null, decision: null };
  const about = decision.quarantine?.release.revision ?? null;
  switch (outcome.type) {
    case "committed": {
      const off = decision.kind === "rollback" ? usersGoOff(turn) : null;
      if (off !== null) return stay(turn, { waitsFor: off.what }, [...keepUp, wakeAt(off.until)]);
      const told = announce(turn, "decided", `${decision.reason} Git says so in ${outcome.commit.slice(0, 10)}.`, {
        details: { commit: outcome.commit, decision: decision.kind },
        part: decision.id,
      });
      const isLock = ["withdrawal", "rollback", "restore-lock", "adoption"].includes(decision.kind);
      const history = isLock ? remember(state, decision.lock) : {};
      const quarantined = about === null ? state.quarantined : state.quarantined.filter((known) => known !== about);
      return enter(turn, "idle", { ...over, ...history, previousLock: state.previousLock, quarantined }, [
        ...keepUp,
        ...dropCaptured(decision.release),
        ...refreshActions(turn),
        told,
      ]);
    }
    case "impossible": {
      const reason = `The verdict cannot be written: ${outcome.reason} The cluster stays on the lock.`;
      const told = announce(turn, "held", reason, { severity: "warn", alert: true, part: decision.id });
      const quarantined = about === null
        ? state.quarantined
        : [...state.quarantined.filter((known) => known !== about), about].slice(-20);
      const known = alsoTold(state, impossibleKey(decision.id));
      const last = withReason(state.last, reason);
      return enter(turn, "idle", { ...over, last, quarantined, told: known }, [
        ...keepUp,
        ...dropCaptured(decision.release),
        told,
      ]);
    }
    case "withdrawn": {
      const quarantined = about === null
        ? state.quarantined
        : [...state.quarantined.filter((known) => known !== about), about].slice(-20);
      return enter(turn, "idle", { ...over, quarantined }, keepUp);
    }
    case "pending":
      return pending(turn, outcome.reason, keepUp);
  }
}

/** Told where people look later, too, once: it may name a branch to go on from. */
function withReason(last: State["last"], reason: string): State["last"] {
  if (last === null || last.reason.includes(reason)) return last;
  return { ...last, reason: `${last.reason} ${reason}`.slice(0, REASON_CHARS_MAX) };
}

/**
 * A release that users were on is rolled back only when no pod of the primary runs it any more. Bounded, and a newer
 * candidate does not wait for it; null when nothing is left to wait for.
 */
function usersGoOff({ state, seen, canary, now }: Turn): { readonly what: string; readonly until: number } | null {
  const { primary } = seen.cluster;
  const { candidate } = seen.git;
  const revision = state.lock?.release.revision;
  const until = state.phaseSince + canary.progressDeadlineMs;
  const isNewer = candidate !== null && candidate.revision !== revision &&
    candidate.revision !== state.decision?.quarantine?.release.revision;
  const isOff = primary.revision === revision && primary.observed && primary.old === 0;
  if (isOff || isNewer || now >= until) return null;
  return { what: "Waits until no pod of the primary runs what was rolled back.", until };
}

/** A newer candidate makes a revert that cannot land pointless: it is dropped, the quarantine stays here. */
function pending(turn: Turn, reason: string | null, keepUp: Step["actions"]): Step {
  const { state, seen } = turn;
  const { decision } = state;
  const candidate = seen.git.state === "fresh" ? seen.git.candidate : null;
  const about = decision?.quarantine?.release.revision ?? null;
  const onLock = state.lock !== null && candidate?.revision === state.lock.release.revision;
  const newer = decision?.kind === "revert" && candidate !== null && candidate.revision !== about && !onLock;
  if (newer && reason !== null && decision !== null) {
    return stay(turn, { waitsFor: "Drops a revert that a newer candidate made pointless." }, [...keepUp, {
      type: "withdraw",
      decision: decision.id,
    }]);
  }
  if (reason === null) return stay(turn, { waitsFor: "Writes the verdict to Git." }, keepUp);
  const what = `The verdict is not in Git yet: ${reason}`;
  return waitAndTell(turn, "git-pending", what, { severity: "warn", alert: true, actions: keepUp });
}
