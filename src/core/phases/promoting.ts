/**
 * The promotion is in Git: the primary takes it from there, then takes the traffic back. The primary's share never
 * rises while it is not ready; a primary that does not get ready is given the previous lock.
 */
import type { Action } from "../action.ts";
import { canaryReplicas, enoughReady, fullReplicas, podsFor } from "../capacity.ts";
import { lockDigest } from "../decision.ts";
import { followLeftMs, primaryReady } from "../readiness.ts";
import { lastOf } from "../runs.ts";
import {
  fenceActions,
  repairActions,
  routeActions,
  routesObserved,
  routesOf,
  settleLeftMs,
  targetToZero,
  unfenceActions,
} from "../traffic.ts";
import { advance, announce, enter, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { announcement } from "./words.ts";

export function stepPromoting(turn: RunTurn): Step {
  const { run, state, seen, now } = turn;
  const { primary } = seen.cluster;
  const lock = state.lock;
  if (lock === null) return enter(turn, "new", { run: null });
  const applied = primary.exists && primary.revision === lock.release.revision && !seen.cluster.primaryDrifted;
  if (!applied) {
    const replicas = Math.max(run.primaryReplicas, primary.replicas);
    // Its time to get ready counts from when it could be applied, however long that was refused.
    return keep(turn, { stageSince: now }, [{ type: "apply-primary", lock, floor: run.primaryReplicas, replicas }], {
      waitsFor: "Applies the primary.",
    });
  }
  if (primaryReady(turn)) return takeBack(turn);
  const wanted = Math.max(1, primary.replicas);
  const deadline = run.stageSince + run.canary.progressDeadlineMs;
  const late = now >= deadline || primary.failed !== null;
  if (late && run.previous !== null) {
    const why = primary.failed ?? `${primary.ready} of ${wanted} pods are ready.`;
    const told = announce(turn, "rolling-back", announcement.promotionFailed(why), { severity: "error", alert: true });
    const restored = {
      lock: run.previous,
      withdrawn: [...state.withdrawn, lockDigest(lock)].slice(-10),
      run: {
        ...run,
        stageSince: now,
        rollback: { cause: "failed" as const, reason: announcement.promotionFailed(why) },
      },
    };
    const applyPrevious: Action = {
      type: "apply-primary",
      lock: run.previous,
      floor: run.primaryReplicas,
      replicas: wanted,
    };
    return enter(turn, "restoring", restored, [applyPrevious, told]);
  }
  const what = `Waits for the primary: ${primary.ready} of ${wanted} pods run the promoted revision.`;
  const relief = protectShare(turn);
  if (late) return waitAndTell(turn, "stalled", what, { severity: "error", alert: true, actions: relief.actions });
  return keep(turn, relief.run, [...relief.actions, wakeAt(deadline)], { waitsFor: what });
}

/**
 * When the primary's available pods cannot carry its share, the canary is scaled up and takes it. At once: proxies that do
 * not know its pods yet lose nothing that the primary would have answered.
 */
export function protectShare(
  turn: RunTurn,
): { readonly run: Partial<RunTurn["run"]>; readonly actions: readonly Action[] } {
  const { run, seen } = turn;
  const { primary, target } = seen.cluster;
  if (!turn.canary.traits.weights) return keepShare(turn);
  // A share that the primary does not have yet is not given to one that is not ready: what is live stays.
  if (seen.cluster.routes.weight > run.weight) {
    return { run: { weight: seen.cluster.routes.weight, routedAt: null }, actions: [] };
  }
  // With all of the traffic, a rolling primary is always a pod short: it needs relief when it has none at all.
  if (run.weight === 0 && primary.available > 0) return keepShare(turn);
  const needed = podsFor(100 - run.weight, fullReplicas(run, seen));
  const short = primary.available < needed && run.weight < 100;
  if (!short) return keepShare(turn);
  // Nothing unanalysed gets a share, and nothing that an engine may change under it.
  const analysed = run.templateDigest === null || target.templateDigest === run.templateDigest;
  if (!analysed) return { run: {}, actions: [] };
  const unfenced = fenceActions(turn);
  if (unfenced.length > 0) return { run: {}, actions: unfenced };
  const all = canaryReplicas(run, seen, 100, false);
  if (target.replicas < all) return { run: {}, actions: [{ type: "scale-target", replicas: all }] };
  if (!enoughReady(target.ready, all, run.canary.analysis.canaryReadyPercent)) return { run: {}, actions: [] };
  const moved = { ...run, weight: 100 };
  return { run: { weight: 100, routedAt: null }, actions: [{ type: "route", routes: routesOf(turn, moved) }] };
}

/** Routes that are put right have to settle again. */
function keepShare(turn: RunTurn): ReturnType<typeof protectShare> {
  const routes = routesOf(turn, turn.run);
  return { run: routesObserved(turn, routes) ? {} : { routedAt: null }, actions: routeActions(turn, routes) };
}

/** Ready: traffic back, at once or by `stepWeightPromotion`, each share observed before the next. */
function takeBack(turn: RunTurn): Step {
  const { run, now } = turn;
  const routes = routesOf(turn, run);
  const writes = routeActions(turn, routes);
  if (writes.length > 0) {
    return keep(turn, { routedAt: null }, [...writes, ...repairActions(turn)], {
      waitsFor: "Routes traffic to the primary.",
    });
  }
  if (!routesObserved(turn, routes)) {
    return keep(turn, { routedAt: null }, [], { waitsFor: "Waits for the route to be accepted." });
  }
  const routedAt = run.routedAt ?? now;
  if (run.weight === 0 && !run.mirror) return enter(turn, "finalising", { run: { ...run, routedAt, stageSince: now } });
  const { strategy } = run.canary.analysis;
  const step = strategy.type === "weights" ? strategy.stepWeightPromotion : 0;
  const due = step > 0 && run.stage === "routing" ? run.nextCheckAt : now;
  if (now < due) return keep(turn, { routedAt }, [wakeAt(due)], { lastTrafficAt: now });
  const left = run.weight > 0 ? followLeftMs(turn) : 0;
  if (left > 0) {
    return keep(turn, { routedAt }, [wakeAt(now + left)], {
      lastTrafficAt: now,
      waitsFor: "Lets proxies learn of the primary's pods before traffic goes back to them.",
    });
  }
  const weight = step > 0 ? Math.max(0, run.weight - step) : 0;
  const name = `${run.canary.id.name}.${run.canary.id.namespace}`;
  const message = weight === 0 ? "Routing all traffic to primary" : `Advance ${name} primary weight ${100 - weight}`;
  const moved = { ...run, weight, mirror: false };
  const told = announce(turn, "advanced", message, { part: `back/${weight}`, details: { weight } });
  return advance(turn, "routing", {
    weight,
    mirror: false,
    routedAt: null,
    nextCheckAt: now + run.canary.analysis.intervalMs,
  }, [{ type: "route", routes: routesOf(turn, moved) }, told]);
}

export function stepFinalising(turn: RunTurn): Step {
  const { run, state, seen, now } = turn;
  const routes = routesOf(turn, run);
  const keepUp = [...routeActions(turn, routes), ...repairActions(turn)];
  if (keepUp.length > 0 || !routesObserved(turn, routes)) return keep(turn, { routedAt: null }, keepUp);
  if (!primaryReady(turn)) return lost(turn);
  const routedAt = run.routedAt ?? now;
  const left = settleLeftMs({ ...turn, run: { ...run, routedAt } });
  if (left > 0) {
    return keep(turn, { routedAt }, [wakeAt(now + left)], {
      waitsFor: "Lets proxies follow before the canary goes to zero.",
    });
  }
  const rest: readonly Action[] = [...unfenceActions(turn), ...targetToZero(turn), {
    type: "floor-primary",
    floor: null,
  }];
  if (seen.cluster.target.replicas > 0) return keep(turn, { routedAt }, rest, { waitsFor: "Scales the canary down." });
  const skipped = run.canary.skipAnalysis;
  const message = skipped ? announcement.skipped() : announcement.succeeded();
  const told = announce(turn, "succeeded", message, { alert: true });
  const hooks: Action = { type: "call-hooks", hooks: "post-rollout", phase: "Succeeded" };
  const last = lastOf(turn, skipped ? "skipped" : "succeeded", message);
  const previousCookie = run.cookies.canary ?? state.previousCookie;
  return enter(turn, "idle", { run: null, last, held: null, previousCookie }, [
    ...rest,
    { type: "prune-copies" },
    told,
    hooks,
  ]);
}

/** The primary had the traffic and lost pods: the canary stays until it has them again, or takes the traffic back. */
function lost(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const { primary } = seen.cluster;
  const deadline = run.stageSince + run.canary.progressDeadlineMs;
  if (primary.available === 0 || primary.failed !== null || now >= deadline) {
    return enter(turn, "promoting", { run: { ...run, stage: "applying" } });
  }
  return keep(turn, {}, [wakeAt(deadline)], { waitsFor: `Waits for the primary: ${primary.ready} pods are ready.` });
}
