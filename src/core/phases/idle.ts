/**
 * Users are on the lock. Keeps what was derived as the lock has it, judges a lock that changed in Git, and sees a new
 * candidate. A settled idle canary asks for nothing.
 */
import type { Action } from "../action.ts";
import { type Lock, lockDigest, type QuarantineEntry } from "../decision.ts";
import {
  decisionId,
  IMPOSSIBLE_AGAIN_MS,
  impossibleKey,
  judgeLock,
  lockDifference,
  type LockJudgement,
  makeDecision,
  remember,
  runId,
} from "../locks.ts";
import { nextRevert } from "../quarantine.ts";
import type { Release } from "../release.ts";
import { newRun } from "../runs.ts";
import { protectActions, repairActions, restActions, routeActions, routesObserved, steadyRoutes } from "../traffic.ts";
import { announce, enter, stay, type Step, type Turn, waitAndTell, wakeAt } from "../turn.ts";
import { announcement } from "./words.ts";

export function stepIdle(turn: Turn): Step {
  const { state, seen, canary } = turn;
  if (state.lock === null) return enter(turn, "new");
  const routes = steadyRoutes(turn);
  const back = routeActions(turn, routes);
  const repairs = [...back, ...repairActions(turn)];
  const stray = canary.traits.weights && (seen.cluster.routes.weight > 0 || seen.cluster.routes.mirror);
  if (stray && seen.cluster.target.replicas > 0) {
    const what = "Traffic was on the canary without a rollout: it goes back.";
    const told = announce(turn, "cancelled", what, { severity: "warn", alert: true, part: String(turn.now) });
    return enter(turn, "idle", { lastTrafficAt: turn.now }, [...repairs, told]);
  }
  // Seen to be back for the first time: proxies follow from here on.
  const isBack = state.lastTrafficAt !== null && state.lastTrafficAt >= state.phaseSince;
  if (isBack && turn.now > state.phaseSince) return enter(turn, "idle", {}, repairs);
  if (seen.git.state === "unknown") return stay(turn, {}, repairs);
  if (seen.git.state === "fresh") {
    const judged = byLock(turn, judge(turn), repairs);
    if (judged !== null) return judged;
  }
  if (seen.git.presence === "removed") return enter(turn, "handing-back", {}, repairs);
  const resting = restAtZero(turn, repairs);
  if (seen.git.presence === "held-removal") {
    return waitAndTell(
      turn,
      "stalled",
      'Many canaries went from Git at once: run "serin confirm-removal" or bring them back.',
      {
        severity: "warn",
        alert: true,
        actions: resting,
      },
    );
  }
  if (seen.git.complaint !== null) {
    return stalled(turn, seen.git.complaint, resting);
  }
  const { candidate } = seen.git;
  if (candidate === null || seen.git.presence !== "declared") return stay(turn, { stalled: null }, resting);
  return byCandidate(turn, candidate, { repairs, resting });
}

function stalled(turn: Turn, reason: string, actions: readonly Action[]): Step {
  const step = waitAndTell(turn, "stalled", reason, { severity: "warn", alert: true, actions });
  return { state: { ...step.state, stalled: reason }, actions: step.actions };
}

/** What brings an idle canary to rest once its routes are back: no fence, no pods of the target. */
function restAtZero(turn: Turn, repairs: readonly Action[]): readonly Action[] {
  const routesWrong = repairs.some((action) => action.type === "route") || !routesObserved(turn, steadyRoutes(turn));
  return routesWrong ? repairs : [...repairs, ...restActions(turn)];
}

function judge(turn: Turn): LockJudgement {
  const { state, seen } = turn;
  const status = seen.git.status.type === "read" ? seen.git.status.value : null;
  return judgeLock(state, {
    lock: seen.git.lock,
    lastDecision: status?.last.id ?? null,
    history: status?.history.map((entry) => entry.lock) ?? [],
  }, seen.cluster);
}

