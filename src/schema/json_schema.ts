/** A schema as JSON Schema (draft 2020-12), for editors and for other programs. */
import type { JsonObject } from "../core/kube_object.ts";
import { plainType, present } from "./plain_types.ts";
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
    case "int-or-string":
      return { type: ["integer", "string"] };
    default:
      return plainType(schema);
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
