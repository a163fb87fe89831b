/**
 * The canary is brought up at weight 0: applied, scaled, compared with what would be promoted, fenced, warmed up by
 * pre-rollout hooks. Nothing leaves this phase for a share unless what is analysed is what will be promoted.
 */
import type { Action } from "../action.ts";
import { longestWindowMs, needsSeries } from "../analysis.ts";
import { firstReplicas } from "../capacity.ts";
import { canaryUp } from "../readiness.ts";
import type { Release } from "../release.ts";
import { rollBack } from "../runs.ts";
import type { Stage } from "../state.ts";
import {
  capture,
  fenceActions,
  repairActions,
  routeActions,
  routesObserved,
  steadyRoutes,
  unfenceActions,
} from "../traffic.ts";
import { advance, announce, enter, keep, type RunTurn, type Step, waitAndTell, wakeAt } from "../turn.ts";
import { toPushing } from "./pushing.ts";
import { announcement } from "./words.ts";

export function stepStarting(turn: RunTurn): Step {
  const routes = steadyRoutes(turn);
  const actions = [...routeActions(turn, routes), ...repairActions(turn)];
  if (actions.length > 0) return keep(turn, {}, actions);
  if (!routesObserved(turn, routes)) {
    const { reason } = turn.seen.cluster.routes;
    return waitAndTell(turn, "waiting", `Waits for the route to be accepted${reason === null ? "" : `: ${reason}`}.`);
  }
  if (turn.state.suspended || turn.state.paused !== null) {
    const step = waitAndTell(turn, "waiting", "Suspended at weight 0.");
    // No deadline runs meanwhile.
    return { state: { ...step.state, run: { ...turn.run, stageSince: turn.now } }, actions: step.actions };
  }
  switch (turn.run.stage) {
    case "applying":
      return apply(turn);
    case "scaling":
      return scaleUp(turn);
    case "comparing":
      return compare(turn);
    case "fencing":
      return fence(turn);
    case "pre-rollout":
      return warmUp(turn);
    case "gate":
    case "capacity":
    case "routing":
    case "check":
    case "promotion-gate":
      return enter(turn, "progressing");
  }
}

function apply(turn: RunTurn): Step {
  const { run, seen } = turn;
  const { cluster } = seen;
  // Behind the fence of an earlier rollout no engine applies anything, whatever it says of the commit.
  if (cluster.fence === "ours" && cluster.fenceRun !== run.id) {
    return keep(turn, {}, unfenceActions(turn), { waitsFor: "Takes an earlier rollout's fence off." });
  }
  if (cluster.target.deleting) return keep(turn, {}, [], { waitsFor: "Waits until the deleted target is gone." });
  if (cluster.engineApplies) {
    if (cluster.targetRevision !== run.release.revision) {
      return keep(turn, {}, [{ type: "apply-target", release: declared(turn) }]);
    }
    return advance(turn, "scaling");
  }
  if (cluster.applied.type === "applied") return advance(turn, "scaling");
  const trouble = cluster.applied.type === "failed";
  const what = `The engine has not applied ${run.release.commit.slice(0, 10)} yet: ${cluster.applied.message}`;
  return waitAndTell(turn, "waiting", what, { severity: trouble ? "warn" : "info", alert: trouble });
}

/** As the tip has it, with Secrets, of which a rollout remembers none. */
function declared({ run, seen }: RunTurn): Release {
  const { candidate } = seen.git;
  return candidate !== null && candidate.revision === run.release.revision ? candidate : run.release;
}

function scaleUp(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const { target } = seen.cluster;
  if (!target.exists && seen.cluster.engineApplies) {
    return keep(turn, {}, [{ type: "apply-target", release: declared(turn) }], {
      waitsFor: "Applies the target again.",
    });
  }
  if (!target.exists) {
    return waitAndTell(turn, "stalled", `The target "${run.canary.target.name}" is not in the cluster.`, {
      severity: "warn",
    });
  }
  const wanted = firstReplicas(run, seen);
  const actions: Action[] = [{ type: "floor-primary", floor: run.primaryReplicas }];
  if (target.replicas < wanted) {
    return keep(turn, { stageSince: now }, [...actions, { type: "scale-target", replicas: wanted }]);
  }
  if (canaryUp(turn)) return advance(turn, "comparing", { nextCheckAt: now });
  const deadline = run.stageSince + run.canary.progressDeadlineMs;
  if (target.failed !== null || now >= deadline) {
    return rollBack(
      turn,
      "failed",
      announcement.deadline(target.failed ?? `${target.ready} of ${wanted} pods are ready.`),
    );
  }
  const what = `Waits for the canary: ${target.ready} of ${wanted} pods are ready.`;
  return keep(turn, {}, [wakeAt(deadline)], { waitsFor: what });
}

/** An engine that says a commit is applied may still be about to apply what an earlier fence kept from it. */
const ENGINE_LAG_MS = 30_000;
const ENGINE_LOOK_MS = 2_000;

