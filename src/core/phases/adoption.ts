/**
 * From nothing to a primary that serves: make before break. The user's workload is not touched before the primary is
 * ready, the apex has moved, that was observed, and (except on a foreign cluster's lock) the first lock is in Git.
 */
import type { Action } from "../action.ts";
import { type Lock, lockDigest } from "../decision.ts";
import type { Release } from "../release.ts";
import { announcement } from "./words.ts";
import { decisionId, makeDecision, makeLock, remember, withoutSecrets } from "../locks.ts";
import { followLeftMs, runsLock } from "../readiness.ts";
import { lastOf, newRun } from "../runs.ts";
import {
  capture,
  leadOver,
  protectActions,
  routeActions,
  routesObserved,
  settleLeftMs,
  steadyRoutes,
  targetToZero,
} from "../traffic.ts";
import { advance, announce, enter, keep, type RunTurn, type Step, type Turn, waitAndTell, wakeAt } from "../turn.ts";

/** How soon it is looked at whether a capture was made: nothing tells of it. */
const CAPTURE_LOOK_MS = 500;

/** Decides what the first lock is made from, or says what is missing. */
export function stepNew(turn: Turn): Step {
  const { seen, state, canary } = turn;
  const { git, cluster } = seen;
  if (git.presence !== "declared" || git.candidate === null) {
    return waitAndTell(turn, "stalled", git.complaint ?? "The Canary is not declared in Git.");
  }
  if (cluster.blocked !== null) {
    // What blocks may be taken away where no watch sees it.
    const actions = [...protectActions(turn), wakeAt(turn.now + canary.analysis.intervalMs)];
    return waitAndTell(turn, "stalled", cluster.blocked, { severity: "warn", alert: true, actions });
  }
  if (git.lock.type === "broken") {
    return waitAndTell(turn, "stalled", git.lock.reason, { severity: "warn", alert: true });
  }
  if (git.lock.type === "read" && cluster.primary.exists && isEdited(turn, git.lock.value) && !state.adopted) {
    const actions = unchecked(turn);
    const what =
      'The lock in Git was changed by someone else, and none is remembered here: it is not applied. Restore it, or run "serin adopt" to accept it.';
    return waitAndTell(turn, "stalled", what, { severity: "warn", alert: true, actions });
  }
  if (git.lock.type === "read" && !isHandedBack(turn, git.lock.value)) {
    return fromLock(turn, git.lock.value, git.candidate);
  }
  if (cluster.primary.exists && !state.adopted) {
    const what =
      `A primary "${canary.target.name}-primary" runs, but no lock is in Git or remembered here; run "serin adopt" to start from what serves now.`;
    return waitAndTell(turn, "stalled", what, { severity: "warn", alert: true, actions: unchecked(turn) });
  }
  const lost = lostLock(turn, git.candidate);
  if (lost !== null) return waitAndTell(turn, "stalled", lost, { severity: "warn", alert: true });
  if (cluster.target.exists && cluster.applied.type !== "applied") {
    return waitAndTell(turn, "waiting", `The first release is not applied yet: ${cluster.applied.message}`);
  }
  if (state.suspended || state.paused !== null) {
    return waitAndTell(turn, "waiting", "Suspended before its first start.");
  }
  const run = newRun(turn, git.candidate, { stage: "comparing", replicas: firstReplicas(turn) });
  return enter(turn, "initialising", { run });
}

/**
 * On this very cluster users are on the target, and there is no primary: the Canary had left, and the lock is from before.
 * What serves by now may be newer, and nobody is sent back: it is a first start.
 */
function isHandedBack({ seen }: Turn, lock: Lock): boolean {
  const { uid, primary, apex, target } = seen.cluster;
  return lock.cluster.uid === uid && !primary.exists && apex === "target" && target.ready > 0;
}

/**
 * Users are on a primary whose lock is lost here and in Git. What serves then is the primary, never the target: a first
 * lock may only be made when Git declares the very revision that the primary carries.
 */
function lostLock({ seen, state, canary }: Turn, candidate: Release): string | null {
  const { primary, apex } = seen.cluster;
  if (!primary.exists || apex !== "primary" || primary.revision === candidate.revision) return null;
  const { namespace, name } = state.id;
  return `Users are on revision ${
    primary.revision ?? "unknown"
  } of "${canary.target.name}-primary", Git declares ${candidate.revision}, and the lock is lost: bring it back from Git's history (git log -- ".serin/*/${namespace}/${name}/*"), or bring the manifests back to what runs.`;
}

function firstReplicas(turn: Turn): number {
  const { cluster } = turn.seen;
  return Math.max(1, cluster.target.replicas, cluster.primary.replicas, cluster.declaredReplicas);
}

