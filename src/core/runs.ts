/** Beginning a rollout, turning one back, and what is said of one that is over. */
import type { Action } from "./action.ts";
import type { Decision, Lock } from "./decision.ts";
import { digestText } from "./digest.ts";
import { makeDecision, runId, withoutSecrets } from "./locks.ts";
import type { Release } from "./release.ts";
import type { LastRun, Outcome, RollbackCause, Run, Stage } from "./state.ts";
import { announce, enter, type RunTurn, type Step, type Turn } from "./turn.ts";

/** A cookie value made of the run's id: stable over restarts, new for each rollout. */
function cookieValue(id: string, role: string): string {
  return digestText(`${id}/${role}`, 10).replace(/[0-9]/g, (digit) => "ghijklmnop"[Number(digit)] ?? "q");
}

export function newRun(
  turn: Turn,
  release: Release,
  options: { readonly stage: Stage; readonly replicas: number },
): Run {
  const { canary, state, now } = turn;
  const id = runId(state, release.revision, now);
  const affinity = canary.analysis.sessionAffinity;
  const primaryCookie = affinity?.primaryCookieName ?? null;
  return {
    id,
    canary,
    // It is kept in a ConfigMap, which more people may read than Secrets.
    release: withoutSecrets(release),
    startedAt: now,
    stage: options.stage,
    stageSince: now,
    weight: 0,
    mirror: false,
    nextWeight: 0,
    nextMirror: false,
    routedAt: null,
    readySince: null,
    iterations: 0,
    failedChecks: 0,
    inconclusiveChecks: 0,
    preRolloutPassed: false,
    nextCheckAt: now,
    primaryReplicas: options.replicas,
    templateDigest: null,
    rendered: null,
    digests: {},
    approvals: [],
    openGates: [],
    cookies: {
      canary: affinity === null ? null : `${affinity.cookieName}=${cookieValue(id, "canary")}`,
      previous: state.previousCookie,
      primary: primaryCookie === null ? null : `${primaryCookie}=${cookieValue(id, "primary")}`,
    },
    evidence: [],
    rollback: null,
    previous: null,
  };
}

/**
 * Turns a rollout back. The phase does the rest; a rollback that is already on its way keeps its first cause, except
 * that "failed" wins over the milder ones.
 */
export function rollBack(turn: RunTurn, cause: RollbackCause, reason: string, actions: readonly Action[] = []): Step {
  const { run } = turn;
  const severity = cause === "failed" ? "error" : cause === "held" ? "warn" : "info";
  const kind = cause === "superseded" ? "restarted" : cause === "cancelled" ? "cancelled" : "rolling-back";
  const told = announce(turn, kind, reason, {
    severity,
    alert: cause === "failed" || cause === "held",
    details: { cause },
  });
  return enter(turn, "rolling-back", {
    run: { ...run, weight: 0, mirror: false, routedAt: null, rollback: { cause, reason } },
  }, [...actions, told]);
}

/** How a rollout that is over is remembered. */
export function lastOf({ run, now }: RunTurn, outcome: Outcome, reason: string): LastRun {
  return { run: run.id, revision: run.release.revision, images: run.release.images, outcome, reason, at: now };
}

/** The verdict on a release that failed: the manifests go back to the lock, and its revision is quarantined. */
export function turnedDown(turn: RunTurn, kind: "revert" | "withdrawal", lock: Lock, reason: string): Decision {
  const { run } = turn;
  const { release } = run;
  const quarantine = { release, reason, digests: run.digests };
  return makeDecision(turn, {
    kind,
    run: run.id,
    release,
    lock,
    manifests: lock.release,
    quarantine,
    reason,
    evidenceOf: run,
  });
}
