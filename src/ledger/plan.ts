/**
 * What a decision comes to on a given tip: files to write and the commit's message, nothing more to do, or why it
 * cannot be. Pure, and asked again on every new tip: preconditions are about what the tip says, never about its id.
 */
import { canaryKey } from "../core/canary.ts";
import type { Catalogue, CatalogueEntry, Manifest, ManifestPlace } from "../core/catalogue.ts";
import { type ClusterIdentity, type Decision, lockDigest, removesLock, type StatusFile } from "../core/decision.ts";
import { type Release, revisionOf } from "../core/release.ts";
import type { FileEdit, Oid } from "../ports/git.ts";
import type { FileView } from "../ports/source.ts";
import { committedLock, type DeclaredIn, type LockFile, lockPath, renderLockFile } from "./lock_file.ts";
import { commitMessage, releaseName } from "./message.ts";
import { nextStatus } from "./next_status.ts";
import { saidOfImages } from "./places/said_of_images.ts";
import { type Carrier, type Rendered, restorePlaces } from "./places/restore_places.ts";
import type { Original } from "./restore_edit.ts";
import { planRemoval } from "./plan_removal.ts";
import { restoreRelease } from "./restore.ts";
import type { FileText } from "./splice.ts";
import { renderStatusFile, statusPath } from "./status_file.ts";

/** Another cluster's lock of a canary of the same name. */
export interface ForeignLock {
  readonly cluster: string;
  /** Path of the target's manifest it was promoted from; null: its file does not say. */
  readonly declaredIn: string | null;
}

/** What the tip says, as far as one decision needs it. */
export interface PlanTip {
  readonly commit: Oid;
  readonly entry: CatalogueEntry | undefined;
  readonly entries: Catalogue["entries"];
  readonly lock: FileView<LockFile>;
  readonly status: FileView<StatusFile>;
  readonly foreignLocks: readonly ForeignLock[];
  /** The tip certainly declares the target of the decision's lock no more. */
  readonly targetUndeclared: boolean;
  /** The commit that holds this decision already, told by its trailer; null: none of those looked at. */
  readonly landed: Oid | null;
  readonly file: (path: string) => FileText | null;
  /** A file at `decision.manifests.commit`. */
  readonly original: (path: string) => Original;
  readonly parse: (path: string, content: Uint8Array<ArrayBuffer>) => readonly Manifest[];
  /** What rendering knows of the release, where it is rendered at all and somebody can say. */
  readonly rendering?: {
    readonly carriers: readonly Carrier[];
    readonly rendered: (edits: readonly FileEdit[]) => Rendered;
  };
}

export type Plan =
  | {
    readonly type: "commit";
    readonly edits: readonly FileEdit[];
    readonly message: string;
    /** null: it goes, along with the lock. */
    readonly status: StatusFile | null;
    /** Why the user's manifests were left alone, or null. */
    readonly note: string | null;
  }
  | { readonly type: "done"; readonly commit: Oid }
  /** `offer`: edits that people may want to go on from; they are no part of a decision. */
  | { readonly type: "impossible"; readonly reason: string; readonly offer?: readonly FileEdit[] }
  /** Plan again with these files of `decision.manifests.commit`. */
  | { readonly type: "needs-original"; readonly paths: readonly string[] }
  /** Plan again with what the tip renders to once these edits are made. */
  | { readonly type: "needs-rendering"; readonly edits: readonly FileEdit[] };

/** Plans one decision on a tip. */
export function planDecision(decision: Decision, tip: PlanTip, cluster: ClusterIdentity): Plan {
  if (tip.status.type === "read" && tip.status.value.last.id === decision.id) {
    return { type: "done", commit: tip.landed ?? tip.commit };
  }
  if (tip.landed !== null) return { type: "done", commit: tip.landed };
  if (removesLock(decision)) return planRemoval(decision, tip, cluster);
  const obstacle = whyNotNow(decision, tip, cluster);
  if (obstacle !== null) return { type: "impossible", reason: obstacle };
  const wanted = lockDigest(committedLock(decision.lock));
  const sameLock = tip.lock.type === "read" && lockDigest(tip.lock.value.lock) === wanted;
  if (decision.kind === "restore-lock" && sameLock) return { type: "done", commit: tip.commit };
  const manifests = planManifests(decision, tip);
  if (manifests.type !== "planned") return manifests;

  const before = tip.status.type === "read" ? tip.status.value : null;
  const status = nextStatus(before, decision, { cluster, lockDigest: wanted, reverted: manifests.edits.length > 0 });
  const keepsLock = sameLock && (decision.kind === "revert" || decision.kind === "record");
  const declaredIn = declaredInOf(tip.entry);
  const files = [
    ...(keepsLock
      ? []
      : [textEdit(lockPath(cluster.name, decision.canary), renderLockFile(decision.lock, declaredIn))]),
    textEdit(statusPath(cluster.name, decision.canary), renderStatusFile(status)),
  ];
  const { note } = manifests;
  const message = commitMessage(decision, { cluster, manifestsEdited: manifests.edits.length > 0, note });
  return { type: "commit", edits: [...manifests.edits, ...files], message, status, note };
}

