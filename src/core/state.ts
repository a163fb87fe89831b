/**
 * Everything remembered about a canary between two turns: small plain JSON, kept in one ConfigMap. `phase` says where
 * a rollout is; nothing is ever inferred from weights or counters.
 */
import type { OnceAction } from "./action.ts";
import type { Canary, CanaryId, Weight } from "./canary.ts";
import type { Approval, Decision, Evidence, Gate, Lock } from "./decision.ts";
import type { KubeObject } from "./kube_object.ts";
import type { Image, Release } from "./release.ts";
import type { Cookies } from "./routes.ts";

export const STATE_VERSION = 1;

/**
 * - `new`: nothing is known yet, or adoption waits for something.
 * - `initialising`: the primary is brought up beside a target that still serves; then the apex moves.
 * - `idle`: users are on the lock; `last` says how the last rollout ended.
 * - `waiting`: a candidate waits for the gate confirm-rollout.
 * - `starting`: the canary is brought up at weight 0.
 * - `progressing`: shares rise under checks.
 * - `waiting-promotion`: the gate confirm-promotion is closed; checks go on.
 * - `pushing`: the promotion commit is not pushed yet; checks go on.
 * - `promoting`: the primary takes the committed release, then the traffic.
 * - `finalising`: the canary goes to zero.
 * - `rolling-back`: traffic goes back, is observed, the canary goes to zero.
 * - `reverting`: the verdict is being written; no traffic is on the canary.
 * - `restoring`: the primary of a committed promotion did not get ready: the previous lock is applied again.
 * - `handing-back`: the Canary was removed: the target serves again, then what was derived goes.
 * - `released`: nothing of it is ours any more.
 */
export type Phase =
  | "new"
  | "initialising"
  | "idle"
  | "waiting"
  | "starting"
  | "progressing"
  | "waiting-promotion"
  | "pushing"
  | "promoting"
  | "finalising"
  | "rolling-back"
  | "reverting"
  | "restoring"
  | "handing-back"
  | "released";

/** Where inside `starting`, `progressing` and the phases that follow the next turn goes on. */
export type Stage =
  | "applying"
  | "scaling"
  | "comparing"
  | "fencing"
  | "pre-rollout"
  | "gate"
  | "capacity"
  | "routing"
  | "check"
  | "promotion-gate";

/** What a rollout is to end as, once its traffic is back. */
export type RollbackCause = "failed" | "held" | "cancelled" | "superseded";

/** How a rollout ended. */
export type Outcome = "initialised" | "succeeded" | "failed" | "held" | "cancelled" | "skipped" | "rolled-back";

export interface Run {
  /** Stable over restarts of the agent: digest of canary, revision and start. */
  readonly id: string;
  /** The spec, templates and candidate it runs by, resolved when it began. */
  readonly canary: Canary;
  readonly release: Release;
  readonly startedAt: number;
  readonly stage: Stage;
  readonly stageSince: number;
  /** Canary weight wanted of the router now. */
  readonly weight: Weight;
  readonly mirror: boolean;
  /** Weight that `capacity` and `routing` work towards. */
  readonly nextWeight: Weight;
  readonly nextMirror: boolean;
  /** When the routes were last observed as wanted, or null while they are not. */
  readonly routedAt: number | null;
  /** Since when what receives traffic next is seen with the ready pods for it, or null while it is not. */
  readonly readySince: number | null;
  readonly iterations: number;
  readonly failedChecks: number;
  /** Of `failedChecks`, those that were only inconclusive. */
  readonly inconclusiveChecks: number;
  readonly preRolloutPassed: boolean;
  readonly nextCheckAt: number;
  /** Replicas of the primary when the rollout began. */
  readonly primaryReplicas: number;
  /** Digest of the live pod template that was compared with the candidate, or null before. */
  readonly templateDigest: string | null;
  /** The primary rendered from the candidate, once compared. */
  readonly rendered: { readonly primary: KubeObject; readonly configs: readonly KubeObject[] } | null;
  readonly digests: Readonly<Record<string, string>>;
  readonly approvals: readonly Approval[];
  /** Gates opened by a person and not used up yet. */
  readonly openGates: readonly Gate[];
  readonly cookies: Cookies;
  readonly evidence: readonly Evidence[];
  /** Why it is being rolled back; null while it is not. */
  readonly rollback: { readonly cause: RollbackCause; readonly reason: string } | null;
  /** The lock before a committed promotion, until the rollout ends. */
  readonly previous: Lock | null;
}

