/** `serin config check|schema|docs`: the agent's configuration, checked by line, and what it may hold. */
import { loadConfig } from "../config/load_config.ts";
import { configJsonSchema, configReference } from "../config/reference.ts";
import type { ParsedArgs } from "./args.ts";
import { type CliCommand, OUTPUT_OPTION, outputOf } from "./command.ts";
import { complaintText, countText, statusOf } from "./complaint_text.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { painter } from "./paint.ts";

const DEFAULT_FILE = "/etc/serin/serin.yaml";
const ACTIONS = ["check", "schema", "docs"];

export const config: CliCommand = {
  usage: {
    name: "config",
    summary: "Check the agent's configuration, or print its JSON Schema or reference.",
    positionals: "check|schema|docs [FILE]",
    positionalsMin: 1,
    positionalsMax: 2,
    options: [
      { name: "config", value: "FILE", help: `The file to check (SERIN_CONFIG; default ${DEFAULT_FILE}).` },
      OUTPUT_OPTION,
    ],
    examples: ["serin config check serin.yaml", "serin config schema > serin.schema.json"],
  },
  run,
};

async function run(args: ParsedArgs, io: CliIo): Promise<number> {
  const [action = "", positional] = args.positionals;
  switch (action) {
    case "check":
      return await check(args.values.get("config") ?? positional ?? io.env("SERIN_CONFIG") ?? DEFAULT_FILE, args, io);
    case "schema":
      io.stdout(configJsonSchema());
      return EXIT.ok;
    case "docs":
      io.stdout(configReference());
      return EXIT.ok;
    default:
      throw new CliFailure(EXIT.usage, `"config ${action}" is not known`, `Use config ${ACTIONS.join(", config ")}.`);
  }
}

/** The file alone: what variables and flags would change is the business of the machine that the agent runs on. */
async function check(file: string, args: ParsedArgs, io: CliIo): Promise<number> {
  const output = outputOf(args);
  const text = await io.readTextFile(file).catch(() => null);
  if (text === null) {
    throw new CliFailure(EXIT.usage, `Cannot read the configuration "${file}"`, "Check its name and its rights.");
  }
  const { complaints } = loadConfig({ text, file, flags: new Map(), env: {} });
  if (output === "json") {
    io.stdout(`${JSON.stringify({ file, complaints }, null, 2)}\n`);
  } else {
    const paint = painter(io);
    for (const complaint of complaints) io.stdout(complaintText(complaint, paint));
    io.stdout(`${file}: ${complaints.length === 0 ? "fine" : countText(complaints)}\n`);
  }
  return statusOf(complaints);
}
