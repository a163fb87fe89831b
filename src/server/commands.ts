/** What a person asks for, from a JSON body or a form, checked here and decided by the agent. */
import type { Command } from "../core/command.ts";
import type { Gate } from "../core/decision.ts";
import { isJsonObject } from "../core/kube_object.ts";
import type { CanarySummary, CommandAnswer } from "../ports/agent.ts";
import { RequestProblem } from "./problem.ts";
import type { Role } from "./tokens.ts";

export type CommandType = Command["type"];

export interface CommandRow {
  readonly type: CommandType;
  readonly role: Role;
  readonly summary: string;
}

/** All commands, with the role each needs. */
export const COMMANDS: readonly CommandRow[] = [
  { type: "approve", role: "approver", summary: "Open the gate that a revision waits at." },
  {
    type: "reject",
    role: "approver",
    summary: "Refuse a revision that waits at a gate: traffic goes back, it is reverted.",
  },
  { type: "pause", role: "admin", summary: "Keep the rollout where it is." },
  { type: "resume", role: "admin", summary: "Let a paused rollout go on." },
  { type: "retry", role: "admin", summary: "Start a held revision again, or lift its quarantine." },
  { type: "rollback", role: "admin", summary: "Go back to the release before, at once." },
  { type: "adopt", role: "admin", summary: "Let this cluster write, and take over what stands in its way." },
];

export const GATES: readonly Gate[] = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];

const REASON_CHARS_MAX = 1_000;
const REVISION_CHARS_MAX = 200;
const FIELDS = ["revision", "gate", "reason"];

export interface CommandBody {
  readonly revision: string | null;
  readonly gate: Gate | null;
  readonly reason: string;
}

function isGate(value: unknown): value is Gate {
  return GATES.some((gate) => gate === value);
}

/**
 * Reads `{revision, gate, reason}`. Approve and reject must name the revision that the person looked at.
 *
 * @throws {RequestProblem} 422, naming the field
 */
export function parseBody(type: CommandType | "confirm-removal", body: unknown): CommandBody {
  const wrong = (message: string, fix: string) => new RequestProblem(422, `The body is not valid: ${message}`, { fix });
  if (!isJsonObject(body)) throw wrong("it is not a JSON object", 'Send {"revision": "…", "reason": "…"}.');
  const unknown = Object.keys(body).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) {
    throw wrong(`field "${unknown.slice(0, 50)}" is not known`, `Known are ${FIELDS.join(", ")}.`);
  }
  const { revision = null, gate = null, reason = "" } = body;
  if (typeof reason !== "string" || reason.length > REASON_CHARS_MAX) {
    throw wrong("reason is no text of at most 1000 characters", "Write one or two sentences.");
  }
  const isRevision = revision === null ||
    typeof revision === "string" && revision !== "" && revision.length <= REVISION_CHARS_MAX;
  if (!isRevision) throw wrong("revision is no text", "Give the revision as the list of canaries shows it.");
  if (gate !== null && !isGate(gate)) throw wrong("gate is not known", `Known are ${GATES.join(", ")}.`);
  if ((type === "approve" || type === "reject") && revision === null) {
    throw wrong(
      "revision is missing",
      `Name the revision that you ${type}; it is "candidate" in the list of canaries.`,
    );
  }
  // A line break in a reason would forge a trailer of the commit that carries it.
  return { revision, gate, reason: reason.replaceAll(/\s+/g, " ").trim() };
}

/**
 * Why a command that names a revision does not fit what the canary is at now, or null. Approve and reject are left to
 * the agent, which knows better.
 */
export function staleRevision(type: CommandType, body: CommandBody, summary: CanarySummary): string | null {
  const { revision } = body;
  if (revision === null || type === "approve" || type === "reject") return null;
  const current = summary.candidate ?? summary.lock;
  const others = type === "rollback" ? [] : [summary.lock, summary.last?.revision];
  if (revision === current || others.includes(revision)) return null;
  return `It is at revision ${current ?? "none"} now, not at ${revision}.`;
}

/** What the agent said, when it is not "done". */
export function problemOf(answer: Exclude<CommandAnswer, { type: "done" }>): RequestProblem {
  switch (answer.type) {
    case "refused":
      return new RequestProblem(409, answer.reason, { fix: "Look at the canary again, and decide anew." });
    case "unknown-canary":
      return new RequestProblem(404, "The canary is not known", { fix: "List the canaries." });
    case "not-leader": {
      const leader = answer.leader === null ? "" : `: "${answer.leader}" leads`;
      return new RequestProblem(503, `This replica does not lead${leader}`, {
        fix: "Ask again in a few seconds, or ask the leader.",
        headers: { "retry-after": "5" },
      });
    }
  }
}
