/** What a person asks of a canary, bound to revision and gate. A command that does not apply is refused with why. */
import { type Approval, type Gate, lockDigest } from "./decision.ts";
import { decisionId, makeDecision, runId } from "./locks.ts";
import type { Observation } from "./observation.ts";
import type { Run, State } from "./state.ts";
import { announce, type Turn } from "./turn.ts";
import type { Action } from "./action.ts";

export interface Command {
  readonly type: "approve" | "reject" | "pause" | "resume" | "retry" | "rollback" | "adopt";
  readonly by: string;
  readonly reason: string;
  /** Revision the person looked at; approve and reject must name it. */
  readonly revision: string | null;
  readonly gate: Gate | null;
}

export type CommandResult =
  | { readonly type: "done"; readonly state: State; readonly actions: readonly Action[]; readonly message: string }
  | { readonly type: "refused"; readonly reason: string };

/** The gate that a canary waits at, or null. */
export function waitsAtGate(state: Pick<State, "run" | "phase" | "waitsFor">): Gate | null {
  const { run } = state;
  if (run === null) return null;
  if (state.phase === "waiting") return "confirm-rollout";
  if (state.phase === "waiting-promotion") return "confirm-promotion";
  if (state.phase !== "progressing" || state.waitsFor === null) return null;
  const waiting = state.waitsFor.startsWith("Canary traffic increase");
  return waiting ? "confirm-traffic-increase" : null;
}

const refused = (reason: string): CommandResult => ({ type: "refused", reason });

export function applyCommand(state: State, command: Command, seen: Observation, now: number): CommandResult {
  switch (command.type) {
    case "approve":
    case "reject":
      return atGate(state, command, seen, now);
    case "pause":
      if (state.paused !== null) return refused(`It is paused already, by ${state.paused.by}.`);
      return done({ ...state, paused: { by: command.by, at: now, reason: command.reason } }, "Paused.");
    case "resume":
      if (state.paused === null) return refused("It is not paused.");
      return done({ ...state, paused: null, told: [] }, "Resumed.");
    case "retry":
      return retry(state, command, seen, now);
    case "rollback":
      return rollback(state, command, seen, now);
    case "adopt":
      if (state.adopted) return refused("It is adopted already.");
      return adopt(state, command, seen, now);
  }
}

/** A lock of another cluster is written again under this one's identity before anything else is. */
function adopt(state: State, command: Command, seen: Observation, now: number): CommandResult {
  const { lock } = state;
  const canary = seen.git.canary ?? state.canary;
  const adopted: State = { ...state, adopted: true, stalled: null, told: [] };
  const message = "Adopted: this cluster may write.";
  const foreign = lock !== null && lock.cluster.uid !== seen.cluster.uid;
  if (!foreign || state.phase !== "idle" || canary === null) return done(adopted, message);
  const run = runId(state, `${lockDigest(lock)}/${seen.cluster.uid}`, now);
  const identity = { name: seen.cluster.clusterName, uid: seen.cluster.uid };
  const own = { ...lock, cluster: identity, decision: decisionId(run, "adoption") };
  const reason = `Adopted by ${command.by}${command.reason === "" ? "" : `: ${command.reason}`}`;
  const turn: Turn = { canary, state: adopted, seen, now };
  const decision = makeDecision(turn, { kind: "adoption", run, release: lock.release, lock: own, reason });
  const next: State = { ...adopted, decision, phase: "reverting", phaseSince: now };
  return done(next, message, [{ type: "submit", decision }]);
}

/** Another cluster's lock that nobody took over: nothing is written. */
function isForeign(state: State, seen: Observation): boolean {
  return state.lock !== null && state.lock.cluster.uid !== seen.cluster.uid && !state.adopted;
}

function done(state: State, message: string, actions: readonly Action[] = []): CommandResult {
  return { type: "done", state, message, actions };
}

