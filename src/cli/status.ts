/** `serin status`: all canaries, or one with why it is where it is; `--watch` goes on until its rollout is over. */
import type { CanaryDetail, CanarySummary } from "../ports/agent.ts";
import type { ParsedArgs } from "./args.ts";
import { type Client, clientOf } from "./client.ts";
import { canaryIdOf, type CliCommand, CLIENT_OPTIONS, NAMESPACE_OPTION, OUTPUT_OPTION, outputOf } from "./command.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { age, type Colour, type Paint, painter, printable, table } from "./paint.ts";

const WATCH_EVERY_MS = 2_000;
/** Times in a row that a watched agent may not answer: two minutes of a restart. */
const UNREACHABLE_MAX = 60;
const EVENTS_SHOWN = 10;

export const status: CliCommand = {
  usage: {
    name: "status",
    summary: "Show all canaries, or one with its evidence and events.",
    positionals: "[NAMESPACE/NAME]",
    positionalsMin: 0,
    positionalsMax: 1,
    options: [
      NAMESPACE_OPTION,
      { name: "watch", short: "w", help: "Say each change until the rollout is over; exits with 1 if it failed." },
      OUTPUT_OPTION,
      ...CLIENT_OPTIONS,
    ],
    examples: ["serin status", "serin status prod/shop --watch", "serin status --output json"],
  },
  run,
};

async function run(args: ParsedArgs, io: CliIo): Promise<number> {
  const output = outputOf(args);
  const isWatching = args.switches.has("watch");
  if (isWatching && args.positionals.length === 0) {
    throw new CliFailure(
      EXIT.usage,
      "Cannot watch all canaries at once",
      "Name one: serin status NAMESPACE/NAME --watch.",
    );
  }
  const id = args.positionals.length === 0 ? null : canaryIdOf(args);
  const client = await clientOf(args, io);
  if (id === null) {
    const list = await client.list();
    const namespace = args.values.get("namespace");
    const canaries = list.canaries.filter((canary) => namespace === undefined || canary.namespace === namespace);
    io.stdout(output === "json" ? json({ ...list, canaries }) : listText(canaries, io));
    return EXIT.ok;
  }
  if (isWatching) return await watch(client, id, { io, output });
  const canary = await client.read(id);
  io.stdout(output === "json" ? json(canary) : detailText(canary, io));
  return EXIT.ok;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function listText(canaries: readonly CanarySummary[], io: CliIo): string {
  if (canaries.length === 0) return "No canaries.\n";
  const rows = canaries.map((canary) => [
    { text: `${canary.namespace}/${canary.name}` },
    { text: phaseText(canary), ...colourOf(canary) },
    { text: `${canary.weight}%` },
    { text: `${canary.failedChecks}/${canary.threshold}` },
    { text: canary.candidate ?? "-" },
    { text: canary.lock ?? "-" },
    { text: age(canary.phaseSince, io.clock.now()) },
    { text: canary.stalled ?? canary.waitsFor ?? "" },
  ]);
  return table(["CANARY", "PHASE", "WEIGHT", "FAILED", "CANDIDATE", "LOCK", "SINCE", "WAITS FOR"], rows, painter(io));
}

function phaseText({ phase, paused, stalled }: CanarySummary): string {
  return `${phase}${paused === null ? "" : ",paused"}${stalled === null ? "" : ",stalled"}`;
}

function colourOf(canary: CanarySummary): { readonly colour: Colour } | Record<string, never> {
  if (canary.stalled !== null || ["rolling-back", "reverting", "restoring"].includes(canary.phase)) {
    return { colour: "red" };
  }
  if (canary.gate !== null || canary.paused !== null) return { colour: "yellow" };
  if (canary.phase !== "idle") return { colour: "blue" };
  return canary.last?.outcome === "failed" ? { colour: "red" } : {};
}

function detailText(canary: CanaryDetail, io: CliIo): string {
  const paint = painter(io);
  const now = io.clock.now();
  const { colour } = colourOf(canary);
  const { last, paused, source } = canary;
  const lines: readonly (readonly [string, string | null])[] = [
    [
      "Phase",
      `${colour === undefined ? phaseText(canary) : paint(colour, phaseText(canary))}, for ${
        age(canary.phaseSince, now)
      }`,
    ],
    ["Weight", `${canary.weight}%`],
    ["Waits for", canary.waitsFor],
    ["Gate", canary.gate],
    ["Stalled", canary.stalled],
    ["Paused", paused === null ? null : `by ${paused.by}${paused.reason === "" ? "" : `: ${paused.reason}`}`],
    ["Candidate", revisionText(canary.candidate, canary.candidateImages)],
    ["Lock", revisionText(canary.lock, canary.lockImages)],
    ["Checks", `${canary.failedChecks} of ${canary.threshold} failed, iteration ${canary.iterations}`],
    ["Strategy", `${canary.strategy}, by ${canary.provider}`],
    ["Target", canary.target],
    [
      "Declared",
      `${source.file} of ${source.name}${source.commit === null ? "" : ` at ${source.commit.slice(0, 10)}`}`,
    ],
    [
      "Last",
      last === null
        ? null
        : `${last.outcome} ${last.revision}, ${age(last.at, now)} ago${last.reason === "" ? "" : `: ${last.reason}`}`,
    ],
  ];
  return [
    paint("bold", `${canary.namespace}/${canary.name}`) + "\n",
    ...lines.flatMap(([name, text]) => (text === null ? [] : [`  ${name.padEnd(11)}${indented(text)}\n`])),
    ...part(
      "Problems",
      canary.complaints.map((one) =>
        `${one.file}:${one.line}: ${one.field === "" ? "" : `${one.field}: `}${one.message} (fix: ${one.fix})`
      ),
    ),
    ...part("Evidence", canary.evidence.map((one) => `${checkText(one.outcome, paint)} ${one.name}: ${one.message}`)),
    ...part(
      "Approvals",
      canary.approvals.map((one) =>
        `${one.verdict} ${one.gate} by ${one.by}, ${age(one.at, now)} ago${one.reason === "" ? "" : `: ${one.reason}`}`
      ),
    ),
    ...part(
      "Events",
      canary.events.slice(0, EVENTS_SHOWN).map((one) => `${age(one.at, now).padStart(4)} ${one.kind}: ${one.message}`),
    ),
  ].join("");
}

function part(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`\n${title}\n`, ...lines.map((line) => `  ${indented(line)}\n`)];
}