export interface LastRun {
  readonly run: string;
  readonly revision: string;
  readonly images: readonly Image[];
  readonly outcome: Outcome;
  readonly reason: string;
  readonly at: number;
}

export interface State {
  readonly version: typeof STATE_VERSION;
  readonly id: CanaryId;
  /** Leadership epoch of the last writer. */
  readonly epoch: number;
  readonly phase: Phase;
  readonly phaseSince: number;
  /** The last spec that was read without an error, so that a removed or broken Canary can still be looked after. */
  readonly canary: Canary | null;
  /** `spec.suspend` as last read. */
  readonly suspended: boolean;
  /** The lock as remembered; null before the first. */
  readonly lock: Lock | null;
  /** The lock before it, for a rollback that is asked for. */
  readonly previousLock: Lock | null;
  /** Digests of locks that were withdrawn: never applied, whatever Git says. */
  readonly withdrawn: readonly string[];
  /** Digests of the locks we wrote, newest first, at most 10. */
  readonly lockHistory: readonly string[];
  readonly run: Run | null;
  /** The decision on its way to Git. */
  readonly decision: Decision | null;
  readonly last: LastRun | null;
  /** Revisions that are held until `retry` or a newer candidate. */
  readonly held: { readonly revision: string; readonly reason: string } | null;
  /** Quarantine known here before Git has it (another canary shares the file, Git is down). */
  readonly quarantined: readonly string[];
  /** What the canary waits for, in words; null when for nothing. */
  readonly waitsFor: string | null;
  /** Why it is stalled (preflight, a broken manifest, an edited lock); null when it is not. */
  readonly stalled: string | null;
  readonly paused: { readonly by: string; readonly at: number; readonly reason: string } | null;
  /** When traffic was last on a canary, for the metric windows of the next rollout. */
  readonly lastTrafficAt: number | null;
  /** A cookie to be expired in browsers by the next routes. */
  readonly previousCookie: string | null;
  /** A person said: this cluster may write. */
  readonly adopted: boolean;
  /** Messages announced once, by key, so that a wait is told once. */
  readonly told: readonly string[];
  /**
   * What is to be told or called once, saved along with the phase that says so: a crash before it is done leaves it
   * here for whoever comes next, who may then do it a second time under the same id.
   */
  readonly outbox: readonly OnceAction[];
}

export function newState(id: CanaryId, now: number): State {
  return {
    version: STATE_VERSION,
    id,
    epoch: 0,
    phase: "new",
    phaseSince: now,
    canary: null,
    suspended: false,
    lock: null,
    previousLock: null,
    withdrawn: [],
    lockHistory: [],
    run: null,
    decision: null,
    last: null,
    held: null,
    quarantined: [],
    waitsFor: null,
    stalled: null,
    paused: null,
    lastTrafficAt: null,
    previousCookie: null,
    adopted: false,
    told: [],
    outbox: [],
  };
}

/** Phases in which a rollout is on its way. */
export function inFlight(phase: Phase): boolean {
  switch (phase) {
    case "starting":
    case "progressing":
    case "waiting-promotion":
    case "pushing":
    case "promoting":
    case "finalising":
    case "rolling-back":
    case "restoring":
      return true;
    case "new":
    case "initialising":
    case "idle":
    case "waiting":
    case "reverting":
    case "handing-back":
    case "released":
      return false;
  }
}

/** The phase by the name that Flagger's users, dashboards and webhooks know. */
export function flaggerPhase(state: Pick<State, "phase" | "last">): string {
  switch (state.phase) {
    case "new":
    case "initialising":
      return "Initializing";
    case "waiting":
      return "Waiting";
    case "starting":
    case "progressing":
    case "rolling-back":
    case "restoring":
    case "pushing":
      return "Progressing";
    case "waiting-promotion":
      return "WaitingPromotion";
    case "promoting":
      return "Promoting";
    case "finalising":
      return "Finalising";
    case "reverting":
      return "Failed";
    case "handing-back":
    case "released":
      return "Terminating";
    case "idle":
      switch (state.last?.outcome) {
        case "succeeded":
        case "skipped":
        case "rolled-back":
          return "Succeeded";
        case "failed":
        case "held":
          return "Failed";
        case "initialised":
        case "cancelled":
        case undefined:
          return "Initialized";
      }
  }
}
