/** Moves that several phases share: routes made true and observed, the target scaled, fences put and taken. */
import type { Action } from "./action.ts";
import { canaryReplicas, enoughReady, podsFor } from "./capacity.ts";
import { firstShareLeftMs } from "./readiness.ts";
import type { Release } from "./release.ts";
import type { Routes } from "./routes.ts";
import type { Run } from "./state.ts";
import { keep, type RunTurn, type Step, type Turn, wakeAt } from "./turn.ts";

/** What the routes should say for a run. */
export function routesOf(turn: Turn, run: Run): Routes {
  const affinity = run.canary.analysis.sessionAffinity !== null;
  const cookies = run.weight > 0 ? run.cookies : {
    canary: null,
    previous: affinity ? run.cookies.canary ?? turn.state.previousCookie : null,
    primary: run.cookies.primary,
  };
  return { weight: run.weight, mirror: run.mirror, cookies };
}

/** Routes outside a rollout: all to the primary; the last rollout's cookie is expired. */
export function steadyRoutes(turn: Turn): Routes {
  const { previousCookie } = turn.state;
  return { weight: 0, mirror: false, cookies: { canary: null, previous: previousCookie, primary: null } };
}

/** Whether the router says what is wanted. A router that splits nothing always says weight 0. */
export function routesAgree(turn: Turn, wanted: Routes): boolean {
  const { routes } = turn.seen.cluster;
  if (!turn.canary.traits.weights) return true;
  return routes.exists && routes.weight === wanted.weight && routes.mirror === wanted.mirror && !routes.drifted;
}

/** Actions that bring routes to what is wanted: none when they say so already. */
export function routeActions(turn: Turn, wanted: Routes): readonly Action[] {
  return routesAgree(turn, wanted) ? [] : [{ type: "route", routes: wanted }];
}

/**
 * Brings routes to the share of the rollout in flight; nothing where that would give the canary more than it has and
 * its ready pods do not carry it, or its target is not fenced: the fence is seen first. Only a wake where proxies may
 * not know those pods yet.
 */
export function shareActions(turn: RunTurn): readonly Action[] {
  const { run, seen } = turn;
  const { routes, target } = seen.cluster;
  const rises = run.weight > routes.weight || (run.mirror && !routes.mirror);
  const wanted = canaryReplicas(run, seen, run.weight, run.mirror);
  const carries = enoughReady(target.ready, wanted, run.canary.analysis.canaryReadyPercent);
  if (rises && (!carries || fenceActions(turn).length > 0)) return [];
  const left = firstShareLeftMs(turn, run);
  return left > 0 ? [wakeAt(turn.now + left)] : routeActions(turn, routesOf(turn, run));
}

/** Keeps the fence, the share and what is derived as the rollout in flight has them, whatever else is waited for. */
export function keepUpActions(turn: RunTurn): readonly Action[] {
  const repairs = repairActions(turn);
  const scaled = repairs.some(({ type }) => type === "apply-primary") ? [] : primaryScale(turn);
  return [...fenceActions(turn), ...shareActions(turn), ...scaled, ...repairs];
}

/** Scales a primary up that somebody scaled down until it cannot carry its part of the traffic any more. */
function primaryScale({ run, seen }: RunTurn): readonly Action[] {
  const { primary } = seen.cluster;
  const share = run.canary.analysis.strategy.type === "weights" ? 100 - run.weight : 100;
  const short = primary.exists && !primary.deleting && primary.replicas < podsFor(share, run.primaryReplicas);
  return short ? [{ type: "scale-primary", replicas: run.primaryReplicas }] : [];
}

/** The router agrees and its data plane has accepted it. */
export function routesObserved(turn: Turn, wanted: Routes): boolean {
  if (!turn.canary.traits.weights) return true;
  return routesAgree(turn, wanted) && turn.seen.cluster.routes.accepted === "yes";
}

/** Leads routes over in steps, each observed and settled before the next; null where none is left. */
export function leadOver(turn: RunTurn, to: "ours" | "apex"): Step | null {
  const { leadsOver } = turn.seen.cluster;
  if (leadsOver === null) return null;
  const lead: Action = { type: "lead-over", to };
  if (leadsOver === "first") {
    return keep(turn, { routedAt: null }, [lead], { waitsFor: "Lets proxies know where routes will lead." });
  }
  const waiting = acceptedFirst(turn);
  if (waiting !== null) return waiting;
  const routedAt = turn.run.routedAt ?? turn.now;
  const left = settleLeftMs({ ...turn, run: { ...turn.run, routedAt } });
  return left > 0
    ? keep(turn, { routedAt }, [wakeAt(turn.now + left)], { waitsFor: "Lets proxies follow." })
    : keep(turn, { routedAt: null }, [lead], { waitsFor: "Leads the routes over." });
}

/** Waits while the data plane has not taken the routes that are there, whatever they say; null: it has. */
export function acceptedFirst(turn: RunTurn): Step | null {
  const { accepted, exists, reason } = turn.seen.cluster.routes;
  if (!turn.canary.traits.weights || !exists || accepted === "yes") return null;
  const what = `Waits for the route to be accepted${reason === null ? "" : `: ${reason}`}.`;
  return keep(turn, { routedAt: null }, [], { waitsFor: what });
}

