/** A schema as JSON Schema (draft 2020-12), for editors and for other programs. */
import type { Json, JsonObject } from "../core/kube_object.ts";
import { ruleJsonSchema } from "./rules.ts";
import type { Field, ObjectSchema, Schema } from "./schema.ts";

/** A whole document. */
export function jsonSchemaOf(
  schema: ObjectSchema,
  meta: { readonly title: string; readonly description: string },
): JsonObject {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...meta, ...ofObject(schema) };
}

function of(schema: Schema): JsonObject {
  switch (schema.type) {
    case "object":
      return ofObject(schema);
    case "map":
      return { type: "object", additionalProperties: of(schema.values) };
    case "list":
      return {
        type: "array",
        items: of(schema.items),
        ...present({ minItems: schema.minItems, maxItems: schema.maxItems }),
      };
    case "open":
      return { type: "object" };
    case "bool":
      return { type: "boolean" };
    case "string": {
      const { minLength, maxLength, pattern } = schema;
      return { type: "string", ...present({ minLength, maxLength, pattern }) };
    }
    case "enum":
      return { type: "string", enum: [...schema.values] };
    case "int":
    case "number": {
      const type = schema.type === "int" ? "integer" : "number";
      return { type, ...present({ minimum: schema.min, maximum: schema.max }) };
    }
    case "duration":
      return { type: "string", pattern: durationPattern(schema.style) };
    case "url":
      return { type: "string", pattern: urlPattern(schema.schemes) };
    case "int-or-string":
      return { type: ["integer", "string"] };
  }
}

function ofObject(schema: ObjectSchema): JsonObject {
  const fields = Object.entries(schema.fields).filter(([, entry]) => entry.refused === undefined);
  const required = fields.filter(([, entry]) => entry.required === true).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(fields.map(([name, entry]) => [name, ofField(entry)])),
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    ...ruleJsonSchema(schema.rules),
  };
}

function ofField(entry: Field): JsonObject {
  return { description: entry.description, ...of(entry.schema), ...present({ default: entry.default }) };
}

/** Drops what is undefined. */
export function present(values: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** What a duration looks like; `flagger` starts with minutes or seconds. */
export function durationPattern(style: "go" | "flagger"): string {
  const part = "[0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h)";
  return style === "flagger" ? `^[0-9]+(m|s|ms)(${part})*$` : `^(0|(${part})+)$`;
}

/** How a URL begins. */
export function urlPattern(schemes: readonly string[]): string {
  return `^(${schemes.join("|")})://.+`;
}
