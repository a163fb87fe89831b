/**
 * The status as a file: `.serin/<cluster>/<namespace>/<canary>/status.yaml`, what was decided and why, and which
 * revisions are in quarantine. A person may edit the quarantine by hand, so its lists are read leniently.
 */
import { canaryKey } from "../core/canary.ts";
import type {
  Approval,
  DecisionKind,
  Evidence,
  Gate,
  LastDecision,
  QuarantineEntry,
  StatusFile,
} from "../core/decision.ts";
import { ledgerFolder } from "../core/names.ts";
import { nextRevert } from "../core/quarantine.ts";
import type { Image } from "../core/release.ts";
import type { FileView } from "../ports/source.ts";
import { Fields, readFields } from "./fields.ts";
import { ledgerText, parseLedgerText, timeText } from "./file_text.ts";

const KINDS: readonly DecisionKind[] = [
  "initialise",
  "promotion",
  "revert",
  "withdrawal",
  "rollback",
  "restore-lock",
  "removal",
  "hand-back",
  "adoption",
  "record",
];
const GATES: readonly Gate[] = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];
const OUTCOMES: readonly Evidence["outcome"][] = ["passed", "failed", "inconclusive"];
const VERDICTS: readonly Approval["verdict"][] = ["approved", "rejected"];

/** Path of a canary's status file in the repository. */
export function statusPath(cluster: string, id: { readonly namespace: string; readonly name: string }): string {
  return `${ledgerFolder(cluster, id)}/status.yaml`;
}

/** The file's text, the same for the same status; times are RFC 3339 in UTC. */
export function renderStatusFile(status: StatusFile): string {
  return ledgerText("Status", status.canary, {
    about: [
      `What Serin last decided for ${canaryKey(status.canary)} in cluster ${
        JSON.stringify(status.cluster.name)
      }, and why.`,
      "Nothing applies this file. To lift a quarantine, delete its entry under status.quarantine, or run: serin retry.",
      "A quarantined revision that is pushed again is reverted again, without traffic, from its nextRevertAt on.",
    ],
    body: {
      status: {
        cluster: { name: status.cluster.name, uid: status.cluster.uid },
        last: lastFields(status.last),
        quarantine: status.quarantine.map((entry) => ({
          revision: entry.revision,
          images: entry.images.map(imageFields),
          digests: entry.digests,
          since: timeText(entry.since),
          reason: entry.reason,
          reverts: entry.reverts,
          lastRevertAt: timeText(entry.lastRevertAt),
          recentReverts: entry.recentReverts.map(timeText),
          // Told, not read: it follows from the others.
          nextRevertAt: timeText(nextRevert(entry).at),
        })),
        history: status.history.map(({ lock, revision, at }) => ({ lock, revision, at: timeText(at) })),
      },
    },
  });
}

function lastFields(last: LastDecision): Readonly<Record<string, unknown>> {
  return {
    id: last.id,
    kind: last.kind,
    revision: last.revision,
    images: last.images.map(imageFields),
    commit: last.commit,
    at: timeText(last.at),
    reason: last.reason,
    evidence: last.evidence.map(({ name, outcome, value, message, at }) => ({
      name,
      outcome,
      value,
      message,
      at: timeText(at),
    })),
    approvals: last.approvals.map(({ gate, revision, by, at, verdict, reason }) => ({
      gate,
      revision,
      by,
      at: timeText(at),
      verdict,
      reason,
    })),
  };
}

function imageFields({ container, image }: Image): Readonly<Record<string, string>> {
  return { container, image };
}

/** Reads a status file; a broken one says in one sentence what is wrong with it. */
export function parseStatusFile(text: string): FileView<StatusFile> {
  const parsed = parseLedgerText("Status", text);
  if (parsed.type === "broken") return parsed;
  return readFields(parsed.object, (file) => {
    const metadata = file.map("metadata");
    const status = file.map("status");
    const cluster = status.map("cluster");
    return {
      canary: { namespace: metadata.string("namespace"), name: metadata.string("name") },
      cluster: { name: cluster.string("name"), uid: cluster.string("uid") },
      last: readLast(status.map("last")),
      quarantine: status.maps("quarantine").map(readQuarantine),
      history: status.maps("history").map((entry) => ({
        lock: entry.string("lock"),
        revision: entry.string("revision"),
        at: entry.time("at"),
      })),
    };
  });
}

function readLast(last: Fields): LastDecision {
  return {
    id: last.string("id"),
    kind: last.word("kind", KINDS),
    revision: last.string("revision"),
    images: last.maps("images").map(readImage),
    commit: last.string("commit"),
    at: last.time("at"),
    reason: last.string("reason"),
    evidence: last.maps("evidence").map((line) => ({
      name: line.string("name"),
      outcome: line.word("outcome", OUTCOMES),
      value: line.orNull("value", (fields) => fields.number("value")),
      message: line.string("message"),
      at: line.time("at"),
    })),
    approvals: last.maps("approvals").map((approval) => ({
      gate: approval.word("gate", GATES),
      revision: approval.string("revision"),
      by: approval.string("by"),
      at: approval.time("at"),
      verdict: approval.word("verdict", VERDICTS),
      reason: approval.string("reason"),
    })),
  };
}

/** A person who quarantines a revision by hand need give no more than its name. */
function readQuarantine(entry: Fields): QuarantineEntry {
  const since = entry.orNull("since", (fields) => fields.time("since")) ?? 0;
  const reverts = entry.orNull("reverts", (fields) => fields.number("reverts")) ?? 0;
  const lastRevertAt = entry.orNull("lastRevertAt", (fields) => fields.time("lastRevertAt")) ?? since;
  return {
    revision: entry.string("revision"),
    images: entry.maps("images").map(readImage),
    since,
    reason: entry.orNull("reason", (fields) => fields.string("reason")) ?? "",
    digests: entry.texts("digests"),
    reverts,
    lastRevertAt,
    recentReverts: entry.orNull("recentReverts", (fields) => fields.times("recentReverts")) ??
      (reverts > 0 ? [lastRevertAt] : []),
  };
}

function readImage(image: Fields): Image {
  return { container: image.string("container"), image: image.string("image") };
}
