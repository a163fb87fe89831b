/** What a command of the command line is, and the options that several share. */
import type { ParsedArgs, Usage } from "./args.ts";
import type { OptionRow } from "./args.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";

export interface CliCommand {
  readonly usage: Usage;
  /** @returns the exit status; @throws {CliFailure} */
  readonly run: (args: ParsedArgs, io: CliIo) => Promise<number>;
}

/** Where the agent is and who asks it. A token is never an argument: arguments are seen by everybody on a machine. */
export const CLIENT_OPTIONS: readonly OptionRow[] = [
  { name: "address", value: "URL", help: "Address of the agent (SERIN_ADDRESS; default http://127.0.0.1:8080)." },
  { name: "token-file", value: "FILE", help: "File that holds the token (or the token itself in SERIN_TOKEN)." },
  {
    name: "context-file",
    value: "FILE",
    help: "YAML with address and tokenFile (SERIN_CONTEXT; default ~/.config/serin/context.yaml).",
  },
];

export const OUTPUT_OPTION: OptionRow = {
  name: "output",
  short: "o",
  value: "text|json",
  help: "How the result is written (default text).",
};

export const NAMESPACE_OPTION: OptionRow = {
  name: "namespace",
  short: "n",
  value: "NAMESPACE",
  help: "Namespace, where the canary is given by its name alone.",
};

/** @throws {CliFailure} status 2 */
export function outputOf(args: ParsedArgs): "text" | "json" {
  const output = args.values.get("output") ?? "text";
  if (output === "text" || output === "json") return output;
  throw new CliFailure(EXIT.usage, `Cannot write as "${output}"`, "Use --output text or --output json.");
}

/**
 * "prod/shop", or "shop" with --namespace.
 *
 * @throws {CliFailure} status 2
 */
export function canaryIdOf(args: ParsedArgs): { readonly namespace: string; readonly name: string } {
  const given = args.positionals[0] ?? "";
  const [first = "", second, third] = given.split("/");
  const namespace = args.values.get("namespace");
  if (second === undefined && namespace !== undefined && first !== "") return { namespace, name: first };
  const isComplete = first !== "" && second !== undefined && second !== "" && third === undefined;
  if (isComplete && (namespace === undefined || namespace === first)) return { namespace: first, name: second };
  throw new CliFailure(EXIT.usage, `Cannot tell which canary "${given}" is`, "Write NAMESPACE/NAME.");
}
