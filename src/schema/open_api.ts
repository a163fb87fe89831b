/**
 * A schema as the structural OpenAPI v3 of a CRD.
 *
 * @see Structural schemas: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 * @see CEL rules: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 */
import type { JsonObject } from "../core/kube_object.ts";
import { plainType, present } from "./plain_types.ts";
import { ruleCel, ruleJsonSchema } from "./rules.ts";
import type { Field, ObjectSchema, Schema } from "./schema.ts";

/** The schema of one field or object. Unknown fields are not mentioned: the API server drops them. */
export function openApiOf(schema: Schema): JsonObject {
  switch (schema.type) {
    case "object":
      return ofObject(schema);
    case "map":
      return { type: "object", additionalProperties: openApiOf(schema.values) };
    case "list": {
      const { minItems, maxItems } = schema;
      return { type: "array", items: openApiOf(schema.items), ...present({ minItems, maxItems }) };
    }
    case "open":
      return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    case "int-or-string":
      return { "x-kubernetes-int-or-string": true };
    default:
      return plainType(schema);
  }
}

function ofObject(schema: ObjectSchema): JsonObject {
  const fields = Object.entries(schema.fields).filter(([, entry]) => entry.refused === undefined);
  const required = fields.filter(([, entry]) => entry.required === true).map(([name]) => name);
  const cel = ruleCel(schema.rules);
  return {
    type: "object",
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(fields.map(([name, entry]) => [name, ofField(entry)])),
    ...ruleJsonSchema(schema.rules),
    ...(cel.length === 0 ? {} : { "x-kubernetes-validations": cel }),
  };
}

/** Few defaults are the API server's: one that it writes into an object would differ from what Git declares. */
function ofField(entry: Field): JsonObject {
  const serverDefault = entry.serverDefault === true ? present({ default: entry.default }) : {};
  return { description: entry.description, ...openApiOf(entry.schema), ...serverDefault };
}
