/** Command-line arguments as flags of the configuration, and what is left for the command. */
import type { ObjectSchema } from "../schema/schema.ts";
import { flagField } from "./overrides.ts";

/** A command line, sorted. */
export interface ParsedFlags {
  /** Names without dashes, such as "sources.0.url"; the last of several wins. */
  readonly flags: ReadonlyMap<string, string>;
  /** Arguments that are no flags, in order. */
  readonly rest: readonly string[];
}

/**
 * Reads `--name=value`, `--name value`, and `--name` for true where the field is a boolean. All after `--` is left.
 *
 * @param own further flags that take a value, such as "config"
 */
export function parseFlags(args: readonly string[], schema: ObjectSchema, own: readonly string[] = []): ParsedFlags {
  const flags = new Map<string, string>();
  const rest: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") return { flags, rest: [...rest, ...args.slice(index + 1)] };
    if (!arg.startsWith("--")) {
      rest.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    if (equals !== -1) {
      flags.set(arg.slice(2, equals), arg.slice(equals + 1));
      continue;
    }
    const name = arg.slice(2);
    const next = args[index + 1];
    const isBool = !own.includes(name) && flagField(schema, name)?.schema.type === "bool";
    const takesNext = next !== undefined && !next.startsWith("--") && (!isBool || next === "true" || next === "false");
    flags.set(name, takesNext ? next : isBool ? "true" : "");
    if (takesNext) index++;
  }
  return { flags, rest };
}
