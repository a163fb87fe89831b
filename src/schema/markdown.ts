/** A schema as a field reference in Markdown: one section an object, one row a field. */
import { formatDuration } from "./duration.ts";
import type { Field, ObjectSchema, Schema } from "./schema.ts";

interface Section {
  readonly heading: string;
  readonly schema: ObjectSchema;
}

/** Sections for the object and everything within, each object with a title once. */
export function markdownOf(schema: ObjectSchema, options: { readonly root: string; readonly level: number }): string {
  const sections: Section[] = [{ heading: options.root, schema }];
  const titled = new Map<string, ObjectSchema>();
  const out: string[] = [];
  for (let next = sections.shift(); next !== undefined; next = sections.shift()) {
    const { heading, schema: object } = next;
    out.push(`${"#".repeat(options.level)} ${heading}`, "", ...table(object), "");
    for (const rule of object.rules) out.push(`${rule.fix}.`, "");
    const inner: Section[] = [];
    for (const [name, entry] of Object.entries(object.fields)) {
      const found = objectIn(entry.schema);
      if (found === null || entry.refused !== undefined) continue;
      if (found.object.title === undefined) {
        inner.push({ heading: `${heading}.${name}${found.suffix}`, schema: found.object });
      } else titled.set(found.object.title, titled.get(found.object.title) ?? found.object);
    }
    sections.unshift(...inner);
    if (sections.length > 0) continue;
    for (const [title, object] of titled) {
      if (!out.includes(`${"#".repeat(options.level)} ${title}`)) sections.push({ heading: title, schema: object });
    }
  }
  return out.join("\n");
}

function objectIn(schema: Schema): { readonly object: ObjectSchema; readonly suffix: string } | null {
  if (schema.type === "object") return { object: schema, suffix: "" };
  const inner = schema.type === "list"
    ? objectIn(schema.items)
    : schema.type === "map"
    ? objectIn(schema.values)
    : null;
  return inner === null
    ? null
    : { object: inner.object, suffix: `${schema.type === "list" ? "[]" : ".<name>"}${inner.suffix}` };
}

function table(schema: ObjectSchema): readonly string[] {
  const rows = Object.entries(schema.fields).filter(([, entry]) => entry.refused === undefined).map(([name, entry]) =>
    `| \`${name}\` | ${typeOf(entry.schema)} | ${defaultOf(entry)} | ${
      cell(`${entry.description}${addition(entry)}`)
    } |`
  );
  return ["| Field | Type | Default | Meaning |", "|---|---|---|---|", ...rows];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function addition({ only }: Field): string {
  if (only === "annotation") return " *On flagger.app: an annotation.*";
  return only === "serin" ? " *Not on flagger.app.*" : "";
}

function defaultOf(entry: Field): string {
  if (entry.required === true) return "**required**";
  if (entry.defaultText !== undefined) return cell(entry.defaultText);
  if (entry.default === undefined || entry.schema.type === "object") return "";
  return `\`${cell(typeof entry.default === "string" ? entry.default || '""' : JSON.stringify(entry.default))}\``;
}

function typeOf(schema: Schema): string {
  switch (schema.type) {
    case "object":
      return schema.title === undefined ? "object" : `[${schema.title}](#${schema.title.toLowerCase()})`;
    case "map":
      return `map of ${typeOf(schema.values)}`;
    case "list":
      return `list of ${typeOf(schema.items)}`;
    case "enum":
      return schema.values.filter((value) => value !== "").map((value) => `\`${value}\``).join(", ");
    case "int":
    case "number":
      return `${schema.type === "int" ? "integer" : "number"}${range(schema.min, schema.max)}`;
    case "duration":
      return `duration${schema.minMs === undefined ? "" : `, ${formatDuration(schema.minMs)} or more`}`;
    case "url":
      return "URL";
    case "bool":
      return "boolean";
    case "string":
      return "string";
    case "int-or-string":
      return "integer or string";
    case "open":
      return "object, as written";
  }
}

function range(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return max === undefined ? "" : `, at most ${max}`;
  return max === undefined ? `, ${min} or more` : `, ${min} to ${max}`;
}
