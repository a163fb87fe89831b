/**
 * Checks a value against a schema: all complaints at once, unknown fields refused, defaults filled in. It knows paths
 * but no files and lines; `places.ts` finds those.
 */
import { isJsonObject, type Json, type JsonObject } from "../core/kube_object.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { listed, nearest } from "./nearest.ts";
import { type FieldPath, shown } from "./path.ts";
import type { Problem } from "./problem.ts";
import { ruleProblems } from "./rules.ts";
import type {
  DurationSchema,
  ListSchema,
  NumberSchema,
  ObjectSchema,
  Schema,
  StringSchema,
  UrlSchema,
} from "./schema.ts";

/** The value with defaults filled in; meaningful only when there are no problems. */
export interface Validated {
  readonly value: Json;
  readonly problems: readonly Problem[];
}

/** Checks any value. A null counts as absent inside an object, as the API server has it. */
export function validate(schema: Schema, value: Json, path: FieldPath = []): Validated {
  switch (schema.type) {
    case "object":
      return isJsonObject(value) ? validateObject(schema, value, path) : wrongType("an object", value, path);
    case "map":
      return isJsonObject(value) ? validateMap(schema.values, value, path) : wrongType("an object", value, path);
    case "list":
      return isList(value) ? validateList(schema, value, path) : wrongType("a list", value, path);
    case "open":
      return isJsonObject(value) ? { value, problems: [] } : wrongType("an object", value, path);
    case "bool":
      return typeof value === "boolean" ? { value, problems: [] } : wrongType("true or false", value, path);
    case "string":
      return scalar(
        value,
        path,
        typeof value === "string" ? stringProblem(schema, value) : typeProblem("a string", value),
      );
    case "enum":
      return scalar(value, path, enumProblem(schema.values, value));
    case "int":
    case "number":
      return scalar(value, path, numberProblem(schema, value));
    case "duration":
      return scalar(
        value,
        path,
        typeof value === "string" ? durationProblem(schema, value) : typeProblem('a duration such as "1m"', value),
      );
    case "url":
      return scalar(value, path, typeof value === "string" ? urlProblem(schema, value) : typeProblem("a URL", value));
    case "int-or-string":
      return typeof value === "string" || Number.isInteger(value)
        ? { value, problems: [] }
        : wrongType("an integer or a string", value, path);
  }
}

type Reason = Pick<Problem, "reason" | "fix">;

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function scalar(value: Json, path: FieldPath, problem: Reason | null): Validated {
  return { value, problems: problem === null ? [] : [{ path, ...problem }] };
}

function typeProblem(wanted: string, value: Json): Reason {
  const unquoted = wanted === "a string" && (typeof value === "number" || typeof value === "boolean");
  return {
    reason: `Must be ${wanted}: current value is ${shown(value)}`,
    fix: unquoted ? `Put it in quotes: "${value}"` : `Write ${wanted}`,
  };
}

function wrongType(wanted: string, value: Json, path: FieldPath): Validated {
  return { value, problems: [{ path, ...typeProblem(wanted, value) }] };
}

function validateObject(schema: ObjectSchema, value: JsonObject, path: FieldPath): Validated {
  const problems: Problem[] = [];
  const out: Record<string, Json> = {};
  const known = Object.entries(schema.fields).filter(([, entry]) => entry.refused === undefined).map(([name]) => name);
  for (const [name, inner] of Object.entries(value)) {
    const entry = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    if (entry === undefined) problems.push({ path: [...path, name], ...unknownField(name, known) });
    else if (entry.refused !== undefined) {
      problems.push({ path: [...path, name], reason: entry.refused.why, fix: entry.refused.fix });
    } else if (inner !== null) {
      const checked = validate(entry.schema, inner, [...path, name]);
      out[name] = checked.value;
      problems.push(...checked.problems);
    }
  }
  for (const [name, entry] of Object.entries(schema.fields)) {
    if (Object.hasOwn(out, name) || Object.hasOwn(value, name) && value[name] !== null) continue;
    if (entry.default !== undefined) out[name] = validate(entry.schema, entry.default).value;
    else if (entry.required === true) {
      problems.push({
        path: [...path, name],
        reason: "Is required, and absent",
        fix: `Add "${name}": ${entry.description}`,
      });
    }
  }
  problems.push(...ruleProblems(schema.rules, out, path));
  return { value: out, problems };
}

function unknownField(name: string, known: readonly string[]): Reason {
  const near = nearest(name, known);
  return {
    reason: `Is not a known field${near === undefined ? "" : `: the nearest is "${near}"`}`,
    fix: near === undefined ? `Remove it; known are ${listed(known)}` : `Write "${near}", or remove it`,
  };
}