/** Further lines stand under the first. */
function indented(text: string): string {
  return text.replaceAll("\n", `\n${" ".repeat(13)}`);
}

function revisionText(revision: string | null, images: readonly string[]): string | null {
  if (revision === null) return null;
  return images.length === 0 ? revision : `${revision} (${images.join(", ")})`;
}

function checkText(outcome: string, paint: Paint): string {
  return outcome === "passed" ? paint("green", outcome) : paint(outcome === "failed" ? "red" : "yellow", outcome);
}

/** One line a change, until nothing is on its way. */
async function watch(
  client: Client,
  id: { readonly namespace: string; readonly name: string },
  to: { readonly io: CliIo; readonly output: "text" | "json" },
): Promise<number> {
  const { io, output } = to;
  let before = "";
  let unreachable = 0;
  for (;;) {
    const canary = await client.read(id).catch((error: unknown) => {
      const isPassing = error instanceof CliFailure && error.status === EXIT.unreachable;
      unreachable += 1;
      if (!isPassing || unreachable >= UNREACHABLE_MAX) throw error;
      return null;
    });
    if (canary !== null) {
      unreachable = 0;
      const line = output === "json" ? JSON.stringify(canary) : watchLine(canary);
      if (line !== before) io.stdout(`${line}\n`);
      before = line;
      if (isOver(canary)) {
        return canary.last?.outcome === "failed" || canary.last?.outcome === "held" ? EXIT.refused : EXIT.ok;
      }
    }
    await io.clock.sleep(WATCH_EVERY_MS);
  }
}

function isOver({ phase, candidate }: CanarySummary): boolean {
  return phase === "released" || phase === "idle" && candidate === null;
}

function watchLine(canary: CanarySummary): string {
  const { weight, failedChecks, threshold, last, phase } = canary;
  const waits = canary.stalled ?? canary.waitsFor;
  const outcome = phase === "idle" && last !== null ? `, last ${last.outcome}` : "";
  const words = `${phaseText(canary)} ${weight}%, ${failedChecks}/${threshold} checks failed${outcome}`;
  return printable(waits === null ? words : `${words}: ${waits.replaceAll(/\s+/g, " ")}`);
}
