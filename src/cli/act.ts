/**
 * `serin approve`, `reject`, `pause`, `resume`, `retry`, `rollback`, `adopt`: one row each, since they differ in words
 * only. Each is bound to the revision that was looked at; without `--revision` to the one that is there now.
 */
import { nearest } from "../schema/nearest.ts";
import type { CanaryDetail } from "../ports/agent.ts";
import type { OptionRow, ParsedArgs } from "./args.ts";
import { canaryPath, clientOf } from "./client.ts";
import { canaryIdOf, type CliCommand, CLIENT_OPTIONS, NAMESPACE_OPTION, OUTPUT_OPTION, outputOf } from "./command.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { printable } from "./paint.ts";

interface ActRow {
  readonly name: "approve" | "reject" | "pause" | "resume" | "retry" | "rollback" | "adopt";
  readonly summary: string;
  readonly example: string;
}

const ROWS: readonly ActRow[] = [
  { name: "approve", summary: "Open the gate that a canary waits at.", example: 'prod/shop --reason "Looks good"' },
  {
    name: "reject",
    summary: "Refuse what waits at a gate: traffic goes back, and the bump is reverted in Git.",
    example: 'prod/shop --reason "Prices are wrong"',
  },
  { name: "pause", summary: "Keep a rollout where it is.", example: 'prod/shop --reason "Looking at the database"' },
  { name: "resume", summary: "Let a paused rollout go on.", example: "prod/shop" },
  { name: "retry", summary: "Start a held revision again, or lift its quarantine.", example: "prod/shop" },
  {
    name: "rollback",
    summary: "Roll back: a rollout on its way, or an idle canary to the release before.",
    example: 'prod/shop --reason "Errors in checkout"',
  },
  {
    name: "adopt",
    summary: "Let this cluster write, and take over what stands in a canary's way.",
    example: "prod/shop",
  },
];

const GATES = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];

/** The commands, in the order of the help. */
export const acts: readonly CliCommand[] = ROWS.map((row) => {
  const isDecision = row.name === "approve" || row.name === "reject";
  const gate: OptionRow = { name: "gate", value: "GATE", help: `Only if it waits at this gate: ${GATES.join(", ")}.` };
  return {
    usage: {
      name: row.name,
      summary: row.summary,
      positionals: "NAMESPACE/NAME",
      positionalsMin: 1,
      positionalsMax: 1,
      options: [
        NAMESPACE_OPTION,
        { name: "revision", value: "REVISION", help: "Only if it is at this revision (default: what it is at now)." },
        ...(isDecision ? [gate] : []),
        { name: "reason", short: "r", value: "TEXT", help: "Why; kept with the decision." },
        OUTPUT_OPTION,
        ...CLIENT_OPTIONS,
      ],
      examples: [`serin ${row.name} ${row.example}`],
    },
    run: (args, io) => act(row, args, io),
  };
});

async function act(row: ActRow, args: ParsedArgs, io: CliIo): Promise<number> {
  const output = outputOf(args);
  const id = canaryIdOf(args);
  const gate = gateOf(args);
  const client = await clientOf(args, io);
  const isDecision = row.name === "approve" || row.name === "reject";
  const given = args.values.get("revision");
  const seen = given === undefined ? await client.read(id) : null;
  if (seen !== null && isDecision) describe(row, seen, io);
  const revision = given ?? seen?.candidate ?? (isDecision ? null : seen?.lock ?? null);
  if (isDecision && revision === null) {
    const fix = `See "serin status ${id.namespace}/${id.name}".`;
    throw new CliFailure(EXIT.refused, "It does not wait for an approval: nothing is on its way", fix);
  }
  const message = await client.post(`${canaryPath(id)}/${row.name}`, {
    ...(revision === null ? {} : { revision }),
    ...(isDecision ? gateField(gate ?? seen?.gate ?? null) : {}),
    reason: args.values.get("reason") ?? "",
  });
  io.stdout(output === "json" ? `${JSON.stringify({ message, revision })}\n` : `${printable(message)}\n`);
  return EXIT.ok;
}

function gateField(gate: string | null): { readonly gate?: string } {
  return gate === null ? {} : { gate };
}

function gateOf(args: ParsedArgs): string | null {
  const gate = args.values.get("gate");
  if (gate === undefined) return null;
  if (GATES.includes(gate)) return gate;
  const near = nearest(gate, GATES);
  const fix = near === undefined ? `Use one of ${GATES.join(", ")}.` : `Did you mean "${near}"?`;
  throw new CliFailure(EXIT.usage, `Gate "${gate}" is not known`, fix);
}

/** Says what is decided on before it is: the person may have looked a while ago. */
function describe(row: ActRow, seen: CanaryDetail, io: CliIo): void {
  if (seen.gate === null || seen.candidate === null) return;
  const images = seen.candidateImages.length === 0 ? "" : ` (${seen.candidateImages.join(", ")})`;
  const what = row.name === "approve" ? "Approving" : "Rejecting";
  io.stderr(printable(`${what} revision ${seen.candidate}${images} at "${seen.gate}".`) + "\n");
}
