/** Beginning a rollout, and turning one back. */
import type { Action } from "./action.ts";
import { digestText } from "./digest.ts";
import { runId } from "./locks.ts";
import type { Release } from "./release.ts";
import type { RollbackCause, Run, Stage } from "./state.ts";
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
    release,
    startedAt: now,
    stage: options.stage,
    stageSince: now,
    weight: 0,
    mirror: false,
    nextWeight: 0,
    nextMirror: false,
    routedAt: null,
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