/** How long routes must still be left alone before anything is scaled down; 0 when long enough. */
export function settleLeftMs(turn: RunTurn): number {
  const { run, now } = turn;
  if (run.routedAt === null) return Number.POSITIVE_INFINITY;
  if (!turn.canary.traits.weights) return 0;
  return Math.max(0, run.routedAt + run.canary.promotion.settleMs - now);
}

/**
 * Takes off a fence that is ours. Something behind it that left Git stays fenced until the engine has applied that:
 * deleting it before would race with the engine. Where the engine may be waiting for the fence, nothing waits for it.
 */
export function unfenceActions(turn: Turn): readonly Action[] {
  const { fence, leaving, heldUp } = turn.seen.cluster;
  if (fence !== "ours") return [];
  if (leaving === null) return [{ type: "unfence", gone: [] }];
  return leaving.applied || heldUp !== null ? [{ type: "unfence", gone: leaving.refs }] : [];
}

/** Whether the target itself left Git behind our fence. */
export function targetLeaves({ canary, seen }: Turn): boolean {
  const { kind, name } = canary.target;
  return seen.cluster.leaving?.refs.some((ref) => ref.kind === kind && ref.name === name) ?? false;
}

/** As `unfenceActions` for a target that users are on, or may be: nothing is deleted. */
export function unfenceServing(turn: Turn): readonly Action[] {
  return turn.seen.cluster.fence === "ours" ? [{ type: "unfence", gone: [] }] : [];
}

/** After an own commit: an engine that applies manifests looks at the tip at once. */
export function refreshActions(turn: Turn): readonly Action[] {
  return turn.seen.cluster.engineApplies || !turn.seen.cluster.target.exists ? [] : [{ type: "refresh-engine" }];
}

/** Where preflight blocks, what an engine applies is made safe before somebody takes it out of Git. */
export function protectActions(turn: Turn): readonly Action[] {
  return turn.seen.cluster.engineApplies || !turn.seen.cluster.target.exists ? [] : [{ type: "protect-live" }];
}

/** Puts the rollout's fence on where the engine needs one and it is not there, or not there any more. */
export function fenceActions(turn: RunTurn): readonly Action[] {
  const { cluster } = turn.seen;
  const fenced = cluster.fence === "foreign" || (cluster.fence === "ours" && cluster.fenceRun === turn.run.id);
  return cluster.fenceNeeded && !fenced ? [{ type: "fence", rollout: turn.run.id }] : [];
}

/** Rest at weight 0: no fence, and no pods once proxies had time to follow; a share may have been on until the phase. */
export function restActions(turn: Turn): readonly Action[] {
  const zero = targetToZero(turn);
  if (zero.length === 0) return unfenceActions(turn);
  const settledAt = turn.canary.traits.weights ? turn.state.phaseSince + turn.canary.promotion.settleMs : 0;
  const later: Action = { type: "wake", at: settledAt };
  return [...unfenceActions(turn), ...(turn.now < settledAt ? [later] : zero)];
}

export function targetToZero(turn: Turn): readonly Action[] {
  const { target } = turn.seen.cluster;
  return target.exists && target.replicas > 0 ? [{ type: "scale-target", replicas: 0 }] : [];
}

/** Keeps what the engine rendered for this rollout, and looks after a while whether it is kept. */
export function capture(turn: RunTurn, lookMs: number): Step {
  const { run: { release }, now } = turn;
  const waitsFor = "Keeps what the engine rendered.";
  return keep(turn, {}, [{ type: "capture", release }, wakeAt(now + lookMs)], { waitsFor });
}

/** What was kept of a release that an engine rendered goes once it is neither the lock nor on its way to be. */
export function dropCaptured({ rendering }: Release): readonly Action[] {
  return rendering === undefined ? [] : [{ type: "prune-copies" }];
}

/** Keeps derived objects as the remembered lock has them; moves no share. */
export function repairActions(turn: Turn): readonly Action[] {
  const { state, seen } = turn;
  const { lock, run } = state;
  if (lock === null) return [];
  const { cluster } = seen;
  const actions: Action[] = [];
  const wrong = !cluster.primary.exists || cluster.primary.revision !== lock.release.revision || cluster.primaryDrifted;
  if (wrong && !cluster.primary.deleting) {
    const replicas = Math.max(1, cluster.primary.replicas, run?.primaryReplicas ?? 0, cluster.declaredReplicas);
    actions.push({ type: "apply-primary", lock, floor: run === null ? null : run.primaryReplicas, replicas });
  }
  // During a rollout the floor is the rollout's business.
  if (run === null && !wrong && cluster.primaryScalerDrifted) actions.push({ type: "floor-primary", floor: null });
  const apexWrong = cluster.apex !== "primary" && cluster.primary.ready > 0;
  if (apexWrong || (!cluster.servicesReady && cluster.apex === "primary")) {
    actions.push({ type: "apply-services", apex: "primary" });
  }
  return actions;
}