/** A share that nobody remembers and nobody checks goes back to a primary that can carry it. */
function unchecked(turn: Turn): readonly Action[] {
  const { routes, primary, apex } = turn.seen.cluster;
  const isOn = turn.canary.traits.weights && routes.exists && (routes.weight > 0 || routes.mirror);
  return isOn && apex === "primary" && primary.available > 0 ? routeActions(turn, steadyRoutes(turn)) : [];
}

/** The status file beside it names another lock as the last that was written. */
function isEdited({ seen }: Turn, lock: Lock): boolean {
  const { status } = seen.git;
  const last = status.type === "read" ? status.value.history[0]?.lock : undefined;
  return last !== undefined && last !== lockDigest(lock);
}

/** A lock is in Git and nothing is remembered: a rebuilt cluster, or only the state was lost. */
function fromLock(turn: Turn, lock: Lock, candidate: Release): Step {
  const { cluster } = turn.seen;
  const patch = remember(turn.state, lock);
  const primaryIsLock = cluster.primary.exists && cluster.primary.revision === lock.release.revision;
  if (primaryIsLock && cluster.routes.weight === 0 && cluster.apex === "primary") return enter(turn, "idle", patch);
  const running = { stage: "scaling" as const, replicas: firstReplicas(turn) };
  const run = { ...newRun(turn, lock.release, running), rendered: { primary: lock.primary, configs: lock.configs } };
  const inFlightPromotion = cluster.apex === "primary" && candidate.revision === lock.release.revision &&
    (cluster.routes.weight > 0 || cluster.primary.exists);
  if (inFlightPromotion) {
    return enter(turn, "promoting", {
      ...patch,
      run: { ...run, weight: cluster.routes.weight, mirror: cluster.routes.mirror },
    });
  }
  if (cluster.apex === "primary" && cluster.primary.exists) return enter(turn, "idle", patch);
  return enter(turn, "initialising", { ...patch, run });
}

export function stepInitialising(turn: RunTurn): Step {
  switch (turn.run.stage) {
    case "comparing":
      return compare(turn);
    case "scaling":
      return bringUp(turn);
    case "routing":
      return moveApex(turn);
    default:
      return release(turn);
  }
}

/** The first lock is what the live target serves: the candidate where they agree, else what runs. */
function compare(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const answer = seen.answers.comparison;
  if (answer === null) return keep(turn, {}, [wakeAt(Math.max(now, run.nextCheckAt))]);
  // With the apex at a primary of this very revision, the target is no witness of what serves.
  const isServed = seen.cluster.apex === "primary" && seen.cluster.primary.revision === run.release.revision;
  if (answer.difference !== null && !isServed) {
    const live = seen.cluster.liveRelease;
    if (live !== null && run.release.revision !== live.revision) {
      return advance(turn, "comparing", { release: withoutSecrets(live) }, [
        announce(
          turn,
          "stalled",
          `What runs is not what Git declares (${answer.difference}): the first lock is what runs.`,
        ),
      ]);
    }
    const at = now + run.canary.analysis.intervalMs;
    const what = `The primary that would be made differs from the live target: ${answer.difference}`;
    const waiting = waitAndTell(turn, "stalled", what, { severity: "warn", alert: true, actions: [wakeAt(at)] });
    return { ...waiting, state: { ...waiting.state, run: { ...run, nextCheckAt: at } } };
  }
  if (!seen.cluster.captured && answer.difference === null) {
    return capture(turn, CAPTURE_LOOK_MS);
  }
  const id = decisionId(run.id, "initialise");
  const lock = makeLock(turn, run.release, answer, id);
  const reason = "First start: the release that serves is the first lock.";
  const decision = makeDecision(turn, { kind: "initialise", run: run.id, release: run.release, lock, reason });
  const rendered = { primary: answer.primary, configs: answer.configs };
  const next = advance(turn, "scaling", { rendered, digests: answer.digests });
  return {
    state: { ...next.state, ...remember(turn.state, lock), previousLock: null, decision },
    actions: [{ type: "submit", decision }, ...next.actions],
  };
}

