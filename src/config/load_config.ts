/**
 * The agent's configuration from a file, flags and the environment: flag before variable before file before default.
 * Pure: the caller reads the file. All complaints at once, each with the line, the flag or the variable it is about.
 */
import type { Complaint } from "../core/catalogue.ts";
import { isJsonObject, type Json } from "../core/kube_object.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import { readYaml } from "../schema/places.ts";
import type { ObjectSchema } from "../schema/schema.ts";
import { validate } from "../schema/validate.ts";
import { sortComplaints } from "../spec/complaints.ts";
import type { AgentConfig } from "./agent_config.ts";
import { checkConfig } from "./check_config.ts";
import { configSchema } from "./config_schema.ts";
import {
  ENV_PREFIX,
  envField,
  flagField,
  isServiceVariable,
  nearestFlag,
  type Override,
  typedText,
  withValue,
} from "./overrides.ts";
import { readConfig } from "./read_config.ts";

/** Where the configuration comes from. */
export interface ConfigInput {
  /** Text of the file; null when there is none. */
  readonly text: string | null;
  /** Name of the file, for messages. */
  readonly file: string;
  /** Names without dashes, as `parseFlags` gives them; `config` is ignored. */
  readonly flags: ReadonlyMap<string, string>;
  /** The environment; variables without our prefix are ignored. */
  readonly env: Readonly<Record<string, string>>;
}

/** The configuration, and all that is wrong with it. */
export interface LoadedConfig {
  /** null when there are errors. */
  readonly config: AgentConfig | null;
  readonly complaints: readonly Complaint[];
}

/** Variables of ours that are not fields: the file's name, and a folder for tests. */
const OTHER_VARIABLES = ["SERIN_CONFIG", "SERIN_SHARED"];

/** Reads and checks everything at once; never throws. */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const complaints: Complaint[] = [];
  const say = (
    file: string,
    line: number,
    what: Pick<Complaint, "field" | "message" | "fix">,
    severity: Complaint["severity"] = "error",
  ): void => {
    complaints.push({ file, line, ...what, severity, canary: null });
  };
  const read = readFile(input, say);
  // Without its file, everything else would seem to be absent.
  if (complaints.length > 0) return { config: null, complaints };
  let value: Json = read.value;
  const origins: Override[] = [];
  for (const override of [...envOverrides(input.env, say), ...flagOverrides(input.flags, say)]) {
    const next = withValue(value, override.path, override.value);
    if (next === null) {
      const message = "Would leave a hole in the list before it";
      say(override.origin, 0, { field: formatPath(override.path), message, fix: "Count from 0, without gaps" });
      continue;
    }
    value = next;
    origins.push(override);
  }
  const checked = validate(configSchema, value);
  const problems = [...checked.problems, ...(isJsonObject(checked.value) ? checkConfig(checked.value) : [])];
  for (const { path, reason, fix } of problems) {
    // The last one set the value.
    const origin = origins.findLast((override) =>
      startsWith(path, override.path) || startsWith(override.path, path) && path.length > 0
    );
    const line = origin === undefined && input.text !== null ? read.lineOf(path) : 0;
    say(origin?.origin ?? input.file, line, { field: formatPath(path), message: reason, fix });
  }
  const failed = complaints.some(({ severity }) => severity === "error") || !isJsonObject(checked.value);
  const config = failed || !isJsonObject(checked.value) ? null : readConfig(checked.value);
  return { config, complaints: sortComplaints(complaints) };
}

type Say = (
  file: string,
  line: number,
  what: Pick<Complaint, "field" | "message" | "fix">,
  severity?: Complaint["severity"],
) => void;

function readFile(
  { text, file }: ConfigInput,
  say: Say,
): { readonly value: Json; readonly lineOf: (path: FieldPath) => number } {
  const empty = { value: {}, lineOf: () => 0 };
  if (text === null) return empty;
  const read = readYaml(text);
  if (read.type === "broken") {
    say(file, read.line, { field: "", message: `Cannot be read: ${read.reason}`, fix: "Mend the YAML" });
    return empty;
  }
  const [document, second] = read.documents;
  if (second !== undefined) {
    say(file, second.line, { field: "", message: "There is more than one document", fix: "Keep one" });
  }
  return document ?? empty;
}

function flagOverrides(flags: ReadonlyMap<string, string>, say: Say): readonly Override[] {
  return [...flags].flatMap(([name, text]): Override[] => {
    if (name === "config") return [];
    const found = flagField(configSchema, name);
    if (found !== null) return [{ path: found.path, value: typedText(found.schema, text), origin: `--${name}` }];
    say(`--${name}`, 0, unknownName(configSchema, name, (near) => `--${near}`));
    return [];
  });
}

function envOverrides(env: Readonly<Record<string, string>>, say: Say): readonly Override[] {
  return Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, text]): Override[] => {
    if (!name.startsWith(ENV_PREFIX) || OTHER_VARIABLES.includes(name)) return [];
    const found = envField(configSchema, name.slice(ENV_PREFIX.length));
    if (found !== null) return [{ path: found.path, value: typedText(found.schema, text), origin: name }];
    if (isServiceVariable(name)) return [];
    const plain = name.slice(ENV_PREFIX.length).toLowerCase().replaceAll("_", "-");
    const what = unknownName(configSchema, plain, (near) => ENV_PREFIX + near.replaceAll(/[-.]/g, "_").toUpperCase());
    // Another program's variable may begin like ours, so this stops nothing.
    say(name, 0, what, "warning");
    return [];
  });
}

function unknownName(
  schema: ObjectSchema,
  name: string,
  format: (near: string) => string,
): Pick<Complaint, "field" | "message" | "fix"> {
  const near = nearestFlag(schema, name);
  const message = `Is not a field of the configuration${
    near === undefined ? "" : `: the nearest is "${format(near)}"`
  }`;
  return { field: "", message, fix: near === undefined ? "Remove it" : `Write "${format(near)}", or remove it` };
}

function startsWith(path: FieldPath, start: FieldPath): boolean {
  return start.every((step, index) => path[index] === step);
}
