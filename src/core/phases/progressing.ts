/**
 * Shares rise under checks. One step is gate, capacity, routing, check; each is a stage, so that a crash resumes where
 * it was. The phase `waiting-promotion` is the same with the gate confirm-promotion closed.
 */
import type { Action } from "../action.ts";
import { count, gather, judgeRound } from "../analysis.ts";
import { canaryReplicas, enoughReady } from "../capacity.ts";
import { firstShareLeftMs } from "../readiness.ts";
import { rollBack } from "../runs.ts";
import { fenceActions, keepUpActions, routesAgree, routesObserved, routesOf, shareActions } from "../traffic.ts";
import { advance, announce, enter, forget, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { toPushing } from "./pushing.ts";
import { recheck } from "./rechecking.ts";
import { announcement } from "./words.ts";

export function stepProgressing(turn: RunTurn): Step {
  const { run, state, now } = turn;
  if (state.suspended || state.paused !== null) {
    const step = waitAndTell(turn, "waiting", `Suspended at weight ${run.weight}.`, { actions: keepUpActions(turn) });
    // No deadline runs meanwhile.
    return { state: { ...step.state, run: { ...run, stageSince: now } }, actions: step.actions };
  }
  switch (run.stage) {
    case "gate":
      return trafficGate(turn);
    case "capacity":
      return capacity(turn);
    case "routing":
      return routing(turn);
    case "check":
      return check(turn);
    case "promotion-gate":
      return promotionGate(turn);
    case "applying":
    case "scaling":
    case "comparing":
    case "fencing":
    case "pre-rollout":
      return advance(turn, "check", { nextCheckAt: now });
  }
}

function hooked(turn: RunTurn, type: "confirm-traffic-increase" | "confirm-promotion"): boolean {
  return turn.run.canary.analysis.webhooks.some((hook) => hook.type === type);
}

function trafficGate(turn: RunTurn): Step {
  const { run, seen, state, now } = turn;
  const gate = "confirm-traffic-increase";
  const answer = seen.answers.hooks[gate];
  const opened = run.openGates.includes(gate);
  if (!hooked(turn, gate) || opened || answer?.type === "open") {
    const openGates = run.openGates.filter((open) => open !== gate);
    const atLast = run.weight > 0 && run.nextWeight === run.weight;
    const told = forget(state, "waiting", announcement.confirmTraffic());
    return advance({ ...turn, state: { ...state, told } }, atLast ? "promotion-gate" : "capacity", { openGates });
  }
  if (answer === undefined) return keep(turn, {}, [wakeAt(Math.max(now, run.nextCheckAt))]);
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const telling = { severity: "warn" as const, alert: !answer.muteAlert, actions: [wakeAt(nextCheckAt)] };
  const step = waitAndTell(turn, "waiting", announcement.confirmTraffic(), telling);
  const stage = run.weight > 0 || run.mirror ? "check" : "gate";
  return { state: { ...step.state, run: { ...run, nextCheckAt, stage } }, actions: step.actions };
}

const FOLLOWS = "Lets proxies learn of the canary's pods before its first share.";

/** Pods first: the share waits until the canary can carry it. */
function capacity(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const { target } = seen.cluster;
  const wanted = canaryReplicas(run, seen, run.nextWeight, run.nextMirror);
  const keepRoutes = run.routedAt === null ? [] : [...fenceActions(turn), ...shareActions(turn)];
  if (target.replicas < wanted) {
    return keep(turn, { stageSince: now }, [...keepRoutes, { type: "scale-target", replicas: wanted }]);
  }
  const ready = target.observed && enoughReady(target.ready, wanted, run.canary.analysis.canaryReadyPercent);
  const left = firstShareLeftMs(turn, { weight: run.nextWeight, mirror: run.nextMirror });
  if (ready && left > 0) return keep(turn, {}, [...keepRoutes, wakeAt(now + left)], { waitsFor: FOLLOWS });
  if (ready) {
    return advance(turn, "routing", { weight: run.nextWeight, mirror: run.nextMirror, routedAt: null });
  }
  const deadline = run.stageSince + run.canary.progressDeadlineMs;
  if (target.failed !== null || now >= deadline) {
    return rollBack(
      turn,
      "failed",
      announcement.deadline(target.failed ?? `${target.ready} of ${wanted} pods are ready.`),
    );
  }
  const checked = recheck(turn, keepRoutes);
  if (checked.type === "over") return checked.step;
  const what = `Waits for ${wanted} pods before weight ${run.nextWeight}: ${target.ready} are ready.`;
  const { nextCheckAt } = checked.turn.run;
  const watched = run.weight > 0 || run.mirror;
  const wake = wakeAt(watched ? Math.min(deadline, Math.max(now, nextCheckAt)) : deadline);
  return keep(checked.turn, {}, [...checked.actions, wake], {
    ...(watched ? { lastTrafficAt: now } : {}),
    waitsFor: what,
  });
}

function routing(turn: RunTurn): Step {
  const { run, seen, now, state } = turn;
  const routes = routesOf(turn, run);
  const traffic = run.weight > 0 || run.mirror ? { lastTrafficAt: now } : {};
  const unfenced = fenceActions(turn);
  if (unfenced.length > 0) return keep(turn, {}, unfenced);
  const writes = shareActions(turn);
  const deadline = run.stageSince + run.canary.progressDeadlineMs;
  const isWritten = writes.some(({ type }) => type === "route");
  if (writes.length > 0 && !isWritten) return keep(turn, {}, writes, { waitsFor: FOLLOWS });
  if (!isWritten && !routesAgree(turn, routes)) {
    const why = `Pods went away before weight ${run.weight}: ${seen.cluster.target.ready} are ready.`;
    if (now >= deadline) return rollBack(turn, "failed", announcement.deadline(why));
    return keep(turn, {}, [wakeAt(deadline)], { waitsFor: why });
  }
  if (isWritten) return keep(turn, {}, [...writes, advanced(turn)], traffic);
  if (!routesObserved(turn, routes)) {
    const { reason, accepted } = seen.cluster.routes;
    const why = `The route is not accepted: ${reason ?? "its controller says nothing"}.`;
    if (now >= deadline) return rollBack(turn, "held", why);
    if (accepted === "no") return waitAndTell(turn, "waiting", why, { severity: "warn", actions: [wakeAt(deadline)] });
    return keep(turn, {}, [wakeAt(deadline)], { ...traffic, waitsFor: "Waits for the route to be accepted." });
  }
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const written = turn.canary.traits.weights && (run.weight > 0 || run.mirror);
  const unsaid = written ? [] : [advanced(turn)];
  const checking = { ...run, stage: "check" as const, stageSince: now, routedAt: now, nextCheckAt };
  return {
    state: { ...state, ...traffic, waitsFor: null, run: checking },
    actions: [...unsaid, ...aheadOfNext(turn), wakeAt(nextCheckAt)],
  };
}

/** Said with the write, so that a step stays within its requests. */
function advanced(turn: RunTurn): Action {
  const { run } = turn;
  const { strategy } = run.canary.analysis;
  const name = `${run.canary.id.name}.${run.canary.id.namespace}`;
  const message = strategy.type === "weights"
    ? run.mirror ? `Mirror traffic to ${name} canary` : `Advance ${name} canary weight ${run.weight}`
    : run.iterations < strategy.iterations
    ? `Advance ${name} canary iteration ${run.iterations + 1}/${strategy.iterations}`
    : "Routing all traffic to canary";
  return announce(turn, "advanced", message, {
    part: `${run.weight}/${run.mirror}/${run.iterations}`,
    details: { weight: run.weight },
  });
}

/** Scales for the step after this one while its checks run, so that pods are ready when they have passed. */
function aheadOfNext(turn: RunTurn): readonly Action[] {
  const { run, seen } = turn;
  const next = nextStep(turn);
  if (next === null) return [];
  const wanted = canaryReplicas(run, seen, next.weight, next.mirror);
  return seen.cluster.target.replicas < wanted ? [{ type: "scale-target", replicas: wanted }] : [];
}

/** The share after the present one, or null when the strategy has none left. */
function nextStep(turn: RunTurn): { readonly weight: number; readonly mirror: boolean } | null {
  const { run } = turn;
  const { strategy } = run.canary.analysis;
  switch (strategy.type) {
    case "weights": {
      const next = strategy.steps.find((step) => step > run.weight);
      return next === undefined ? null : { weight: next, mirror: false };
    }
    case "ab":
      return null;
    case "blue-green":
      return turn.canary.traits.weights && run.weight === 0 && run.iterations >= strategy.iterations
        ? { weight: 100, mirror: false }
        : null;
  }
}

function check(turn: RunTurn): Step {
  const { run, seen, now, state } = turn;
  const { primary, target } = seen.cluster;
  const routes = routesOf(turn, run);
  const traffic = run.weight > 0 || run.mirror ? { lastTrafficAt: now } : {};
  const repairs = keepUpActions(turn);
  if (target.failed !== null) return rollBack(turn, "failed", announcement.deadline(target.failed));
  if (run.weight > 0 && target.ready === 0) {
    return rollBack(turn, "failed", "No pod of the canary is ready while it has a share.");
  }
  if (seen.answers.metrics === null) {
    return keep(turn, {}, [...repairs, wakeAt(Math.max(now, run.nextCheckAt))], traffic);
  }
  const asked = seen.answers.hooks.rollback;
  if (asked?.type === "open") return rollBack(turn, "failed", announcement.manualRollback());
  const analysis = run.canary.analysis;
  const verdict = judgeRound(analysis, seen.answers);
  const counted = { ...count(run, verdict), evidence: gather(run.evidence, seen.answers, now) };
  const nextCheckAt = now + analysis.intervalMs;
  const judged: RunTurn = { ...turn, run: { ...run, ...counted, nextCheckAt }, state: { ...state, ...traffic } };
  if (verdict.type === "held") {
    return waitAndTell(judged, "waiting", `Halt advancement: ${verdict.message}`, {
      severity: "warn",
      actions: [...repairs, wakeAt(nextCheckAt)],
    });
  }
  if (verdict.type === "failed") return failed(judged, verdict.message, repairs);
  if (primary.ready === 0 || primary.failed !== null) {
    return keep(judged, {}, [...repairs, wakeAt(nextCheckAt)], { waitsFor: "Waits for the primary to be ready." });
  }
  if (repairs.some((action) => action.type === "route")) return keep(judged, {}, [...repairs, wakeAt(now)]);
  // A share that the data plane does not carry has not been checked.
  if (!routesObserved(turn, routes)) return advance(judged, "routing", { routedAt: null }, repairs);
  // What else is wrong is put right now: the next turn of this stage may be a round that passes again, and so on.
  const next = passed(judged);
  return { state: next.state, actions: [...repairs, ...next.actions] };
}

function failed(turn: RunTurn, message: string, repairs: readonly Action[]): Step {
  const { run } = turn;
  const { failedChecks, inconclusiveChecks } = run;
  const told = announce(turn, "check-failed", message, {
    severity: "warn",
    part: `${failedChecks}/${run.nextCheckAt}`,
  });
  if (failedChecks < run.canary.analysis.threshold) {
    return keep(turn, {}, [...repairs, told, wakeAt(run.nextCheckAt)]);
  }
  if (inconclusiveChecks === failedChecks) {
    return rollBack(turn, "held", `All failed checks were inconclusive: ${message}`, [told]);
  }
  return rollBack(turn, "failed", announcement.thresholdReached(failedChecks), [told]);
}

/** After a passed round: the next share, the next iteration, or the promotion. */
function passed(turn: RunTurn): Step {
  const { run } = turn;
  const { strategy } = run.canary.analysis;
  const iterations = run.iterations + 1;
  const counted: RunTurn = { ...turn, run: { ...run, iterations } };
  if (turn.state.phase === "waiting-promotion") return advance(turn, "promotion-gate");
  if (strategy.type === "weights") {
    const next = nextStep(turn);
    // As in Flagger the gate is asked once more at the last weight: the promotion raises the share to all.
    if (next === null) return advance(counted, "gate", { nextWeight: run.weight, nextMirror: false });
    const stage = run.mirror ? "capacity" : "gate";
    return advance(counted, stage, { nextWeight: next.weight, nextMirror: next.mirror });
  }
  if (iterations < strategy.iterations) {
    const told = advanced(counted);
    return keep(counted, {}, [told, wakeAt(run.nextCheckAt)], { waitsFor: null });
  }
  // The switch of blue/green was let through the gate before it was made, and is not asked about again.
  const switched = strategy.type === "blue-green" && run.weight === 100;
  return switched ? toPushing(counted, "All checks passed.") : advance(counted, "promotion-gate");
}

/** The gate is open: on to the commit, or first to the switch of blue/green, which users see. */
function throughGate(turn: RunTurn): Step {
  const { run, state, now } = turn;
  const next = run.canary.analysis.strategy.type === "blue-green" ? nextStep(turn) : null;
  if (next === null) return toPushing(turn, "All checks passed.");
  const switching = { nextWeight: next.weight, nextMirror: next.mirror };
  if (state.phase === "progressing") return advance(turn, "capacity", switching);
  return enter(turn, "progressing", { run: { ...run, ...switching, stage: "capacity", stageSince: now } });
}

function promotionGate(turn: RunTurn): Step {
  const { run, seen, now, state } = turn;
  const gate = "confirm-promotion";
  const answer = seen.answers.hooks[gate];
  if (!hooked(turn, gate) || run.openGates.includes(gate) || answer?.type === "open") {
    return throughGate({ ...turn, run: { ...run, openGates: run.openGates.filter((open) => open !== gate) } });
  }
  if (answer === undefined) return keep(turn, {}, [wakeAt(now)]);
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const waiting = { ...run, nextCheckAt, stage: "check" as const };
  if (state.phase === "waiting-promotion") {
    const waitsFor = announcement.confirmPromotion();
    return { state: { ...state, run: waiting, waitsFor }, actions: [wakeAt(nextCheckAt)] };
  }
  const told = announce(turn, "waiting", announcement.confirmPromotion(), {
    severity: "warn",
    alert: !answer.muteAlert,
    part: gate,
  });
  const step = enter(turn, "waiting-promotion", { run: waiting }, [told, wakeAt(nextCheckAt)]);
  return { state: { ...step.state, waitsFor: announcement.confirmPromotion() }, actions: step.actions };
}
