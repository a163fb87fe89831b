/**
 * The command line: finds the command, parses its arguments, runs it, and turns failures into words and an exit status.
 * `run` and `demo` are handed in by the program, since they need all of it.
 */
import { nearest } from "../schema/nearest.ts";
import type { Capabilities } from "../spec/capabilities.ts";
import { acts } from "./act.ts";
import { helpOf, parseCommandArgs } from "./args.ts";
import type { CliCommand } from "./command.ts";
import { config } from "./config.ts";
import { confirmRemoval } from "./confirm_removal.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { lintCommand } from "./lint.ts";
import { painter, printable } from "./paint.ts";
import { planCommand } from "./plan.ts";
import { status } from "./status.ts";

/** A command that parses its own arguments, `--help` too. */
export interface ProgramCommand {
  readonly summary: string;
  readonly run: (args: readonly string[], io: CliIo) => Promise<number>;
}

export interface CliParts {
  readonly version: string;
  readonly run: ProgramCommand;
  readonly demo: ProgramCommand;
  /** For `lint` and `plan`: what this build can do. */
  readonly capabilities: () => Capabilities;
}

/** Runs one command line; never throws, but for a bug. @returns the exit status */
export async function runCli(args: readonly string[], io: CliIo, parts: CliParts): Promise<number> {
  const [name = "", ...rest] = args;
  const commands = [
    status,
    ...acts,
    confirmRemoval,
    lintCommand(parts.capabilities),
    planCommand(parts.capabilities),
    config,
  ];
  try {
    switch (name) {
      case "run":
      case "demo":
        return await parts[name].run(rest, io);
      case "--version":
      case "version":
        io.stdout(`serin ${parts.version}\n`);
        return EXIT.ok;
      case "":
      case "help":
      case "--help":
      case "-h":
        return await help(rest, { commands, parts, io, isAsked: name !== "" });
      default:
        return await runCommand(known(name, commands), rest, io);
    }
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const paint = painter(io);
    io.stderr(`${paint("red", "error")}: ${printable(error.message)}\n`);
    if (error.fix !== null) io.stderr(`${printable(error.fix)}\n`);
    return error.status;
  }
}

function known(name: string, commands: readonly CliCommand[]): CliCommand {
  const found = commands.find(({ usage }) => usage.name === name);
  if (found !== undefined) return found;
  const near = nearest(name, ["run", "demo", ...commands.map(({ usage }) => usage.name)]);
  const fix = near === undefined ? 'See "serin --help".' : `Did you mean "serin ${near}"?`;
  throw new CliFailure(EXIT.usage, `"${name}" is no command of serin`, fix);
}

async function runCommand(command: CliCommand, args: readonly string[], io: CliIo): Promise<number> {
  const parsed = parseCommandArgs(command.usage, args);
  if (parsed.switches.has("help")) {
    io.stdout(helpOf(command.usage));
    return EXIT.ok;
  }
  return await command.run(parsed, io);
}

interface HelpRequest {
  readonly commands: readonly CliCommand[];
  readonly parts: CliParts;
  readonly io: CliIo;
  readonly isAsked: boolean;
}

/** `serin help COMMAND`, or all of them. Not asked for, it is an error of usage. */
async function help(args: readonly string[], { commands, parts, io, isAsked }: HelpRequest): Promise<number> {
  const [about] = args;
  if (about === "run" || about === "demo") return await parts[about].run(["--help"], io);
  if (about !== undefined) {
    io.stdout(helpOf(known(about, commands).usage));
    return EXIT.ok;
  }
  const rows: readonly (readonly [string, string])[] = [
    ["run", parts.run.summary],
    ["demo", parts.demo.summary],
    ...commands.map(({ usage }) => [usage.name, usage.summary] as const),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 3;
  const text = [
    "Serin: progressive delivery that writes its verdict to Git.",
    "",
    "Usage: serin COMMAND [options]",
    "",
    "Commands:",
    ...rows.map(([name, summary]) => `  ${name.padEnd(width)}${summary}`),
    "",
    'See "serin COMMAND --help" for the options of one.',
    "",
    "Exit status: 0 done; 1 refused, or errors were found; 2 wrong usage; 3 the agent cannot be reached; 4 denied;",
    "5 something would change (serin plan --detailed-exit-code).",
    "",
  ].join("\n");
  if (isAsked) io.stdout(text);
  else io.stderr(text);
  return isAsked ? EXIT.ok : EXIT.usage;
}
