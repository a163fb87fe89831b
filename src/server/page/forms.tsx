/** What a person can do with a canary: forms that carry the revision and gate that were looked at, and a reason. */
import type { CanarySummary } from "../../ports/agent.ts";
import type { CommandType } from "../commands.ts";
import { formToken, type Session } from "../sessions.ts";
import { may } from "../tokens.ts";
import { shortRevision } from "./text.ts";

export interface FormsProps {
  readonly canary: CanarySummary;
  readonly session: Session;
  /** The canary's page, where the forms are sent to. */
  readonly address: string;
}

/** Names a form, for its token: approve and reject share one. */
export function formAction(address: string, command: string): string {
  return `${address} ${command === "approve" || command === "reject" ? "decide" : command}`;
}

/** Whether someone can do anything here at all, so that the page must not load itself again under their hands. */
export function mayAct(session: Session | null, canary: CanarySummary): boolean {
  if (session === null) return false;
  return may(session.caller, "admin") || (canary.gate !== null && may(session.caller, "approver"));
}

export function Decide({ canary, session, address }: FormsProps) {
  const { gate, candidate } = canary;
  if (gate === null || candidate === null || !may(session.caller, "approver")) return null;
  return (
    <section id="decide">
      <h2>{`Decide on ${gate}`}</h2>
      <p>
        {"Revision "}
        <code title={candidate}>{shortRevision(candidate)}</code>
        {canary.candidateImages.length > 0 && " with "}
        {canary.candidateImages.map((image, index) => (
          <>
            {index > 0 && ", "}
            <code>{image}</code>
          </>
        ))}
      </p>
      <form class="act" method="post" action={address}>
        <Hidden canary={canary} session={session} address={address} command="approve" />
        <input type="hidden" name="gate" value={gate} />
        <label>
          Reason
          <input type="text" name="reason" maxlength={1000} autocomplete="off" />
        </label>
        <button class="yes" type="submit" name="command" value="approve">Approve</button>
        <button class="no" type="submit" name="command" value="reject">Reject</button>
      </form>
    </section>
  );
}

export function OtherCommands({ canary, session, address }: FormsProps) {
  if (!may(session.caller, "admin")) return null;
  const offered = offeredCommands(canary);
  return (
    <section>
      <h2>Other actions</h2>
      {offered.map(({ command, label, hint }) => (
        <form class="act" method="post" action={address}>
          <Hidden canary={canary} session={session} address={address} command={command} />
          <label>
            {`${hint} Reason:`}
            <input type="text" name="reason" maxlength={1000} autocomplete="off" />
          </label>
          <button class={command === "rollback" ? "no" : ""} type="submit" name="command" value={command}>
            {label}
          </button>
        </form>
      ))}
    </section>
  );
}

interface HiddenProps extends FormsProps {
  readonly command: CommandType;
}

function Hidden({ canary, session, address, command }: HiddenProps) {
  return (
    <>
      <input type="hidden" name="csrf" value={formToken(session, formAction(address, command))} />
      <input type="hidden" name="revision" value={canary.candidate ?? canary.lock ?? ""} />
    </>
  );
}

interface Offered {
  readonly command: CommandType;
  readonly label: string;
  readonly hint: string;
}

function offeredCommands(canary: CanarySummary): readonly Offered[] {
  const { paused, candidate, stalled, last } = canary;
  const isMoving = candidate !== null;
  const ended = last?.outcome === "failed" || last?.outcome === "held";
  const all: readonly (Offered & { readonly when: boolean })[] = [
    { command: "resume", label: "Resume", hint: "Let the paused rollout go on.", when: paused !== null },
    { command: "pause", label: "Pause", hint: "Keep it where it is.", when: paused === null },
    {
      command: "retry",
      label: "Retry",
      hint: "Start the held or quarantined revision again.",
      when: ended || stalled !== null,
    },
    {
      command: "rollback",
      label: "Roll back",
      hint: isMoving ? "Send traffic back and revert the candidate." : "Go back to the release before, at once.",
      when: canary.lock !== null,
    },
    {
      command: "adopt",
      label: "Adopt",
      hint: "Let this cluster write, and take over what exists.",
      when: stalled !== null,
    },
  ];
  return all.filter(({ when }) => when);
}
