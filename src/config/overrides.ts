/**
 * Fields of the configuration that are given as flags or environment variables: which field a name means, and the text
 * as the field's type wants it. `--sources.0.poll-interval` and `SERIN_SOURCES_0_POLL_INTERVAL` mean one field.
 */
import { isJsonObject, type Json, type JsonObject } from "../core/kube_object.ts";
import { nearest } from "../schema/nearest.ts";
import type { FieldPath } from "../schema/path.ts";
import type { ObjectSchema, Schema } from "../schema/schema.ts";

/** Beginning of the names of our environment variables. */
export const ENV_PREFIX = "SERIN_";

/** A field given outside the file. `origin` is the flag or variable, for messages. */
export interface Override {
  readonly path: FieldPath;
  readonly value: Json;
  readonly origin: string;
}

/** "pollInterval" of "poll-interval". */
function camel(word: string): string {
  return word.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** "POLL_INTERVAL" of "pollInterval". */
function snake(word: string): string {
  return word.replaceAll(/([A-Z])/g, "_$1").toUpperCase();
}

/** "poll-interval" of "pollInterval". */
function kebab(word: string): string {
  return word.replaceAll(/([A-Z])/g, "-$1").toLowerCase();
}

/** The field that a flag's name means, without its dashes; null when there is none. */
export function flagField(
  schema: ObjectSchema,
  name: string,
): { readonly path: FieldPath; readonly schema: Schema } | null {
  let here: Schema = schema;
  const path: (string | number)[] = [];
  for (const part of name.split(".")) {
    if (here.type === "list" && /^\d{1,3}$/.test(part)) {
      path.push(Number(part));
      here = here.items;
    } else if (here.type === "object") {
      const key = camel(part);
      const entry: ObjectSchema["fields"][string] | undefined = Object.hasOwn(here.fields, key)
        ? here.fields[key]
        : undefined;
      if (entry === undefined) return null;
      path.push(key);
      here = entry.schema;
    } else return null;
  }
  return isSettable(here) ? { path, schema: here } : null;
}

/** The field that a variable's name means, without its prefix; null when there is none. */
export function envField(schema: Schema, name: string): { readonly path: FieldPath; readonly schema: Schema } | null {
  if (name === "") return isSettable(schema) ? { path: [], schema } : null;
  if (schema.type === "list") {
    const [, index, rest] = /^(\d{1,3})(?:_(.+))?$/.exec(name) ?? [];
    if (index === undefined) return null;
    const inner = envField(schema.items, rest ?? "");
    return inner === null ? null : { ...inner, path: [Number(index), ...inner.path] };
  }
  if (schema.type !== "object") return null;
  for (const [key, entry] of Object.entries(schema.fields)) {
    const prefix = snake(key);
    if (name !== prefix && !name.startsWith(`${prefix}_`)) continue;
    const inner = envField(entry.schema, name.slice(prefix.length + 1));
    if (inner !== null) return { ...inner, path: [key, ...inner.path] };
  }
  return null;
}

/** Scalars, and lists of scalars, which are separated by commas. */
function isSettable(schema: Schema): boolean {
  if (schema.type === "list") return isSettable(schema.items) && schema.items.type !== "list";
  return schema.type !== "object" && schema.type !== "map" && schema.type !== "open";
}

/** The text as the field's type wants it; left as it is where it does not fit, so that it is refused with a reason. */
export function typedText(schema: Schema, text: string): Json {
  if (schema.type === "bool") return text === "true" ? true : text === "false" ? false : text;
  if (schema.type === "int" || schema.type === "number") return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (schema.type === "list") return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return text;
}

/** A copy with one value set; null when a list would have a hole. */
export function withValue(target: Json, path: FieldPath, value: Json): Json | null {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === "number") {
    const list: readonly Json[] = Array.isArray(target) ? target : [];
    if (step > list.length) return null;
    const inner = withValue(list[step] ?? null, rest, value);
    return inner === null ? null : [...list.slice(0, step), inner, ...list.slice(step + 1)];
  }
  const object: JsonObject = isJsonObject(target) ? target : {};
  const inner = withValue(object[step] ?? null, rest, value);
  return inner === null ? null : { ...object, [step]: inner };
}

/** Names of all flags, with 0 for indices: to find the nearest to one that is not known. */
export function flagNames(schema: Schema, prefix = ""): readonly string[] {
  const join = (part: string): string => (prefix === "" ? part : `${prefix}.${part}`);
  if (schema.type === "object") {
    return Object.entries(schema.fields).filter(([, entry]) => entry.refused === undefined)
      .flatMap(([key, entry]) => flagNames(entry.schema, join(kebab(key))));
  }
  if (schema.type === "list" && !isSettable(schema)) return flagNames(schema.items, join("0"));
  return isSettable(schema) ? [prefix] : [];
}

/** The flag that was probably meant. */
export function nearestFlag(schema: ObjectSchema, name: string): string | undefined {
  return nearest(name.replaceAll(/\.\d+/g, ".0"), flagNames(schema));
}

/**
 * Variables that Kubernetes sets in each pod for a Service called "serin" or "serin-...": they have our prefix and mean
 * nothing to us.
 */
export function isServiceVariable(name: string): boolean {
  return /_SERVICE_(HOST|PORT)(_|$)|_PORT$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    name === `${ENV_PREFIX}PORT`;
}