function bringUp(turn: RunTurn): Step {
  const { run, seen, state, canary } = turn;
  const { primary, apex } = seen.cluster;
  const { lock } = state;
  if (lock === null) return advance(turn, "comparing");
  const actions: Action[] = [];
  if (!seen.cluster.servicesReady) {
    actions.push({ type: "apply-services", apex: apex === "primary" ? "primary" : "target" });
  }
  if (!primary.exists || primary.revision !== lock.release.revision || seen.cluster.primaryDrifted) {
    actions.push({ type: "apply-primary", lock, floor: null, replicas: run.primaryReplicas });
  } else if (primary.replicas === 0) actions.push({ type: "scale-primary", replicas: run.primaryReplicas });
  const wanted = Math.max(primary.replicas, 1);
  if (runsLock(turn) && actions.length === 0) {
    const left = followLeftMs(turn);
    if (left === 0) return advance(turn, "routing");
    return keep(turn, {}, [wakeAt(turn.now + left)], {
      waitsFor: "Lets proxies learn of the primary's pods before traffic goes to them.",
    });
  }
  const deadline = run.stageSince + canary.progressDeadlineMs;
  if (primary.failed !== null || turn.now >= deadline) {
    const why = primary.failed ?? "its pods are not ready in time";
    const what = `The primary does not get ready: ${why}. Nothing of the user's was touched.`;
    const newer = newerFirst(turn, lock);
    if (newer !== null) {
      const told = announce(turn, "restarted", `${what} A newer release takes its place.`, { severity: "warn" });
      const next = newRun(turn, newer, { stage: "comparing", replicas: run.primaryReplicas });
      return enter(turn, "initialising", { run: next, lock: null, previousLock: null, decision: null }, [told]);
    }
    return waitAndTell(turn, "stalled", what, { severity: "error", alert: true, actions });
  }
  return {
    state: { ...state, waitsFor: `Waits for the primary: ${primary.ready} of ${wanted} pods are ready.` },
    actions: [...actions, wakeAt(deadline)],
  };
}

/** A release that Git declares by now in place of a first one that serves nobody; null when there is none. */
function newerFirst({ seen }: RunTurn, lock: Lock): Release | null {
  const { git, cluster } = seen;
  const { candidate } = git;
  const isOurs = lock.cluster.uid === cluster.uid;
  if (git.state !== "fresh" || git.presence !== "declared" || candidate === null || !isOurs) return null;
  if (cluster.apex === "primary" || candidate.revision === lock.release.revision) return null;
  // With engine self a target that exists is what serves, whatever Git says, until it was adopted.
  return cluster.engineApplies && cluster.target.exists ? null : candidate;
}

function moveApex(turn: RunTurn): Step {
  const { run, seen, now } = turn;
  const routes = steadyRoutes(turn);
  const isMoved = seen.cluster.apex === "primary" && seen.cluster.servicesReady;
  // Routes that lead to the apex are led over afterwards; without any there is nothing to wait for.
  const leading = isMoved ? leadOver(turn, "ours") : null;
  if (leading !== null) return leading;
  const actions: readonly Action[] = [
    ...(isMoved ? [] : [{ type: "apply-services", apex: "primary" } as const]),
    ...(seen.cluster.leadsOver === null ? routeActions(turn, routes) : []),
  ];
  if (actions.length > 0) {
    return keep(turn, { routedAt: null }, actions, { waitsFor: "Moves the apex to the primary." });
  }
  if (!routesObserved(turn, routes)) {
    const { reason } = seen.cluster.routes;
    return keep(turn, { routedAt: null }, [], {
      waitsFor: `Waits for the route to be accepted${reason === null ? "" : `: ${reason}`}.`,
    });
  }
  const routedAt = run.routedAt ?? now;
  const left = settleLeftMs({ ...turn, run: { ...run, routedAt } });
  if (left > 0) return keep(turn, { routedAt }, [wakeAt(now + left)], { waitsFor: "Lets proxies follow." });
  return advance(turn, "check", { routedAt });
}

/** The lock is in Git, or belongs to another cluster and stays as it is; only then the target goes to zero. */
function release(turn: RunTurn): Step {
  const { state, seen, canary } = turn;
  const { decision } = state;
  if (decision !== null) {
    const outcome = seen.decision;
    if (outcome === null || outcome.type === "withdrawn") {
      return { state: { ...state, waitsFor: "Writes the first lock." }, actions: [{ type: "submit", decision }] };
    }
    if (outcome.type === "pending") {
      const what = outcome.reason === null
        ? "Writes the first lock."
        : `The first lock is not in Git yet: ${outcome.reason}`;
      return outcome.reason === null
        ? { state: { ...state, waitsFor: what }, actions: [] }
        : waitAndTell(turn, "git-pending", what, { severity: "warn", alert: true });
    }
    if (outcome.type === "impossible") {
      const what = `The first lock cannot be written: ${outcome.reason}`;
      return waitAndTell(turn, "stalled", what, { severity: "warn", alert: true });
    }
  }
  const zero = targetToZero(turn);
  if (zero.length > 0) return { state: { ...state, waitsFor: "Scales the target down." }, actions: zero };
  const told = announce(turn, "initialised", announcement.initialised(canary), { alert: true });
  const last = lastOf(turn, "initialised", announcement.initialised(canary));
  return enter(turn, "idle", { run: null, decision: null, last }, [told]);
}
