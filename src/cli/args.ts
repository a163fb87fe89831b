/** Arguments of a command against its table of options, and the help that the same table gives. */
import { parseArgs } from "node:util";
import { nearest } from "../schema/nearest.ts";
import { CliFailure, EXIT } from "./io.ts";

export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  /** "FILE": it takes a value; absent: it is a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface Usage {
  readonly name: string;
  readonly summary: string;
  /** "NAMESPACE/NAME", "[PATH...]"; as it is shown. */
  readonly positionals: string;
  readonly positionalsMin: number;
  readonly positionalsMax: number;
  readonly options: readonly OptionRow[];
  readonly examples: readonly string[];
}

export interface ParsedArgs {
  /** By name; of an option given twice, the last. */
  readonly values: ReadonlyMap<string, string>;
  readonly switches: ReadonlySet<string>;
  readonly positionals: readonly string[];
}

const HELP: OptionRow = { name: "help", short: "h", help: "Show this help." };

/**
 * Sorts the arguments.
 *
 * @throws {CliFailure} status 2: an unknown option (with the nearest known one), a missing value, too few or too many
 */
export function parseCommandArgs(usage: Usage, args: readonly string[]): ParsedArgs {
  const rows = [...usage.options, HELP];
  const values = new Map<string, string>();
  const switches = new Set<string>();
  const positionals: string[] = [];
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(rows.map((row) => [row.name, {
      type: row.value === undefined ? "boolean" as const : "string" as const,
      ...(row.short === undefined ? {} : { short: row.short }),
    }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const row = rows.find(({ name }) => name === token.name);
    if (row === undefined) throw unknownOption(usage, token.rawName, rows);
    if (row.value === undefined) {
      if (token.value !== undefined) throw wrong(usage, `"--${row.name}" takes no value`);
      switches.add(row.name);
    } else {
      if (token.value === undefined || token.value === "") throw wrong(usage, `"--${row.name}" needs ${row.value}`);
      values.set(row.name, token.value);
    }
  }
  if (!switches.has("help")) checkCount(usage, positionals);
  return { values, switches, positionals };
}

function checkCount(usage: Usage, positionals: readonly string[]): void {
  if (positionals.length < usage.positionalsMin) throw wrong(usage, `${usage.positionals} is missing`);
  const surplus = positionals[usage.positionalsMax];
  if (surplus !== undefined) throw wrong(usage, `"${surplus}" is one argument too many`);
}

function wrong(usage: Usage, why: string): CliFailure {
  return new CliFailure(EXIT.usage, `Cannot run "serin ${usage.name}": ${why}`, `See "serin ${usage.name} --help".`);
}

function unknownOption(usage: Usage, given: string, rows: readonly OptionRow[]): CliFailure {
  const near = nearest(given.replace(/^-+/, ""), rows.map(({ name }) => name));
  const fix = near === undefined ? `See "serin ${usage.name} --help".` : `Did you mean "--${near}"?`;
  return new CliFailure(EXIT.usage, `Cannot run "serin ${usage.name}": option "${given}" is not known`, fix);
}

/** The help of a command, at most 100 columns wide. */
export function helpOf(usage: Usage): string {
  const rows = [...usage.options, HELP].map(({ name, short, value, help }) => {
    const names = `${short === undefined ? "    " : `-${short}, `}--${name}`;
    return [`  ${value === undefined ? names : `${names} ${value}`}`, help] as const;
  });
  const width = Math.max(...rows.map(([names]) => names.length)) + 2;
  const operands = usage.positionals === "" ? "" : ` ${usage.positionals}`;
  return [
    usage.summary,
    "",
    `Usage: serin ${usage.name}${operands} [options]`,
    "",
    "Options:",
    ...rows.map(([names, help]) => names.padEnd(width) + wrapped(help, width)),
    ...(usage.examples.length === 0 ? [] : ["", "Examples:", ...usage.examples.map((line) => `  ${line}`)]),
    "",
  ].join("\n");
}

const COLUMNS_MAX = 100;

function wrapped(help: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of help.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > COLUMNS_MAX) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}