/** Follows a lock that is not the remembered one; null where it is, and the turn goes on. */
function byLock(turn: Turn, judged: LockJudgement, repairs: readonly Action[]): Step | null {
  const { state } = turn;
  const lock = state.lock;
  if (lock === null) return null;
  if (judged.type !== "same" && isForeign(turn, lock)) return stalled(turn, notAdopted(turn, lock), repairs);
  switch (judged.type) {
    case "same":
      return null;
    case "missing":
    case "withdrawn":
      return restoreLock(turn, lock, { judged: judged.type, repairs });
    case "ours": {
      const run = {
        ...newRun(turn, judged.lock.release, {
          stage: "applying",
          replicas: Math.max(1, turn.seen.cluster.primary.replicas),
        }),
        previous: lock,
        rendered: { primary: judged.lock.primary, configs: judged.lock.configs },
      };
      return enter(turn, "promoting", { ...remember(state, judged.lock), run, decision: null }, repairs);
    }
    case "earlier": {
      const left = lock.release;
      const reason = "A person reverted the promotion commit: that is a rollback.";
      const decision = makeDecision(turn, {
        kind: "rollback",
        run: runId(state, `${left.revision}/${turn.seen.git.commit ?? ""}`, 0),
        release: left,
        lock: judged.lock,
        manifests: judged.lock.release,
        quarantine: { release: left, reason, digests: lock.digests },
        reason,
      });
      const withdrawn = [...state.withdrawn, lockDigest(lock)].slice(-10);
      const last = {
        run: decision.id,
        revision: left.revision,
        images: left.images,
        outcome: "rolled-back" as const,
        reason,
        at: turn.now,
      };
      // What was left is not what a later rollback goes back to.
      const patch = { ...remember(state, judged.lock), previousLock: null, withdrawn, decision, last };
      const told = announce(turn, "rolling-back", reason, { severity: "warn", alert: true });
      // Git is not waited for, as with a rollback that is asked for.
      const replicas = Math.max(1, turn.seen.cluster.primary.replicas);
      return enter(turn, "reverting", patch, [
        told,
        { type: "apply-primary", lock: judged.lock, floor: null, replicas },
        { type: "submit", decision },
      ]);
    }
    case "other-cluster":
      return stalled(
        turn,
        notAdopted(turn, judged.lock),
        repairs,
      );
    case "edited":
      return stalled(
        turn,
        `The lock in Git was changed by someone else: it is not applied (${
          lockDifference(lock, judged.lock)
        }). Restore it, or change the workload's manifest instead.`,
        repairs,
      );
    case "broken":
      return stalled(turn, `The lock in Git cannot be read: ${judged.reason}`, repairs);
  }
}

/** Writes the remembered lock again, where Git has lost it or holds one that was withdrawn. */
function restoreLock(
  turn: Turn,
  lock: Lock,
  { judged, repairs }: { readonly judged: "missing" | "withdrawn"; readonly repairs: readonly Action[] },
): Step {
  const { state } = turn;
  const lost = judged === "missing" ? "The lock is gone from Git" : "Git holds a lock that was withdrawn";
  const what = `${lockDigest(lock)}/${turn.seen.git.commit ?? ""}`;
  const first = runId(state, what, 0);
  const wasImpossible = state.told.includes(impossibleKey(decisionId(first, "restore-lock")));
  const again = state.phaseSince + IMPOSSIBLE_AGAIN_MS;
  if (wasImpossible && turn.now < again) {
    return stalled(turn, `${lost}, and the remembered one cannot be written yet.`, [...repairs, wakeAt(again)]);
  }
  const reason = `${lost}: the remembered one is written again.`;
  // One that the ledger has turned down is known by its id: this is another one.
  const id = wasImpossible ? runId(state, what, state.phaseSince) : first;
  const decision = makeDecision(turn, { kind: "restore-lock", run: id, release: lock.release, lock, reason });
  const told = announce(turn, "stalled", reason, { severity: "warn", alert: true, part: judged });
  return enter(turn, "reverting", { decision }, [...repairs, { type: "submit", decision }, told]);
}

/** A lock of another cluster that nobody has said is to be taken over: nothing is written. */
function isForeign(turn: Turn, lock: Lock): boolean {
  return lock.cluster.uid !== turn.seen.cluster.uid && !turn.state.adopted;
}

function notAdopted(turn: Turn, lock: Lock): string {
  const { namespace, name } = turn.canary.id;
  const { cluster } = lock;
  return `The lock belongs to another cluster, "${cluster.name}" (${cluster.uid}): nothing is written until "serin adopt ${namespace}/${name}".`;
}

interface Ways {
  readonly repairs: readonly Action[];
  readonly resting: readonly Action[];
}

function byCandidate(turn: Turn, candidate: Release, ways: Ways): Step {
  const { state, seen, canary } = turn;
  const lock = state.lock;
  if (lock === null) return enter(turn, "new");
  if (candidate.revision === lock.release.revision) return atRest(turn, candidate, ways.resting);
  if (isForeign(turn, lock)) return stalled(turn, notAdopted(turn, lock), ways.resting);
  const entry = seen.git.status.type === "read"
    ? seen.git.status.value.quarantine.find((quarantined) => quarantined.revision === candidate.revision)
    : undefined;
  if (entry !== undefined) return quarantined(turn, candidate, entry, ways.resting);
  if (state.quarantined.includes(candidate.revision)) {
    return stalled(turn, `Revision ${candidate.revision} is quarantined here: "serin retry" lifts it.`, ways.resting);
  }
  if (state.held?.revision === candidate.revision) {
    return stay(turn, { waitsFor: `Held: ${state.held.reason} "serin retry" starts it again.` }, ways.resting);
  }
  if (seen.cluster.blocked !== null) {
    return stalled(turn, seen.cluster.blocked, [
      ...ways.resting,
      ...protectActions(turn),
      wakeAt(turn.now + canary.analysis.intervalMs),
    ]);
  }
  if (seen.git.state !== "fresh") return stay(turn, {}, ways.resting);
  if (state.suspended || state.paused !== null) {
    const by = state.paused === null ? "spec.suspend" : state.paused.by;
    return waitAndTell(turn, "waiting", `A new revision waits: suspended by ${by}.`, { actions: ways.resting });
  }
  return begin(turn, candidate, ways.repairs);
}

