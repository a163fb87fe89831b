/**
 * What a document may hold, as data. From one such description come the validation of a document, its JSON Schema, the
 * structural schema of a CRD, and its field reference in Markdown; a field is described once.
 */
import type { Json } from "../core/kube_object.ts";

/** What one value may be. */
export type Schema =
  | ObjectSchema
  | MapSchema
  | ListSchema
  | StringSchema
  | EnumSchema
  | NumberSchema
  | BoolSchema
  | DurationSchema
  | UrlSchema
  | IntOrStringSchema
  | OpenSchema;

/** Known fields only; any other is refused with the nearest known name. */
export interface ObjectSchema {
  readonly type: "object";
  readonly fields: Readonly<Record<string, Field>>;
  /** Rules over several fields. */
  readonly rules: readonly Rule[];
  /** Described once in the field reference, under this heading, and linked from everywhere else. */
  readonly title?: string;
}

/** Any string as key. */
export interface MapSchema {
  readonly type: "map";
  readonly values: Schema;
}

/** Items all alike; bounds of their number are inclusive. */
export interface ListSchema {
  readonly type: "list";
  readonly items: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** A text; lengths are in UTF-16 code units. */
export interface StringSchema {
  readonly type: "string";
  /** Source of a regular expression that both ECMAScript and RE2 understand. */
  readonly pattern?: string;
  /** What the pattern asks for, in words. */
  readonly patternHint?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** The value may hold a secret by mistake, so no message repeats it. */
  readonly sensitive?: true;
}

/** One of several words; an empty one counts as absent in messages. */
export interface EnumSchema {
  readonly type: "enum";
  readonly values: readonly string[];
}

/** A finite number; bounds are inclusive. */
export interface NumberSchema {
  readonly type: "int" | "number";
  readonly min?: number;
  readonly max?: number;
}

/** true or false. */
export interface BoolSchema {
  readonly type: "bool";
}

/** Go's notation. `flagger`: what Flagger's CRD lets through, which starts with minutes or seconds. */
export interface DurationSchema {
  readonly type: "duration";
  readonly style: "go" | "flagger";
  readonly minMs?: number;
  readonly maxMs?: number;
}

/** An absolute URL of one of the schemes, without colons: "https". */
export interface UrlSchema {
  readonly type: "url";
  readonly schemes: readonly string[];
}

/** A whole number, or a text. */
export interface IntOrStringSchema {
  readonly type: "int-or-string";
}

/** An object whose inside is somebody else's; passed on as written. */
export interface OpenSchema {
  readonly type: "open";
}

/** A field of an object. */
export interface Field {
  readonly schema: Schema;
  /** One or two sentences for people. */
  readonly description: string;
  readonly required?: boolean;
  /** Filled in when the field is absent. */
  readonly default?: Json;
  /** Whether the API server fills the default in too. */
  readonly serverDefault?: true;
  /** A default that code computes, in words, for the reference. */
  readonly defaultText?: string;
  /**
   * Which API group has the field. `serin`: absent from flagger.app; `annotation`: there it is an annotation
   * `serin.dev/<field>`. Absent: both.
   */
  readonly only?: "serin" | "annotation";
  /** Known, but never accepted. */
  readonly refused?: { readonly why: string; readonly fix: string };
}

/** Rules over the fields of one object. */
export type Rule =
  /** Exactly one of the sets must be wholly present. */
  | { readonly type: "one-of"; readonly sets: readonly (readonly string[])[]; readonly fix: string }
  /** At most one of the fields may be present. */
  | { readonly type: "at-most-one"; readonly fields: readonly string[]; readonly fix: string }
  /** Both are numbers, and the first may not be greater. */
  | { readonly type: "ordered"; readonly low: string; readonly high: string; readonly fix: string }
  /** The field must be there when the others have these values. */
  | {
    readonly type: "needs";
    readonly field: string;
    readonly when: Readonly<Record<string, string>>;
    readonly fix: string;
  }
  /** Both are strings, and may not be the same. */
  | { readonly type: "different"; readonly fields: readonly [string, string]; readonly fix: string };

/** true or false. */
export const bool: BoolSchema = { type: "bool" };
/** An object, passed on as written. */
export const open: OpenSchema = { type: "open" };
/** A whole number, or a text. */
export const intOrString: IntOrStringSchema = { type: "int-or-string" };
/** Any text. */
export const text: StringSchema = { type: "string" };
/** Any text but an empty one. */
export const nonEmptyText: StringSchema = { type: "string", minLength: 1 };
/** An HTTP or HTTPS URL. */
export const httpUrl: UrlSchema = { type: "url", schemes: ["http", "https"] };
/** A duration in Go's notation. */
export const duration: DurationSchema = { type: "duration", style: "go" };

/** An object with these fields and no others. */
export function object(
  fields: Readonly<Record<string, Field>>,
  options: { readonly rules?: readonly Rule[]; readonly title?: string } = {},
): ObjectSchema {
  return {
    type: "object",
    fields,
    rules: options.rules ?? [],
    ...(options.title === undefined ? {} : { title: options.title }),
  };
}

/** An object with any keys and such values. */
export function mapOf(values: Schema): MapSchema {
  return { type: "map", values };
}

/** A list of such items. */
export function listOf(
  items: Schema,
  bounds: { readonly minItems?: number; readonly maxItems?: number } = {},
): ListSchema {
  return { type: "list", items, ...bounds };
}

/** One of these words. */
export function oneOf(...values: readonly string[]): EnumSchema {
  return { type: "enum", values };
}

/** A whole number within inclusive bounds. */
export function int(bounds: { readonly min?: number; readonly max?: number } = {}): NumberSchema {
  return { type: "int", ...bounds };
}

/** A finite number within inclusive bounds. */
export function number(bounds: { readonly min?: number; readonly max?: number } = {}): NumberSchema {
  return { type: "number", ...bounds };
}

/** A text that matches; `hint` says in words what is wanted. */
export function pattern(source: string, hint: string, maxLength?: number): StringSchema {
  return { type: "string", pattern: source, patternHint: hint, ...(maxLength === undefined ? {} : { maxLength }) };
}

/** A field that may be left out. */
export function field(schema: Schema, description: string, more: Omit<Field, "schema" | "description"> = {}): Field {
  return { schema, description, ...more };
}

/** A field that must be there. */
export function required(schema: Schema, description: string, more: Omit<Field, "schema" | "description"> = {}): Field {
  return { schema, description, required: true, ...more };
}

/** The schema as one API group has it: fields of the other are left out, at every depth. */
export function schemaFor(group: "flagger" | "serin", schema: Schema): Schema {
  switch (schema.type) {
    case "object":
      return objectFor(group, schema);
    case "map":
      return { ...schema, values: schemaFor(group, schema.values) };
    case "list":
      return { ...schema, items: schemaFor(group, schema.items) };
    default:
      return schema;
  }
}

/** The same for an object. */
export function objectFor(group: "flagger" | "serin", schema: ObjectSchema): ObjectSchema {
  const fields = Object.entries(schema.fields)
    .filter(([, entry]) => group === "serin" || entry.only === undefined)
    .map(([name, entry]) => [name, { ...entry, schema: schemaFor(group, entry.schema) }] as const);
  const names = new Set(fields.map(([name]) => name));
  const rules = schema.rules.map((rule) =>
    rule.type === "one-of" ? { ...rule, sets: rule.sets.filter((set) => set.every((name) => names.has(name))) } : rule
  );
  return { ...schema, fields: Object.fromEntries(fields), rules };
}
