/** Making locks and decisions, and judging a lock that Git holds but this agent did not just write. */
import { canaryKey } from "./canary.ts";
import { type Decision, type DecisionKind, type Lock, lockDigest, type Quarantine } from "./decision.ts";
import { digestOf } from "./digest.ts";
import type { ClusterFacts, ComparisonView, FileFacts } from "./observation.ts";
import { type Release, REVISION_ALGORITHM } from "./release.ts";
import type { Run, State } from "./state.ts";
import type { Turn } from "./turn.ts";

export function decisionId(run: string, kind: DecisionKind): string {
  return `${run}/${kind}`;
}

/** A decision that could not be planned on a tip is looked at again after this time; on another tip at once. */
export const IMPOSSIBLE_AGAIN_MS = 15 * 60_000;

/** Under what `State.told` remembers that a decision could not be planned on its tip. */
export function impossibleKey(decision: string): string {
  return `impossible:${decision}`;
}

/** A release as it may be remembered, in a lock or in the cluster: Secrets by digest only. */
export function withoutSecrets(release: Release): Release {
  return {
    ...release,
    configs: release.configs.map((config) => config.kind === "Secret" ? { ...config, declared: null } : config),
  };
}

export function makeLock(
  turn: Turn,
  release: Release,
  parts: Pick<ComparisonView, "primary" | "configs" | "digests">,
  decision: string,
): Lock {
  const { cluster } = turn.seen;
  return {
    algorithm: REVISION_ALGORITHM,
    cluster: { name: cluster.clusterName, uid: cluster.uid },
    canary: turn.state.id,
    decision,
    release: withoutSecrets(release),
    primary: parts.primary,
    configs: parts.configs.filter((config) => config.kind !== "Secret"),
    digests: parts.digests,
  };
}

export interface DecisionParts {
  readonly kind: DecisionKind;
  readonly run: string;
  readonly release: Release;
  readonly lock: Lock;
  readonly manifests?: Release | null;
  readonly quarantine?: Quarantine | null;
  readonly lift?: string | null;
  readonly reason: string;
  readonly evidenceOf?: Run | null;
}

export function makeDecision(turn: Turn, parts: DecisionParts): Decision {
  return {
    id: decisionId(parts.run, parts.kind),
    canary: turn.state.id,
    kind: parts.kind,
    at: turn.now,
    release: withoutSecrets(parts.release),
    lock: parts.lock,
    manifests: parts.manifests ?? null,
    quarantine: parts.quarantine ?? null,
    lift: parts.lift ?? null,
    evidence: parts.evidenceOf?.evidence ?? [],
    approvals: parts.evidenceOf?.approvals ?? [],
    reason: parts.reason,
  };
}

/** Run ids are stable: the same canary, revision and start give the same id. */
export function runId(state: State, revision: string, now: number): string {
  return digestOf([canaryKey(state.id), revision, now], 10);
}

export type LockJudgement =
  | { readonly type: "same" }
  | { readonly type: "missing" }
  | { readonly type: "broken"; readonly reason: string }
  /** Written by the decision that is on its way, or by an agent of ours that this state does not know of. */
  | { readonly type: "ours"; readonly lock: Lock }
  /** A person reverted a promotion commit: that is the rollback. */
  | { readonly type: "earlier"; readonly lock: Lock }
  | { readonly type: "withdrawn" }
  | { readonly type: "other-cluster"; readonly lock: Lock }
  | { readonly type: "edited"; readonly lock: Lock };

/** What the lock in Git is, beside the remembered one. Only asked when Git's answer is fresh and a lock is remembered. */
export function judgeLock(
  state: State,
  facts: { readonly lock: FileFacts<Lock>; readonly lastDecision: string | null; readonly history: readonly string[] },
  cluster: Pick<ClusterFacts, "uid">,
): LockJudgement {
  if (facts.lock.type === "absent") return { type: "missing" };
  if (facts.lock.type === "broken") return { type: "broken", reason: facts.lock.reason };
  const lock = facts.lock.value;
  const digest = lockDigest(lock);
  if (state.lock !== null && digest === lockDigest(state.lock)) return { type: "same" };
  if (state.withdrawn.includes(digest)) return { type: "withdrawn" };
  if (lock.cluster.uid !== cluster.uid && !state.adopted) return { type: "other-cluster", lock };
  if (lock.decision === state.decision?.id && state.decision.lock.release.revision === lock.release.revision) {
    return { type: "ours", lock };
  }
  if (state.lockHistory.includes(digest)) return { type: "earlier", lock };
  const writtenByUs = facts.lastDecision === lock.decision && facts.history[0] === digest;
  return writtenByUs ? { type: "ours", lock } : { type: "edited", lock };
}

/** Remembers a lock as the one users are on. */
export function remember(state: State, lock: Lock): Partial<State> {
  const digest = lockDigest(lock);
  const history = [digest, ...state.lockHistory.filter((known) => known !== digest)].slice(0, 10);
  // What is promoted again is no longer withdrawn.
  const withdrawn = state.withdrawn.filter((known) => known !== digest);
  return { lock, previousLock: state.lock ?? state.previousLock, lockHistory: history, withdrawn };
}

/** The first place where two locks differ, for people: "primary.spec.replicas: 2 became 3". */
export function lockDifference(ours: Lock, theirs: Lock): string {
  const parts = (lock: Lock) => ({
    images: Object.fromEntries(lock.release.images.map(({ container, image }) => [container, image])),
    cluster: lock.cluster.uid,
    revision: lock.release.revision,
    target: lock.release.target,
    primary: lock.primary,
    configs: lock.configs,
  });
  return firstDifference(parts(ours), parts(theirs), "") ?? "it declares the same";
}

function firstDifference(ours: unknown, theirs: unknown, path: string): string | null {
  if (typeof ours === "object" && ours !== null && typeof theirs === "object" && theirs !== null) {
    const [before, after] = [new Map(Object.entries(ours)), new Map(Object.entries(theirs))];
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      const found = firstDifference(before.get(key), after.get(key), path === "" ? key : `${path}.${key}`);
      if (found !== null) return found;
    }
    return null;
  }
  const shown = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80));
  return ours === theirs ? null : `${path}: ${shown(ours)} became ${shown(theirs)}`;
}
