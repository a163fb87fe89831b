/**
 * The last of a removal: the Canary is gone, and all that was derived, its target too or serving again; the lock leaves
 * Git. It would say of no user what he is on, and a Canary that came back under its name years later would start from it.
 * What is remembered of it is forgotten in the very step that decides so: a Canary that comes back then finds what Git has,
 * and nothing that was lost is written again.
 */
import type { Decision, Lock } from "../decision.ts";
import { lockDigest } from "../decision.ts";
import { decisionId, impossibleKey, makeDecision, runId } from "../locks.ts";
import type { State } from "../state.ts";
import { alsoTold, announce, enter, stay, type Step, type Turn, waitAndTell, waitFor, wakeAt } from "../turn.ts";

const FORGOTTEN: Partial<State> = {
  run: null,
  lock: null,
  previousLock: null,
  withdrawn: [],
  lockHistory: [],
  held: null,
  quarantined: [],
  adopted: false,
};

/** The target went along with its Canary, and for certain. */
export function isGone({ seen }: Turn): boolean {
  return !seen.cluster.target.exists && seen.cluster.targetUndeclared;
}

/** What has become of the target, by the kind of decision. */
const WHY = { "removal": "The Canary and its target are gone", "hand-back": "The target serves again" } as const;

/** Decides that the lock leaves Git; null where Git has none of this cluster's. */
export function forgetLock(turn: Turn): Step | null {
  const { state, seen } = turn;
  if (seen.git.state !== "fresh") return waitFor(turn, "Waits for Git, from which the lock is to go.");
  const lock = ownLock(turn);
  if (lock === null) return null;
  const run = runId(state, `${lockDigest(lock)}/${seen.git.commit ?? ""}`, state.phaseSince);
  const kind = isGone(turn) ? "removal" : "hand-back";
  // The next commit is looked at at once, and nothing else changes the answer.
  if (state.told.includes(impossibleKey(decisionId(run, kind)))) {
    return waitFor(turn, "The lock cannot be removed from Git as it is.");
  }
  const reason = `${WHY[kind]}, and all that was derived is gone: the lock goes too.`;
  const decision = makeDecision(turn, { kind, run, release: lock.release, lock, reason });
  return submitted({ ...turn, state: { ...state, ...FORGOTTEN, decision } }, decision);
}

/** Follows the commit that removes the lock. A Canary that is back takes the decision back before anything else. */
export function stepForgetting(turn: Turn, decision: Decision): Step {
  const { seen, state } = turn;
  const { decision: outcome } = seen;
  const isBack = seen.git.presence === "declared";
  if (isBack && (outcome === null || outcome.type === "pending")) {
    const what = "The Canary is back: takes the removal of its lock back.";
    return waitFor(turn, what, [{ type: "withdraw", decision: decision.id }]);
  }
  if (isBack) return enter(turn, "new", { decision: null });
  if (outcome === null) return submitted(turn, decision);
  switch (outcome.type) {
    case "pending":
      if (outcome.reason === null) return waitFor(turn, WRITES);
      return waitAndTell(turn, "git-pending", `The lock is still in Git: ${outcome.reason}`, {
        severity: "warn",
        alert: true,
      });
    case "committed": {
      const commit = outcome.commit.slice(0, 10);
      const why = decision.kind === "hand-back" ? WHY["hand-back"] : WHY.removal;
      const what = `${why}: what was derived is removed, its lock too (${commit}).`;
      const details = { commit: outcome.commit, decision: decision.kind };
      return enter(turn, "released", { decision: null }, [announce(turn, "removed", what, { alert: true, details })]);
    }
    case "impossible": {
      const what = `The lock stays in Git: ${outcome.reason}`;
      const told = alsoTold(state, impossibleKey(decision.id));
      const said = announce(turn, "held", what, { severity: "warn", alert: true, part: decision.id });
      return stay(turn, { decision: null, told, waitsFor: what }, [said, wakeAt(turn.now)]);
    }
    case "withdrawn":
      // It came back and left again: another removal, told from this one by its time.
      return enter(turn, "handing-back", { decision: null });
  }
}

const WRITES = "Removes the lock from Git.";

/** Derived objects are asked for once more: a process that died between two of them left the rest. */
function submitted(turn: Turn, decision: Decision): Step {
  const restoreRoutes = !isGone(turn);
  return waitFor(turn, WRITES, [{ type: "remove-derived", restoreRoutes }, { type: "submit", decision }]);
}

/** What people should know of a lock that is not ours to remove; "" where there is none. */
export function whyLockStays({ seen }: Turn): string {
  const { lock } = seen.git;
  switch (lock.type) {
    case "absent":
      return "";
    case "broken":
      return ` Its lock in Git cannot be read, and stays: ${lock.reason}`;
    case "read":
      return ` Its lock in Git is of cluster "${lock.value.cluster.name}", and stays.`;
  }
}

/** The lock that Git has of this cluster, or the remembered one where only its status file is left. */
function ownLock({ seen, state }: Turn): Lock | null {
  const { lock, status } = seen.git;
  const { uid } = seen.cluster;
  if (lock.type === "read") return lock.value.cluster.uid === uid ? lock.value : null;
  const isOurs = lock.type === "absent" && status.type === "read" && status.value.cluster.uid === uid;
  return isOurs ? state.lock : null;
}