function declaredInOf(entry: CatalogueEntry | undefined): DeclaredIn | null {
  return entry?.type === "canary" ? { canary: entry.canary.source.file, target: entry.target.place.file } : null;
}

/**
 * Renders ahead what a decision would write whatever the tip says: from asking for the tip to the push is time in which
 * somebody else may push.
 *
 * @param entries the last ones known
 */
export function prepareDecision(decision: Decision, entries: Catalogue["entries"]): void {
  if (removesLock(decision)) return;
  renderLockFile(decision.lock, declaredInOf(entries.get(canaryKey(decision.canary))));
}

function textEdit(path: string, text: string): FileEdit {
  return { path, content: new TextEncoder().encode(text) };
}

/** null: nothing in the ledger's own files or in the tip's declaration stands in the way. */
function whyNotNow(decision: Decision, tip: PlanTip, cluster: ClusterIdentity): string | null {
  const key = canaryKey(decision.canary);
  if (tip.status.type === "broken") return `The status file of "${key}" cannot be read: ${tip.status.reason}`;
  const lock = whyLockForbids(decision, tip, cluster);
  if (lock !== null) return lock;
  if (decision.kind !== "promotion" && decision.kind !== "initialise") return null;
  if (tip.entry === undefined) return `"${key}" is no longer declared at the tip`;
  if (tip.entry.type === "broken") return `"${key}" cannot be read at the tip: "${tip.entry.file}" is broken`;
  if (decision.kind === "initialise") return null;
  const isLive = tip.entry.canary.render === "live";
  if (isLive !== (decision.release.rendering !== undefined)) {
    return "Superseded: the tip says otherwise how the target is rendered";
  }
  // What the tip would render to is the engine's to know: a rollout ends as soon as it has rendered something else.
  if (isLive) return null;
  const declared = revisionOf(tip.entry.release);
  const judged = revisionOf(decision.release);
  if (declared === judged) return null;
  return `Superseded: the tip declares ${releaseName(tip.entry.release, decision.release)} (revision ${declared}), ` +
    `not the revision ${judged} that was judged`;
}

function whyLockForbids(decision: Decision, tip: PlanTip, cluster: ClusterIdentity): string | null {
  const key = canaryKey(decision.canary);
  if (tip.lock.type === "absent") return null;
  if (tip.lock.type === "broken") {
    return decision.kind === "restore-lock" ? null : `The lock of "${key}" cannot be read: ${tip.lock.reason}`;
  }
  const { lock } = tip.lock.value;
  if (lock.cluster.uid !== cluster.uid && decision.kind === "adoption") {
    // Only the lock that the person looked at.
    const isSame = lock.release.revision === decision.lock.release.revision;
    return isSame ? null : `The lock of "${key}" holds revision ${lock.release.revision} by now`;
  }
  if (lock.cluster.uid !== cluster.uid) {
    return `The lock of "${key}" belongs to another cluster (UID ${lock.cluster.uid}): run "serin adopt" first`;
  }
  const found = lockDigest(lock);
  if (decision.kind === "restore-lock" || found === lockDigest(committedLock(decision.lock))) return null;
  const last = tip.status.type === "read" ? tip.status.value.history[0]?.lock : undefined;
  const isOurs = last !== undefined && last === found;
  if (decision.kind === "initialise") {
    return isOurs ? null : `"${key}" has a lock already, of revision ${lock.release.revision}`;
  }
  const changesLock = decision.kind !== "revert" && decision.kind !== "record";
  if (changesLock && (last === undefined || last === found)) return null;
  return `The lock of "${key}" was changed by someone else: it now holds revision ${lock.release.revision}`;
}

type ManifestsPlan =
  | { readonly type: "planned"; readonly edits: readonly FileEdit[]; readonly note: string | null }
  | Extract<Plan, { readonly type: "impossible" | "needs-original" | "needs-rendering" }>;

