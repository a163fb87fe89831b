/**
 * The Canary was removed from Git. The target serves again, by Service and route, before anything that was derived goes;
 * a Canary without `revertOnDeletion` leaves the primary in place and says so. Where the target left Git too, all goes
 * once it is deleted. The lock goes last. Removal never causes an outage.
 */
import { enoughReady } from "../capacity.ts";
import { removesLock } from "../decision.ts";
import { newRun } from "../runs.ts";
import { forgetLock, isGone, stepForgetting, whyLockStays } from "./forgetting.ts";
import {
  acceptedFirst,
  leadOver,
  repairActions,
  routeActions,
  steadyRoutes,
  targetLeaves,
  unfenceActions,
  unfenceServing,
} from "../traffic.ts";
import {
  announce,
  enter,
  keep,
  type RunTurn,
  stay,
  type Step,
  type Turn,
  waitAndTell,
  waitFor,
  wakeAt,
} from "../turn.ts";

/** What an engine prunes goes in its own time; one that does not prune leaves it to a person. */
const LEFT =
  "The Canary and its target left Git: the primary serves until the target is deleted, by its engine or by hand, and goes then.";

export function stepHandingBack(turn: Turn): Step {
  const { seen, canary } = turn;
  const { cluster, git } = seen;
  const { decision } = turn.state;
  if (decision !== null && removesLock(decision)) return stepForgetting(turn, decision);
  if (git.presence === "declared") return enter(turn, "idle", { run: null });
  if (git.presence !== "removed") {
    return waitAndTell(turn, "stalled", "The Canary's file cannot be read: nothing is handed back.");
  }
  if (isGone(turn)) {
    const what = "The Canary and its target are gone: what was derived is removed.";
    return removed(turn, { what, restoreRoutes: false });
  }
  // Without a lock all that was derived is gone, and only the lock in Git is not.
  if (!canary.revertOnDeletion && turn.state.lock !== null) {
    const isLeft = cluster.targetUndeclared && cluster.target.exists && !cluster.engineApplies;
    if (isLeft) return leaves(turn) ?? waitAndTell(turn, "stalled", LEFT);
    // Once released, nobody would ask for it again.
    if (seen.cluster.fence === "ours") return waitFor(turn, "Takes the fence off.", unfenceActions(turn));
    const what =
      `The Canary is gone from Git: the primary "${canary.target.name}-primary" stays in place and serves, since revertOnDeletion is false.`;
    return enter(turn, "released", { run: null }, [announce(turn, "removed", what, { severity: "warn", alert: true })]);
  }
  if (!cluster.target.exists) {
    const { lock } = turn.state;
    if (cluster.engineApplies && lock !== null) {
      return waitFor(turn, "Applies the target as users have it.", [{ type: "apply-target", release: lock.release }]);
    }
    const what = "Git declares the target, and it is not in the cluster: nothing is handed back before it is there.";
    return waitAndTell(turn, "stalled", what, { severity: "warn", alert: true });
  }
  return leaves(turn) ?? targetFirst(turn);
}

/**
 * A target that left Git along with its Canary goes as the engine would have made it go, but for our fence: users are on
 * the primary, and are not handed back to something that is to be deleted. null: it does not leave, or users are on it.
 */
function leaves(turn: Turn): Step | null {
  if (!targetLeaves(turn) || turn.seen.cluster.apex === "target") return null;
  const actions = unfenceActions(turn);
  const what = actions.length > 0
    ? "Deletes the target, which left Git while it was fenced."
    : "The target left Git: waits until the engine has applied that.";
  return waitFor(turn, what, actions);
}

/** Target up and ready, apex and routes pointed at it and observed, derived objects away, fence last. */
function targetFirst(turn: Turn): Step {
  const { state, seen, now } = turn;
  const { cluster } = seen;
  const lock = state.lock;
  if (lock === null) {
    // Asked for before, when the tip was one on which it could not go.
    const forgetting = forgetLock(turn);
    if (forgetting !== null) return forgetting;
    const what = "The target serves, and nothing of it is ours any more.";
    return enter(turn, "released", { run: null }, [announce(turn, "removed", what)]);
  }
  const run = state.run ??
    newRun(turn, lock.release, { stage: "comparing", replicas: Math.max(1, cluster.primary.replicas) });
  const running: RunTurn = { ...turn, run, state: { ...state, run } };
  if (run.stage === "comparing") return compareWithLock(running);
  const wanted = Math.max(1, run.primaryReplicas);
  if (cluster.target.replicas < wanted) {
    return stay(running, { waitsFor: "Scales the target up." }, [{ type: "scale-target", replicas: wanted }]);
  }
  const ready = cluster.target.observed && cluster.target.old === 0 && enoughReady(cluster.target.ready, wanted, 100);
  if (!ready) {
    return stay(
      running,
      { waitsFor: `Waits for the target: ${cluster.target.ready} of ${wanted} pods are ready.` },
      repairs(running),
    );
  }
  if (cluster.apex !== "target") {
    const what = "Points the apex at the target.";
    return keep(running, { routedAt: null }, [{ type: "apply-services", apex: "target" }], { waitsFor: what });
  }
  const leading = leadOver(running, "apex") ?? acceptedFirst(running);
  if (leading !== null) return leading;
  const routedAt = run.routedAt ?? now;
  const left = routedAt + turn.canary.promotion.settleMs - now;
  if (left > 0) {
    const waiting = { ...run, routedAt };
    return stay(running, { run: waiting, waitsFor: "Lets proxies follow." }, [wakeAt(now + left)]);
  }
  return removed(running, { what: "The target serves again: what was derived is removed.", restoreRoutes: true });
}

/** Stays until it is seen to be gone, fence last: once released, nobody would ask for it again. */
function removed(turn: Turn, how: { readonly what: string; readonly restoreRoutes: boolean }): Step {
  const { primary } = turn.seen.cluster;
  const derived: Step["actions"] = primary.exists && !primary.deleting
    ? [{ type: "remove-derived", restoreRoutes: how.restoreRoutes }]
    : [];
  const left = [...derived, ...unfenceServing(turn)];
  if (left.length > 0 || primary.exists) return stay(turn, { waitsFor: "Removes what was derived." }, left);
  const forgetting = forgetLock(turn);
  if (forgetting !== null) return forgetting;
  const what = `${how.what}${whyLockStays(turn)}`;
  return enter(turn, "released", { run: null }, [announce(turn, "removed", what, { alert: true })]);
}

function repairs(turn: RunTurn): Step["actions"] {
  return [...routeActions(turn, steadyRoutes(turn)), ...repairActions(turn)].filter((action) =>
    action.type !== "apply-services"
  );
}

/** Only a target that equals the lock is handed back to. */
function compareWithLock(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const answer = seen.answers.comparison;
  if (answer === null) return stay(turn, { run }, [...repairs(turn), wakeAt(Math.max(now, run.nextCheckAt))]);
  if (answer.difference === null) {
    return stay(turn, { run: { ...run, stage: "scaling", stageSince: now } }, [wakeAt(now)]);
  }
  const nextCheckAt = now + turn.canary.analysis.intervalMs;
  const what = `The target is not what users are on, so nothing is handed back: ${answer.difference}`;
  const step = waitAndTell(turn, "stalled", what, {
    severity: "warn",
    alert: true,
    actions: [...repairs(turn), wakeAt(nextCheckAt)],
  });
  return { state: { ...step.state, run: { ...run, nextCheckAt } }, actions: step.actions };
}