function atGate(state: State, command: Command, seen: Observation, now: number): CommandResult {
  const gate = waitsAtGate(state);
  const { run } = state;
  if (gate === null || run === null) return refused(`It does not wait for an approval: its phase is "${state.phase}".`);
  if (command.revision === null) return refused("Name the revision that is meant.");
  if (command.revision !== run.release.revision) {
    return refused(`It waits for revision ${run.release.revision}, not for ${command.revision}.`);
  }
  if (command.gate !== null && command.gate !== gate) {
    return refused(`It waits at "${gate}", not at "${command.gate}".`);
  }
  if (run.openGates.includes(gate)) return refused(`"${gate}" is approved already.`);
  const verdict = command.type === "approve" ? "approved" : "rejected";
  const approval: Approval = {
    gate,
    revision: command.revision,
    by: command.by,
    at: now,
    verdict,
    reason: command.reason,
  };
  const approvals = [...run.approvals, approval].slice(-50);
  if (verdict === "approved") {
    const next: Run = {
      ...run,
      approvals,
      openGates: [...run.openGates, gate],
      stage: stageAfter(gate, run),
      nextCheckAt: now,
    };
    return done({ ...state, run: next }, `Approved "${gate}" for revision ${command.revision}.`);
  }
  const why = `Rejected by ${command.by}${command.reason === "" ? "" : `: ${command.reason}`}`;
  const back = turnedBack({ ...state, run: { ...run, approvals } }, why, now);
  return done(back, `Rejected "${gate}" for revision ${command.revision}.`, [toldOf(back, run, why, { seen, now })]);
}

/** An approval goes on from the gate, not from another round of checks, unless the newest one failed. */
function stageAfter(gate: Gate, run: Run): Run["stage"] {
  if (gate !== "confirm-rollout" && run.stage === "check" && !newestPassed(run)) return run.stage;
  switch (gate) {
    case "confirm-rollout":
      return run.stage;
    case "confirm-traffic-increase":
      return "gate";
    case "confirm-promotion":
      return "promotion-gate";
  }
}

function newestPassed(run: Run): boolean {
  const newest = Math.max(...run.evidence.map(({ at }) => at));
  return run.evidence.every(({ at, outcome }) => at < newest || outcome === "passed");
}

function turnedBack(state: State, reason: string, now: number): State {
  const { run } = state;
  if (run === null) return state;
  const next = { ...run, weight: 0, mirror: false, routedAt: null, rollback: { cause: "failed" as const, reason } };
  return { ...state, phase: "rolling-back", phaseSince: now, waitsFor: null, paused: null, run: next };
}

/** A rollback is told at once: the turn that follows only sees it under way. */
function toldOf(state: State, run: Run, reason: string, at: { readonly seen: Observation; readonly now: number }) {
  return announce({ canary: run.canary, state, ...at }, "rolling-back", reason, { severity: "warn", alert: true });
}

function retry(state: State, command: Command, seen: Observation, now: number): CommandResult {
  const revision = seen.git.candidate?.revision ?? null;
  if (state.held !== null) {
    return done({ ...state, held: null, told: [], waitsFor: null }, "The held revision starts again.");
  }
  if (revision === null) return refused("Nothing to retry: Git declares no candidate.");
  if (state.quarantined.includes(revision)) {
    const quarantined = state.quarantined.filter((known) => known !== revision);
    return done(
      { ...state, quarantined, stalled: null, told: [] },
      `Revision ${revision} is no longer quarantined here.`,
    );
  }
  const listed = seen.git.status.type === "read" &&
    seen.git.status.value.quarantine.some((entry) => entry.revision === revision);
  const about = command.revision ?? revision;
  const lock = state.lock;
  if (!listed || lock === null || state.phase !== "idle") {
    return refused(`Nothing to retry: revision ${about} is neither held nor quarantined.`);
  }
  if (isForeign(state, seen)) return refused("The lock belongs to another cluster: adopt it first.");
  const canary = seen.git.canary ?? state.canary;
  if (canary === null || seen.git.candidate === null) return refused("The Canary cannot be read.");
  const turn: Turn = { canary, state, seen, now };
  const decision = makeDecision(turn, {
    kind: "record",
    run: runId(state, revision, now),
    release: seen.git.candidate,
    lock,
    lift: revision,
    reason: `${command.by} lifted the quarantine of ${revision}.`,
  });
  return done({ ...state, decision, phase: "reverting", phaseSince: now, stalled: null, told: [] }, decision.reason, [{
    type: "submit",
    decision,
  }]);
}

