/**
 * What is written to Git: the lock (what users are on), the status file (what was decided and why), and the decision
 * that writes both in one commit. `src/ledger/` turns these into files, edits and pushes.
 */
import type { CanaryId } from "./canary.ts";
import { digestOf } from "./digest.ts";
import type { KubeObject } from "./kube_object.ts";
import type { Image, Release } from "./release.ts";

/** Name in the configuration, and UID of the namespace kube-system. */
export interface ClusterIdentity {
  readonly name: string;
  readonly uid: string;
}

/** `.serin/<cluster>/<namespace>/<canary>/primary.yaml`. */
export interface Lock {
  readonly algorithm: number;
  readonly cluster: ClusterIdentity;
  readonly canary: CanaryId;
  /** Id of the decision that wrote it. */
  readonly decision: string;
  /** As Git declared it at `release.commit`; Secrets by digest only. */
  readonly release: Release;
  /** The primary workload as it was rendered; repairs apply this, so that an agent's upgrade restarts no pod. */
  readonly primary: KubeObject;
  /** Copies of tracked ConfigMaps as rendered (never Secrets). */
  readonly configs: readonly KubeObject[];
  /** Digests observed on running pods, by image string. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Names a lock's content whoever wrote it: "an earlier lock of ours" is told by this. */
export function lockDigest(lock: Lock): string {
  const { rendering } = lock.release;
  // Of what an engine rendered, Git has an outline, and the content is told by its keyed hash.
  if (rendering !== undefined) {
    return digestOf({ rendering: rendering.template, images: lock.release.images, cluster: lock.cluster.uid }, 16);
  }
  return digestOf({
    primary: lock.primary,
    configs: lock.configs,
    target: lock.release.target,
    revision: lock.release.revision,
    cluster: lock.cluster.uid,
  }, 16);
}

export interface Approval {
  readonly gate: Gate;
  readonly revision: string;
  readonly by: string;
  readonly at: number;
  readonly verdict: "approved" | "rejected";
  readonly reason: string;
}

/** Where a rollout can be held by a gate. */
export type Gate = "confirm-rollout" | "confirm-traffic-increase" | "confirm-promotion";

/** A release that is to be quarantined. */
export interface Quarantine {
  readonly release: Release;
  readonly reason: string;
  /** Digests seen on the pods of its rollout, by image string; absent: no rollout ran just now. */
  readonly digests?: Readonly<Record<string, string>>;
}

export interface QuarantineEntry {
  readonly revision: string;
  readonly images: readonly Image[];
  readonly since: number;
  readonly reason: string;
  /** Digests seen on the pods of its rollout, by image string; empty where none was seen. */
  readonly digests: Readonly<Record<string, string>>;
  /** How often it was reverted, in all. */
  readonly reverts: number;
  readonly lastRevertAt: number;
  /** Times of the reverts within a day of the last one, newest first: they make the delay, and the bound. */
  readonly recentReverts: readonly number[];
}

/** One line of why: a check, a number, a deadline. */
export interface Evidence {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "inconclusive";
  readonly value: number | null;
  readonly message: string;
  readonly at: number;
}

/**
 * - `initialise`: the first lock is written.
 * - `promotion`: the candidate becomes the lock.
 * - `revert`: the candidate failed; the manifests go back to the lock, the revision is quarantined.
 * - `withdrawal`: a committed promotion is undone: the previous lock is written again and the manifests go back to it.
 * - `rollback`: asked by a person on an idle canary; as withdrawal, without an analysis.
 * - `restore-lock`: the lock in Git was lost; the remembered one is written again.
 * - `removal`: the Canary and its target are gone, and all that was derived: lock and status file go too.
 * - `hand-back`: the Canary is gone, its target serves again, and all that was derived is gone: the same.
 * - `adoption`: a person says that this cluster takes over a lock of another one: the same lock, under its own identity.
 * - `record`: only the status file (a person reverted a promotion; a quarantine was lifted).
 */
export type DecisionKind =
  | "initialise"
  | "promotion"
  | "revert"
  | "withdrawal"
  | "rollback"
  | "restore-lock"
  | "removal"
  | "hand-back"
  | "adoption"
  | "record";

/** Whether lock and status file leave Git by such a decision. */
export function removesLock({ kind }: Pick<Decision, "kind">): boolean {
  return kind === "removal" || kind === "hand-back";
}

export interface Decision {
  /** "<run>/<kind>": the trailer Serin-Run, and `lastDecision.id` of the status file. Doing it twice is one decision. */
  readonly id: string;
  readonly canary: CanaryId;
  readonly kind: DecisionKind;
  readonly at: number;
  /** The release that was judged. */
  readonly release: Release;
  /** The lock that the tip must hold afterwards; of a removal or a hand-back, the one that it must no longer hold. */
  readonly lock: Lock;
  /** What the user's manifests must declare afterwards; null: they are not touched. */
  readonly manifests: Release | null;
  /** Revision to quarantine, with the reason; null: none. */
  readonly quarantine: Quarantine | null;
  /** Revision whose quarantine is lifted; null: none. */
  readonly lift: string | null;
  readonly evidence: readonly Evidence[];
  readonly approvals: readonly Approval[];
  /** One sentence for people: "Failed checks threshold reached: 3". */
  readonly reason: string;
}

export interface LastDecision {
  readonly id: string;
  readonly kind: DecisionKind;
  readonly revision: string;
  readonly images: readonly Image[];
  /** The commit that was judged. */
  readonly commit: string;
  readonly at: number;
  readonly reason: string;
  readonly evidence: readonly Evidence[];
  readonly approvals: readonly Approval[];
}

/** `status.yaml` beside the lock. */
export interface StatusFile {
  readonly canary: CanaryId;
  readonly cluster: ClusterIdentity;
  readonly last: LastDecision;
  readonly quarantine: readonly QuarantineEntry[];
  /** Newest first, at most 10: locks this agent wrote. */
  readonly history: readonly { readonly lock: string; readonly revision: string; readonly at: number }[];
}

export type DecisionOutcome =
  /** Not there yet; `reason` says what stands in the way (Git is down, the push was refused), or null while it runs. */
  | { readonly type: "pending"; readonly reason: string | null; readonly attempts: number }
  | { readonly type: "committed"; readonly commit: string }
  /** Cannot be planned on the present tip (someone moved on, an overlay, an encrypted file): nothing was written. */
  | { readonly type: "impossible"; readonly reason: string };