/** The user's manifests go back only from the release that was judged, and only where nobody else depends on them. */
function planManifests(decision: Decision, tip: PlanTip): ManifestsPlan {
  const { manifests: wanted } = decision;
  const { entry } = tip;
  if (wanted === null) return leave(null);
  if (entry === undefined) return leave("The manifests no longer declare this canary, and were left alone.");
  if (entry.type === "broken") return leave(`The manifests cannot be read ("${entry.file}"), and were left alone.`);
  if (entry.canary.render === "live") {
    return planByEngine(entry, { judged: decision.quarantine?.release ?? decision.release, wanted }, tip);
  }
  const declared = revisionOf(entry.release);
  if (declared === revisionOf(wanted)) return leave("The manifests declare this release already.");
  if (declared !== revisionOf(decision.quarantine?.release ?? decision.release)) {
    const newer = releaseName(entry.release, decision.release);
    return leave(`The manifests declare another release by now (${newer}, revision ${declared}), and were left alone.`);
  }
  if (entry.canary.render !== "manifests") return planPlaces(entry, wanted, tip);
  const { file, original, parse } = tip;
  const { release: current, target, configs } = entry;
  const restored = restoreRelease({ current, target, configs, wanted, file, original, parse });
  if (restored.type === "refused") return impossible(restored);
  if (restored.type === "needs-original") return restored;
  const sharer = sharerOf(tip, decision, restored.touched);
  if (sharer !== null) return leave(`The manifests were left alone: ${sharer} depends on them too.`);
  return { type: "planned", edits: restored.edits, note: null };
}

/** Where an engine renders, the tip declares what the places of the images say. */
function planByEngine(
  entry: Extract<CatalogueEntry, { readonly type: "canary" }>,
  { judged, wanted }: { readonly judged: Release; readonly wanted: Release },
  tip: PlanTip,
): ManifestsPlan {
  if (judged.rendering === undefined || wanted.rendering === undefined) {
    return impossible({ reason: "Cannot restore the manifests: the target was rendered otherwise then" });
  }
  const carriers = tip.rendering?.carriers ?? [];
  switch (saidOfImages(carriers, { judged, wanted, file: tip.file })) {
    case "wanted":
      return leave("The manifests declare this release already.");
    case "other":
      return leave("The manifests declare another image by now, and were left alone.");
    case "judged":
    case "unknown":
      return planPlaces({ ...entry, release: judged }, wanted, tip);
  }
}

/** Where the target is rendered, the places that rendering names go back, and nothing else. */
function planPlaces(
  { canary, release: current }: Extract<CatalogueEntry, { readonly type: "canary" }>,
  wanted: Release,
  tip: PlanTip,
): ManifestsPlan {
  const { file, original, rendering } = tip;
  if (rendering === undefined) {
    const reason = `Cannot restore the manifests: they are rendered (${canary.render}), not applied as written`;
    return { type: "impossible", reason };
  }
  const restored = restorePlaces({ current, wanted, file, original, ...rendering });
  if (restored.type === "refused") return impossible(restored);
  if (restored.type !== "restored") return restored;
  const sharer = canary.release.scope === "fleet"
    ? null
    : restored.alsoServes[0] ?? writtenSharer(tip, restored.edits) ?? clusterThatShares(tip);
  if (sharer !== null) return leave(`The manifests were left alone: ${sharer} depends on them too.`);
  return { type: "planned", edits: restored.edits, note: null };
}

function impossible(
  { reason, nearest = [] }: { readonly reason: string; readonly nearest?: readonly FileEdit[] },
): Extract<Plan, { readonly type: "impossible" }> {
  return { type: "impossible", reason, ...(nearest.length === 0 ? {} : { offer: nearest }) };
}

/** A canary whose target is applied as it is written in a file that would change; null: none. */
function writtenSharer(tip: PlanTip, edits: readonly FileEdit[]): string | null {
  const files = new Set(edits.map(({ path }) => path));
  for (const [key, entry] of tip.entries) {
    if (entry.type === "broken" || entry.canary.render !== "manifests") continue;
    if (files.has(entry.target.place.file)) return `canary "${key}"`;
  }
  return null;
}

function leave(note: string | null): ManifestsPlan {
  return { type: "planned", edits: [], note };
}

/** Who else is served from the manifests that would change; null: nobody, or the user said that all go together. */
function sharerOf(tip: PlanTip, decision: Decision, touched: readonly ManifestPlace[]): string | null {
  if (tip.entry?.type === "canary" && tip.entry.canary.release.scope === "fleet") return null;
  const own = canaryKey(decision.canary);
  const isTouched = ({ place }: Manifest) => touched.some((other) => samePlace(place, other));
  for (const [key, entry] of tip.entries) {
    if (key === own || entry.type === "broken") continue;
    if (isTouched(entry.target) || entry.configs.some(isTouched)) return `canary "${key}"`;
  }
  return clusterThatShares(tip);
}

/** Another cluster that is served from the target's manifest, or may be; null: none. */
function clusterThatShares(tip: PlanTip): string | null {
  const file = tip.entry?.type === "canary" ? tip.entry.target.place.file : null;
  const foreign = tip.foreignLocks.find(({ declaredIn }) => declaredIn === null || declaredIn === file);
  return foreign === undefined ? null : `cluster "${foreign.cluster}"`;
}

function samePlace(a: ManifestPlace, b: ManifestPlace): boolean {
  return a.file === b.file && a.document === b.document && a.item === b.item;
}