function compare(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const answer = seen.answers.comparison;
  if (answer === null) return keep(turn, {}, [wakeAt(Math.max(now, run.nextCheckAt))]);
  if (answer.difference !== null) {
    const nextCheckAt = now + run.canary.analysis.intervalMs;
    const what = `What runs is not what would be promoted: ${answer.difference}`;
    if (!seen.cluster.engineApplies && now < run.startedAt + ENGINE_LAG_MS) {
      const soon = Math.min(nextCheckAt, now + ENGINE_LOOK_MS);
      return keep(turn, { stageSince: now, nextCheckAt: soon }, [wakeAt(soon)], { waitsFor: what });
    }
    // Where the agent applies, somebody changed the target by hand: Git's words are applied again, and looked at anew.
    const { engineApplies } = seen.cluster;
    const again: readonly Action[] = engineApplies ? [{ type: "apply-target", release: declared(turn) }] : [];
    const actions = [...again, wakeAt(nextCheckAt)];
    const step = waitAndTell(turn, "stalled", what, { severity: "warn", alert: true, actions });
    const stage: Stage = engineApplies ? "scaling" : run.stage;
    return { state: { ...step.state, run: { ...run, stage, stageSince: now, nextCheckAt } }, actions: step.actions };
  }
  return advance(turn, "fencing", {
    templateDigest: answer.templateDigest,
    rendered: { primary: answer.primary, configs: answer.configs },
    digests: answer.digests,
    nextCheckAt: now,
  });
}

/** All that must be true before a hook with effects is called, so that it is not called for nothing. */
function fence(turn: RunTurn): Step {
  const { run, seen, state, now } = turn;
  if (seen.cluster.fenceNeeded && seen.cluster.fence === "foreign") {
    const what = "The target is fenced by someone else: take that off first.";
    return waitAndTell(turn, "stalled", what, { severity: "warn", alert: true });
  }
  const unfenced = fenceActions(turn);
  if (unfenced.length > 0) return keep(turn, {}, [...unfenced, ...sideEffects(turn)]);
  // Behind the fence: what is kept is what is analysed.
  if (!seen.cluster.captured) return capture(turn, ENGINE_LOOK_MS);
  if (run.canary.skipAnalysis) return toPushing(turn, "The analysis is skipped.");
  const clearAt = state.lastTrafficAt === null ? 0 : state.lastTrafficAt + longestWindowMs(run.canary.analysis);
  if (now < clearAt) {
    return keep(turn, {}, [wakeAt(clearAt)], {
      waitsFor: "Waits until the last rollout is out of the metric windows.",
    });
  }
  return advance(turn, "pre-rollout", { nextCheckAt: now });
}

/** Told with each fence: what a rollout holds up is nothing that people would look for in it. */
function sideEffects(turn: RunTurn): readonly Action[] {
  const { heldUp } = turn.seen.cluster;
  return heldUp === null ? [] : [announce(turn, "waiting", heldUp, { severity: "warn", part: "held-up" })];
}

function warmUp(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const hooked = run.canary.analysis.webhooks.some((hook) => hook.type === "pre-rollout");
  if (!hooked || run.preRolloutPassed) return measurable(turn);
  const answer = seen.answers.hooks["pre-rollout"];
  if (answer === undefined) return keep(turn, {}, [wakeAt(Math.max(now, run.nextCheckAt))]);
  if (answer.type === "open") return measurable({ ...turn, run: { ...run, preRolloutPassed: true } });
  const failedChecks = run.failedChecks + 1;
  const inconclusiveChecks = run.inconclusiveChecks + (answer.type === "unknown" ? 1 : 0);
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const message = `Halt advancement pre-rollout check ${answer.hook} failed: ${answer.reason}`;
  const failed = { ...turn, run: { ...run, failedChecks, inconclusiveChecks, nextCheckAt } };
  if (failedChecks >= run.canary.analysis.threshold) {
    const held = inconclusiveChecks === failedChecks;
    return rollBack(failed, held ? "held" : "failed", held ? message : announcement.thresholdReached(failedChecks));
  }
  const told = announce(turn, "check-failed", message, { severity: "warn", part: String(failedChecks) });
  return keep(failed, {}, [told, wakeAt(nextCheckAt)]);
}

/**
 * What is checked must exist before users are exposed to anything: a metric of which no series was ever seen is named
 * otherwise here, or nobody scrapes it, and would be found missing only with a share on.
 */
function measurable(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const { series } = seen.answers;
  if (!needsSeries(run.canary.analysis) || series?.type === "there") return firstStep(turn);
  if (series === null) return keep(turn, {}, [wakeAt(Math.max(now, run.nextCheckAt))]);
  const nextCheckAt = now + run.canary.analysis.intervalMs;
  const isMissing = series.type === "missing";
  const what = isMissing
    ? `Metric "${series.metric}" cannot be measured, so no traffic is sent: ${series.reason}`
    : `Waits for the metrics server before traffic is sent: ${series.reason}`;
  const step = waitAndTell(turn, isMissing ? "stalled" : "waiting", what, {
    severity: "warn",
    alert: isMissing,
    actions: [wakeAt(nextCheckAt)],
  });
  return { state: { ...step.state, run: { ...run, nextCheckAt } }, actions: step.actions };
}

/** Where the strategy begins: a mirror, a share, or checks without traffic. */
function firstStep(turn: RunTurn): Step {
  const { run, now } = turn;
  const { strategy, mirror } = run.canary.analysis;
  const begin = (stage: Stage, nextWeight: number, nextMirror: boolean): Step => {
    const next = { ...run, stage, stageSince: now, nextWeight, nextMirror, nextCheckAt: now };
    return enter(turn, "progressing", { run: next });
  };
  switch (strategy.type) {
    case "weights":
      return mirror ? begin("capacity", 0, true) : begin("gate", strategy.steps[0] ?? 100, false);
    case "ab":
      return begin("capacity", 100, false);
    case "blue-green":
      return begin("capacity", 0, mirror);
  }
}
