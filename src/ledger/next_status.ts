/** The status file after a decision: what was decided, the quarantine list and the locks written so far. Pure. */
import type { ClusterIdentity, Decision, QuarantineEntry, StatusFile } from "../core/decision.ts";
import { withRevert } from "../core/quarantine.ts";

const HISTORY_MAX = 10;
/** Revisions kept in quarantine; the one that was reverted longest ago goes first. */
const QUARANTINE_MAX = 50;

/** What became of a decision in its commit. */
export interface Committed {
  readonly cluster: ClusterIdentity;
  /** Digest of the lock as it is after the commit. */
  readonly lockDigest: string;
  /** The user's manifests were changed back. */
  readonly reverted: boolean;
}

/** @param before the status at the tip; null: there is none yet */
export function nextStatus(before: StatusFile | null, decision: Decision, committed: Committed): StatusFile {
  return {
    canary: decision.canary,
    cluster: committed.cluster,
    last: {
      id: decision.id,
      kind: decision.kind,
      revision: decision.release.revision,
      images: decision.release.images,
      commit: decision.release.commit,
      at: decision.at,
      reason: decision.reason,
      evidence: decision.evidence,
      approvals: decision.approvals,
    },
    quarantine: nextQuarantine(before?.quarantine ?? [], decision, committed.reverted),
    history: nextHistory(before?.history ?? [], decision, committed.lockDigest),
  };
}

/** The newest entry is always the lock at the tip: a lock that differs from it was changed by somebody else. */
function nextHistory(
  before: StatusFile["history"],
  decision: Decision,
  lock: string,
): StatusFile["history"] {
  if (before[0]?.lock === lock) return before;
  return [{ lock, revision: decision.lock.release.revision, at: decision.at }, ...before].slice(0, HISTORY_MAX);
}

function nextQuarantine(
  before: readonly QuarantineEntry[],
  decision: Decision,
  reverted: boolean,
): readonly QuarantineEntry[] {
  const promoted = decision.kind === "promotion" ? decision.release.revision : null;
  const kept = before.filter(({ revision }) => revision !== decision.lift && revision !== promoted);
  if (decision.quarantine === null) return kept;
  const { release, reason, digests } = decision.quarantine;
  const known = kept.find(({ revision }) => revision === release.revision);
  const entry: QuarantineEntry = {
    revision: release.revision,
    images: release.images,
    since: known?.since ?? decision.at,
    reason,
    digests: { ...known?.digests, ...digests },
    reverts: (known?.reverts ?? 0) + (reverted ? 1 : 0),
    lastRevertAt: reverted ? decision.at : known?.lastRevertAt ?? decision.at,
    recentReverts: reverted ? withRevert(known?.recentReverts ?? [], decision.at) : known?.recentReverts ?? [],
  };
  const others = kept.filter(({ revision }) => revision !== release.revision);
  const newest = [...others].sort((a, b) => b.lastRevertAt - a.lastRevertAt).slice(0, QUARANTINE_MAX - 1);
  return [...others.filter((other) => newest.includes(other)), entry];
}