/** Candidate and lock agree: the target's manifest is kept applied (engine `self`), at no replicas. */
function atRest(turn: Turn, candidate: Release, resting: readonly Action[]): Step {
  const { seen } = turn;
  const { targetRevision, targetScalerDrifted } = seen.cluster;
  const lagging = canApply(turn) && (targetRevision !== candidate.revision || targetScalerDrifted);
  const { target } = seen.cluster;
  const apply: readonly Action[] = lagging && !(target.exists && target.replicas > 0)
    ? [{ type: "apply-target", release: candidate }]
    : [];
  return stay(turn, { waitsFor: null, stalled: null, held: null }, [...apply, ...resting]);
}

function canApply(turn: Turn): boolean {
  return turn.seen.cluster.applied.type !== "suspended" && turn.seen.cluster.engineApplies;
}

/** A quarantined revision that was pushed again is reverted again, later each time, without spending traffic. */
function quarantined(turn: Turn, candidate: Release, entry: QuarantineEntry, resting: readonly Action[]): Step {
  const { state, now } = turn;
  const lock = state.lock;
  if (lock === null) return enter(turn, "new");
  if (leftAlone(turn, entry)) {
    const what =
      `Revision ${candidate.revision} is quarantined (${entry.reason}), and the manifests that declare it were left alone: revert them by hand, or lift the quarantine with "serin retry".`;
    return stalled(turn, what, resting);
  }

  const next = nextRevert(entry);
  if (now < next.at && next.isSpent) {
    const what =
      `Revision ${candidate.revision} was reverted ${entry.recentReverts.length} times within a day (${entry.reverts} in all) and is pushed again: reverting stops for a day. Stop the bot that pushes it, or lift the quarantine with "serin retry".`;
    return stalled(turn, what, [...resting, wakeAt(next.at)]);
  }
  if (now < next.at) {
    const delay = next.delayMinutes === 1 ? "a minute" : `${next.delayMinutes} minutes`;
    const what =
      `Revision ${candidate.revision} is quarantined (${entry.reason}): it is reverted again ${delay} after the last time.`;
    return waitAndTell(turn, "waiting", what, { severity: "warn", actions: [...resting, wakeAt(next.at)] });
  }
  const reason = `Revision ${candidate.revision} is quarantined: ${entry.reason}`;
  const decision = makeDecision(turn, {
    kind: "revert",
    run: runId(state, `${candidate.revision}/${candidate.commit}`, 0),
    release: candidate,
    lock,
    manifests: lock.release,
    quarantine: { release: candidate, reason: entry.reason },
    reason,
  });
  return enter(turn, "reverting", { decision }, [...resting, { type: "submit", decision }]);
}

/**
 * Git's last word is a revert of this very revision that did not change the manifests (others live from them): another
 * one would change nothing either, and each would be a commit.
 */
function leftAlone(turn: Turn, entry: QuarantineEntry): boolean {
  const { status } = turn.seen.git;
  if (status.type !== "read") return false;
  const { last } = status.value;
  const about = last.revision === entry.revision && ["revert", "withdrawal", "rollback"].includes(last.kind);
  return about && !(entry.reverts > 0 && entry.lastRevertAt === last.at);
}

/** Starts a rollout: through its gate where there is one. */
function begin(turn: Turn, candidate: Release, repairs: readonly Action[]): Step {
  const { canary, seen } = turn;
  const run = newRun(turn, candidate, { stage: "applying", replicas: Math.max(1, seen.cluster.primary.replicas) });
  const patch = { run, held: null, stalled: null, told: [] };
  const gated = canary.analysis.webhooks.some((hook) => hook.type === "confirm-rollout");
  if (gated) return enter(turn, "waiting", patch, repairs);
  return enter(turn, "starting", patch, [...repairs, started({ ...turn, state: { ...turn.state, run } })]);
}

export function started(turn: Turn): Action {
  return announce(turn, "started", announcement.started(), { alert: true });
}
