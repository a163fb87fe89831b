/**
 * The message of a decision's commit: a subject that says in words what happened, a body that says why, and the facts
 * as trailers. Everything that comes from outside (reasons, names, images) stays within its line.
 */
import { canaryKey } from "../core/canary.ts";
import type { Approval, ClusterIdentity, Decision, Evidence } from "../core/decision.ts";
import type { Release } from "../core/release.ts";
import { oneLine, renderTrailers, type Trailer, type TrailerKey } from "./trailers.ts";

const SUBJECT_LENGTH_MAX = 120;
const BODY_LINE_LENGTH_MAX = 500;
/** Evidence lines in the body and as trailers; the rest stands in the status file. */
const EVIDENCE_MAX = 20;
const IMAGES_NAMED_MAX = 2;

/** What became of the user's manifests in the same commit. */
export interface MessageContext {
  readonly cluster: ClusterIdentity;
  readonly manifestsEdited: boolean;
  /** Why the manifests were left as they are, or what else a reader should know; null: nothing. */
  readonly note: string | null;
}

/** The whole message, ending in a line break. */
export function commitMessage(decision: Decision, context: MessageContext): string {
  const evidence = decision.evidence.slice(0, EVIDENCE_MAX).map((line) => bodyLine(`* ${evidenceText(line)}`));
  const paragraphs = [
    oneLine(subjectOf(decision, context), SUBJECT_LENGTH_MAX),
    bodyLine(decision.reason),
    context.note === null ? "" : bodyLine(context.note),
    evidence.join("\n"),
    renderTrailers(trailersOf(decision, context.cluster)),
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== "").join("\n\n")}\n`;
}

/**
 * The message of a commit that is offered to people and no decision: it has no trailer of a run, so that merging it never
 * passes for one.
 */
export function offerMessage(
  decision: Decision,
  context: { readonly cluster: ClusterIdentity; readonly why: string },
): string {
  const canary = canaryKey(decision.canary);
  const to = nameBeside(decision.manifests ?? decision.lock.release, decision.release);
  const paragraphs = [
    oneLine(`Put ${canary} back to ${to}, as far as it goes`, SUBJECT_LENGTH_MAX),
    bodyLine(decision.reason),
    bodyLine(`This is a part of a revert that could not be made: ${context.why}`),
    "Complete it by hand and merge it, or delete the branch. The cluster is on the lock meanwhile.",
    renderTrailers([
      { key: "Serin-Canary", value: canary },
      { key: "Serin-Cluster", value: context.cluster.name },
      { key: "Serin-Revision", value: decision.release.revision },
    ]),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function subjectOf(decision: Decision, context: MessageContext): string {
  const canary = canaryKey(decision.canary);
  const to = nameBeside(decision.lock.release, decision.release);
  const from = nameBeside(decision.quarantine?.release ?? decision.release, decision.lock.release);
  switch (decision.kind) {
    case "initialise":
      return `Initialise ${canary} at ${to}`;
    case "promotion":
      return `Promote ${canary} to ${releaseName(decision.release, null)}`;
    case "revert":
      return context.manifestsEdited ? `Revert ${canary} to ${to}` : `Quarantine ${from} of ${canary}`;
    case "withdrawal":
      return `Withdraw ${from} of ${canary}, back to ${to}`;
    case "rollback":
      return `Roll back ${canary} to ${to}`;
    case "restore-lock":
      return `Restore the lock of ${canary} at ${to}`;
    case "removal":
    case "hand-back":
      return `Remove the lock of ${canary}`;
    case "adoption":
      return `Take over ${canary} at ${to}`;
    case "record":
      if (decision.lift !== null) return `Lift the quarantine of ${decision.lift} on ${canary}`;
      return decision.quarantine === null ? `Record a decision on ${canary}` : `Quarantine ${from} of ${canary}`;
  }
}

/** A release as told from another one; from itself it need not be told. */
function nameBeside(release: Release, other: Release): string {
  return releaseName(release, release.revision === other.revision ? null : other);
}

/** "podinfo:6.0.1": the images that tell a release from another one, or its revision where none does. */
export function releaseName(release: Release, other: Release | null): string {
  const others = new Set(other?.images.map(({ image }) => image));
  const differing = release.images.filter(({ image }) => !others.has(image));
  const named = other === null ? release.images : differing;
  const names = [...new Set(named.map(({ image }) => shortImage(image)))];
  if (names.length === 0) return `revision ${release.revision}`;
  const rest = names.length - IMAGES_NAMED_MAX;
  const listed = names.slice(0, IMAGES_NAMED_MAX).join(", ");
  return rest > 0 ? `${listed} and ${rest} more` : listed;
}

/** Without registry and folders; a digest keeps its first 12 digits. */
function shortImage(image: string): string {
  const [name = image, digest] = image.split("@sha256:");
  const short = name.slice(name.lastIndexOf("/") + 1);
  return digest === undefined ? short : `${short}@sha256:${digest.slice(0, 12)}`;
}

/**
 * A line starting with "---" ends the message for `git interpret-trailers`, and one starting with "#" is a comment
 * once somebody amends the commit.
 */
function bodyLine(text: string): string {
  const line = oneLine(text, BODY_LINE_LENGTH_MAX);
  return /^(-|#)/.test(line) ? `Reason: ${line}` : line;
}

function evidenceText({ name, outcome, value, message }: Evidence): string {
  const parts = [`${name}: ${outcome}`, value === null ? "" : `value ${value}`, message];
  return parts.filter((part) => part !== "").join(", ");
}

function trailersOf(decision: Decision, cluster: ClusterIdentity): readonly Trailer[] {
  const said = (verdict: Approval["verdict"], key: TrailerKey) =>
    decision.approvals.filter((approval) => approval.verdict === verdict)
      .map(({ by, gate }): Trailer => ({ key, value: `${by} (${gate})` }));
  const images = [...new Set(decision.release.images.map(({ image }) => image))];
  return [
    ...said("approved", "Serin-Approved-By"),
    { key: "Serin-Canary", value: canaryKey(decision.canary) },
    { key: "Serin-Cluster", value: cluster.name },
    { key: "Serin-Decision", value: decision.kind },
    ...decision.evidence.slice(0, EVIDENCE_MAX).map(({ name, outcome, value }): Trailer => ({
      key: "Serin-Evidence",
      value: value === null ? `${name} ${outcome}` : `${name} ${outcome} ${value}`,
    })),
    ...images.map((image): Trailer => ({ key: "Serin-Image", value: image })),
    ...said("rejected", "Serin-Rejected-By"),
    { key: "Serin-Revision", value: decision.release.revision },
    { key: "Serin-Run", value: decision.id },
  ];
}
