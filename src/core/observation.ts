/** What was read in one turn, and the questions that say what must be read because it costs something. */
import type { Canary, WebhookType } from "./canary.ts";
import type { DecisionOutcome, Gate, Lock, StatusFile } from "./decision.ts";
import type { KubeObject, ObjectRef } from "./kube_object.ts";
import type { Release } from "./release.ts";
import type { RoutesView } from "./routes.ts";
import type { WorkloadView } from "./workload.ts";

/** A question costs a request to an outside system; all else in an observation comes from watch caches. */
export type Question =
  /** A dry-run apply of the primary made from a release, compared with the live target. */
  | { readonly type: "compare"; readonly release: Release }
  /** Webhooks of a type, in their order, up to the first that is not open. */
  | { readonly type: "hooks"; readonly hooks: WebhookType; readonly gate: Gate | null }
  /** All metrics of the analysis. */
  | { readonly type: "metrics" }
  /** Whether the series exist that metrics of the analysis are made of, whatever they count. */
  | { readonly type: "series" };

export interface CheckResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "inconclusive";
  readonly value: number | null;
  readonly message: string;
  /** Inconclusive because there was nothing to count; `onNoData` says what that means. */
  readonly noData: boolean;
  readonly critical: boolean;
  readonly dryRun: boolean;
}

/** Answer to a `hooks` question: all open, the first that is not, or one that could not be asked. */
export type HooksAnswer =
  | { readonly type: "open" }
  | { readonly type: "closed"; readonly hook: string; readonly reason: string; readonly muteAlert: boolean }
  | { readonly type: "unknown"; readonly hook: string; readonly reason: string; readonly muteAlert: boolean };

/** "missing": there is no series of a metric at all, of no workload; "unknown": that could not be found out. */
export type SeriesAnswer =
  | { readonly type: "there" }
  | { readonly type: "missing" | "unknown"; readonly metric: string; readonly reason: string };

export interface ComparisonView {
  /** First difference between the live target and what would be promoted, or null. */
  readonly difference: string | null;
  /** Digest of the live template that was compared. */
  readonly templateDigest: string;
  readonly primary: KubeObject;
  readonly configs: readonly KubeObject[];
  readonly digests: Readonly<Record<string, string>>;
}

export interface Answers {
  readonly comparison: ComparisonView | null;
  readonly hooks: Partial<Readonly<Record<WebhookType, HooksAnswer>>>;
  readonly metrics: readonly CheckResult[] | null;
  readonly series: SeriesAnswer | null;
}

export const NO_ANSWERS: Answers = { comparison: null, hooks: {}, metrics: null, series: null };

export type FileFacts<T> =
  | { readonly type: "absent" }
  | { readonly type: "read"; readonly value: T }
  | { readonly type: "broken"; readonly reason: string };

export interface GitFacts {
  /** "unknown": not fetched since the start; then nothing below may be relied on. */
  readonly state: "unknown" | "fresh" | "stale";
  /** "held-removal": too many canaries went at once; a person must confirm. */
  readonly presence: "declared" | "broken" | "removed" | "held-removal" | "unknown";
  readonly canary: Canary | null;
  readonly candidate: Release | null;
  /** First error that stalls this canary, with file and line, or null. */
  readonly complaint: string | null;
  readonly lock: FileFacts<Lock>;
  readonly status: FileFacts<StatusFile>;
  readonly commit: string | null;
}

/**
 * The target, or ConfigMaps that its pods name, behind a fence of ours and no longer declared at the tip. An engine that
 * heeds the fence does not delete them, and forgets them once it has applied such a tip.
 */
export interface Leaving {
  readonly refs: readonly ObjectRef[];
  /** Whether the engine has applied the tip: before, it may still delete them itself. */
  readonly applied: boolean;
}

export interface ClusterFacts {
  readonly uid: string;
  readonly clusterName: string;
  readonly target: WorkloadView;
  readonly primary: WorkloadView;
  /** Git certainly declares the target no more: its source is fresh, and every file of it was read. */
  readonly targetUndeclared: boolean;
  /** A field that the lock has is missing or changed on the live primary. */
  readonly primaryDrifted: boolean;
  /** Engine `self`: the agent applies the release unit. */
  readonly engineApplies: boolean;
  /** Revision that the agent applied to the live target (engine `self`), or null. */
  readonly targetRevision: string | null;
  readonly routes: RoutesView;
  /**
   * Steps left of leading routes over (`lead-over`), in adoption to our Services, in a hand-back to the apex: "first"
   * where none was taken yet, null where none is left, or none is needed.
   */
  readonly leadsOver: "first" | "next" | null;
  /** What the apex Service selects. */
  readonly apex: "primary" | "target" | "absent";
  /** The -primary and -canary Services are as they should be. */
  readonly servicesReady: boolean;
  /** Whether who applies manifests has applied the candidate to the live target. */
  readonly applied: { readonly type: "applied" | "pending" | "failed" | "suspended"; readonly message: string };
  /** The live target as a release, for a first lock that Git does not declare. */
  readonly liveRelease: Release | null;
  /** "ours" may be a leftover: its id is `fenceRun`. */
  readonly fence: "none" | "ours" | "foreign";
  readonly fenceRun: string | null;
  /** What our fence holds back though Git no longer declares it; null where there is no such thing, or Git is unsure. */
  readonly leaving: Leaving | null;
  /** What a fence holds up beside the target, with what to do; null when nothing is known. */
  readonly heldUp: string | null;
  /** What an engine rendered for the rollout on its way is kept, to be promoted from; also where nothing has to be. */
  readonly captured: boolean;
  /** Whether the engine needs a fence at all. */
  readonly fenceNeeded: boolean;
  /** The primary's scaler is not the copy of what Git declares that it is outside a rollout. */
  readonly primaryScalerDrifted: boolean;
  /** The target's scaler is not as the candidate declares it. */
  readonly targetScalerDrifted: boolean;
  /** Replicas that the target's scaler keeps at least; 0 without one. */
  readonly scalerMinimum: number;
  /** Replicas that a new primary gets when no scaler says: the live or declared target's. */
  readonly declaredReplicas: number;
  /** What preflight found that blocks, with the YAML that settles it; null when nothing does. */
  readonly blocked: string | null;
}

export interface Observation {
  readonly git: GitFacts;
  readonly cluster: ClusterFacts;
  readonly answers: Answers;
  /** What became of `state.decision`; "withdrawn": taken back before it landed. */
  readonly decision: DecisionOutcome | { readonly type: "withdrawn" } | null;
  /** How long a promotion commit may take to land, milliseconds; 30 minutes unless the configuration says otherwise. */
  readonly promotionDeadlineMs?: number;
}
