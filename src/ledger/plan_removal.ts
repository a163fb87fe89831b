/**
 * The last commit of a canary that left Git: its lock and its status file are deleted, where the tip still shows it gone,
 * with its target unless that one serves again, and where the lock is this cluster's and the one that was meant.
 */
import { canaryKey } from "../core/canary.ts";
import type { CatalogueEntry } from "../core/catalogue.ts";
import { type ClusterIdentity, type Decision, lockDigest, type StatusFile } from "../core/decision.ts";
import type { FileEdit, Oid } from "../ports/git.ts";
import type { FileView } from "../ports/source.ts";
import { committedLock, type LockFile, lockPath } from "./lock_file.ts";
import { commitMessage } from "./message.ts";
import { statusPath } from "./status_file.ts";

/** What a removal asks of the tip. */
export interface RemovalTip {
  readonly commit: Oid;
  readonly entry: CatalogueEntry | undefined;
  readonly lock: FileView<LockFile>;
  readonly status: FileView<StatusFile>;
  readonly targetUndeclared: boolean;
}

export type RemovalPlan =
  | {
    readonly type: "commit";
    readonly edits: readonly FileEdit[];
    readonly message: string;
    readonly status: null;
    readonly note: null;
  }
  | { readonly type: "done"; readonly commit: Oid }
  | { readonly type: "impossible"; readonly reason: string };

/** Plans a removal on a tip; where neither file is there any more, it is done. */
export function planRemoval(decision: Decision, tip: RemovalTip, cluster: ClusterIdentity): RemovalPlan {
  const { lock, status } = tip;
  const obstacle = whyItStays(decision, tip, cluster);
  if (obstacle !== null) return { type: "impossible", reason: obstacle };
  const paths = [
    ...(lock.type === "absent" ? [] : [lockPath(cluster.name, decision.canary)]),
    ...(status.type === "absent" ? [] : [statusPath(cluster.name, decision.canary)]),
  ];
  if (paths.length === 0) return { type: "done", commit: tip.commit };
  const edits = paths.map((path): FileEdit => ({ path, content: null }));
  const message = commitMessage(decision, { cluster, manifestsEdited: false, note: null });
  return { type: "commit", edits, message, status: null, note: null };
}

/** null: nothing speaks against it. */
function whyItStays(decision: Decision, tip: RemovalTip, cluster: ClusterIdentity): string | null {
  const key = canaryKey(decision.canary);
  if (tip.entry !== undefined) return `"${key}" is declared at the tip again`;
  // What was handed back may well be declared: it serves by itself, and a Canary that comes back is a first start.
  if (decision.kind === "removal" && !tip.targetUndeclared) return `The target of "${key}" may be declared at the tip`;
  const { lock, status } = tip;
  if (lock.type === "broken") return `The lock of "${key}" cannot be read: ${lock.reason}`;
  if (lock.type === "read") {
    const found = lock.value.lock;
    if (found.cluster.uid !== cluster.uid) {
      return `The lock of "${key}" belongs to another cluster (UID ${found.cluster.uid})`;
    }
    const isMeant = lockDigest(found) === lockDigest(committedLock(decision.lock));
    return isMeant ? null : `The lock of "${key}" was changed: it now holds revision ${found.release.revision}`;
  }
  // Without a lock beside it, the status file alone says whose it is.
  if (status.type === "broken") return `The status file of "${key}" cannot be read: ${status.reason}`;
  if (status.type === "read" && status.value.cluster.uid !== cluster.uid) {
    return `The status file of "${key}" belongs to another cluster (UID ${status.value.cluster.uid})`;
  }
  return null;
}