function validateMap(values: Schema, value: JsonObject, path: FieldPath): Validated {
  const entries = Object.entries(value).map(([key, inner]) => [key, validate(values, inner, [...path, key])] as const);
  return {
    value: Object.fromEntries(entries.map(([key, checked]) => [key, checked.value])),
    problems: entries.flatMap(([, checked]) => checked.problems),
  };
}

function validateList(schema: ListSchema, value: readonly Json[], path: FieldPath): Validated {
  const items = value.map((item, index) => validate(schema.items, item, [...path, index]));
  const problems = items.flatMap((item) => item.problems);
  const { minItems = 0, maxItems = Infinity } = schema;
  if (value.length < minItems) {
    problems.push({
      path,
      reason: `Must have at least ${minItems}: there are ${value.length}`,
      fix: "Add what is missing",
    });
  }
  if (value.length > maxItems) {
    problems.push({ path, reason: `Must have at most ${maxItems}: there are ${value.length}`, fix: "Remove some" });
  }
  return { value: items.map((item) => item.value), problems };
}

function stringProblem(schema: StringSchema, value: string): Reason | null {
  const { minLength = 0, maxLength = Infinity } = schema;
  if (value.length < minLength) return { reason: "Must not be empty", fix: "Write a value, or remove the field" };
  if (value.length > maxLength) {
    return { reason: `Must have at most ${maxLength} characters: there are ${value.length}`, fix: "Shorten it" };
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
    const hint = schema.patternHint ?? `what ${schema.pattern} matches`;
    const current = schema.sensitive === true ? "" : `: current value is ${shown(value)}`;
    return { reason: `Must be ${hint}${current}`, fix: `Write ${hint}` };
  }
  return null;
}

function enumProblem(values: readonly string[], value: Json): Reason | null {
  if (typeof value === "string" && values.includes(value)) return null;
  const known = values.filter((word) => word !== "");
  const near = typeof value === "string" ? nearest(value, known) : undefined;
  // Kubernetes' YAML takes a bare "off" for false.
  const bare = typeof value === "boolean" ? (value ? ["on", "yes", "true"] : ["off", "no", "false"]) : [];
  const quoted = known.find((word) => bare.includes(word));
  if (quoted !== undefined) {
    return { reason: `Must be a string: current value is ${value}`, fix: `Put it in quotes: "${quoted}"` };
  }
  return {
    reason: `Must be ${listed(known)}: current value is ${shown(value)}`,
    fix: near === undefined ? `Write one of them` : `Write "${near}"`,
  };
}

function numberProblem(schema: NumberSchema, value: Json): Reason | null {
  const noun = schema.type === "int" ? "an integer" : "a number";
  if (typeof value !== "number" || !Number.isFinite(value) || schema.type === "int" && !Number.isSafeInteger(value)) {
    return typeProblem(noun, value);
  }
  const { min = -Infinity, max = Infinity } = schema;
  if (value >= min && value <= max) return null;
  const range = max === Infinity ? `${min} or more` : min === -Infinity ? `${max} or less` : `${min} to ${max}`;
  return { reason: `Must be ${range}: current value is ${value}`, fix: `Write ${noun} that is ${range}` };
}

function durationProblem(schema: DurationSchema, value: string): Reason | null {
  const ms = parseDuration(value);
  if (ms === null || schema.style === "flagger" && !/^[0-9]+(m|s)/.test(value)) {
    const inMinutes = ms !== null && ms >= 60_000
      ? `, such as "${Math.round(ms / 60_000)}m"`
      : `, such as "30s" or "1m"`;
    const units = schema.style === "flagger" ? "a duration in minutes or seconds" : "a duration";
    return { reason: `Must be ${units}: current value is ${shown(value)}`, fix: `Write ${units}${inMinutes}` };
  }
  if (ms < (schema.minMs ?? 0)) {
    const least = formatDuration(schema.minMs ?? 0);
    return { reason: `Must be ${least} or more: current value is ${shown(value)}`, fix: `Write "${least}" or more` };
  }
  if (ms > (schema.maxMs ?? Infinity)) {
    const most = formatDuration(schema.maxMs ?? 0);
    return { reason: `Must be ${most} or less: current value is ${shown(value)}`, fix: `Write "${most}" or less` };
  }
  return null;
}

function urlProblem(schema: UrlSchema, value: string): Reason | null {
  const schemes = schema.schemes.map((scheme) => `${scheme}://`);
  const problem = {
    // The value may hold a token, so it is not repeated.
    reason: `Must be a URL that starts with ${listed(schemes)}`,
    fix: `Write the whole URL, such as "${schemes.at(-1)}example.com/path"`,
  };
  const parsed = URL.parse(value);
  if (parsed === null || !schema.schemes.includes(parsed.protocol.slice(0, -1))) return problem;
  return parsed.hostname === "" && parsed.protocol !== "file:" ? problem : null;
}