function rollback(state: State, command: Command, seen: Observation, now: number): CommandResult {
  const reason = `Rolled back by ${command.by}${command.reason === "" ? "" : `: ${command.reason}`}`;
  switch (state.phase) {
    case "waiting":
    case "starting":
    case "progressing":
    case "waiting-promotion":
    case "pushing": {
      const back = turnedBack(state, reason, now);
      const told = state.run === null ? [] : [toldOf(back, state.run, reason, { seen, now })];
      return done(back, "Traffic goes back; the candidate is reverted.", told);
    }
    case "promoting":
    case "finalising":
      return rollbackPromotion(state, reason, { seen, now });
    case "idle":
      return rollbackIdle(state, reason, { seen, now });
    case "new":
    case "initialising":
    case "rolling-back":
    case "reverting":
    case "restoring":
    case "handing-back":
    case "released":
      return refused(`Nothing to roll back: its phase is "${state.phase}".`);
  }
}

function rollbackPromotion(
  state: State,
  reason: string,
  at: { readonly seen: Observation; readonly now: number },
): CommandResult {
  const { run, lock } = state;
  const { now } = at;
  if (run === null || lock === null || run.previous === null) {
    return refused("The lock before this promotion is not known.");
  }
  const next = { ...run, stageSince: now, rollback: { cause: "failed" as const, reason } };
  const withdrawn = [...state.withdrawn, lockDigest(lock)].slice(-10);
  const restored: State = {
    ...state,
    lock: run.previous,
    withdrawn,
    run: next,
    phase: "restoring",
    phaseSince: now,
    waitsFor: null,
  };
  const told = toldOf(restored, run, reason, at);
  return done(restored, "The previous release is applied again; the promotion is withdrawn.", [told]);
}

function rollbackIdle(
  state: State,
  reason: string,
  at: { readonly seen: Observation; readonly now: number },
): CommandResult {
  const { lock, previousLock } = state;
  const canary = at.seen.git.canary ?? state.canary;
  if (lock === null || previousLock === null || canary === null) {
    return refused("No earlier lock is known to roll back to.");
  }
  if (isForeign(state, at.seen)) return refused("The lock belongs to another cluster: adopt it first.");
  if (state.withdrawn.includes(lockDigest(previousLock))) return refused("The earlier lock was withdrawn itself.");
  if (lockDigest(lock) === lockDigest(previousLock)) return refused("The earlier lock is what users are on.");
  const turn: Turn = { canary, state, seen: at.seen, now: at.now };
  const decision = makeDecision(turn, {
    kind: "rollback",
    run: runId(state, `${lock.release.revision}/rollback`, at.now),
    release: lock.release,
    lock: previousLock,
    manifests: previousLock.release,
    quarantine: { release: lock.release, reason, digests: lock.digests },
    reason,
  });
  const withdrawn = [...state.withdrawn, lockDigest(lock)].slice(-10);
  const next: State = {
    ...state,
    lock: previousLock,
    previousLock: null,
    withdrawn,
    decision,
    phase: "reverting",
    phaseSince: at.now,
    waitsFor: null,
    last: {
      run: decision.id,
      revision: lock.release.revision,
      images: lock.release.images,
      outcome: "rolled-back",
      reason,
      at: at.now,
    },
  };
  const told = announce({ ...turn, state: next }, "rolling-back", reason, { severity: "warn", alert: true });
  return done(next, "The previous release is applied at once and committed.", [
    { type: "apply-primary", lock: previousLock, floor: null, replicas: Math.max(1, at.seen.cluster.primary.replicas) },
    { type: "submit", decision },
    told,
  ]);
}
