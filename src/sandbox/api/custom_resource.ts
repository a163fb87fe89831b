/**
 * What an API server does with a custom resource on the way in: the defaults of its schema, and validation with the
 * wording of the OpenAPI validator. CEL rules are not evaluated: a real server may refuse what passes here.
 */
import { isJsonObject, type Json } from "../../core/kube_object.ts";
import { fieldSchema, type Schema } from "./schema.ts";
import type { FieldProblem } from "./status_error.ts";

/** Fills in what the schema states as defaults; a null that has a default counts as absent. */
export function withDefaults(value: Json, schema: Schema): Json {
  const { shape } = schema;
  if (shape.type === "list" && Array.isArray(value)) return value.map((item) => withDefaults(item, shape.of));
  if (!isJsonObject(value)) return value;
  const filled: Record<string, Json> = { ...value };
  if (shape.type === "struct") {
    for (const [name, field] of shape.fields) {
      const missing = filled[name] === undefined || (filled[name] === null && !field.nullable);
      if (missing && field.default !== undefined) filled[name] = field.default;
    }
  }
  for (const [name, child] of Object.entries(filled)) {
    const below = fieldSchema(schema, name);
    if (below !== undefined) filled[name] = withDefaults(child, below);
  }
  return filled;
}

/**
 * All complaints about a value.
 *
 * @param path of the value in the object, such as `spec.rules[0]`; the empty string for the object itself
 */
export function complaints(value: Json, schema: Schema, path = ""): readonly FieldProblem[] {
  if (value === null && schema.nullable) return [];
  const wanted = typeName(schema);
  if (wanted !== undefined && !isOfType(value, wanted)) {
    const got = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    const detail = `${path} in body must be of type ${wanted}: ${JSON.stringify(got)}`;
    return [{ type: "TypeInvalid", field: path, value: got, detail }];
  }
  return [...boundProblems(value, schema, path), ...childProblems(value, schema, path)];
}

function typeName(schema: Schema): string | undefined {
  switch (schema.shape.type) {
    case "list":
      return "array";
    case "map":
    case "struct":
      return "object";
    case "scalar":
      return schema.shape.scalar === "any" || schema.shape.scalar === "quantity" ? undefined : schema.shape.scalar;
  }
}

function isOfType(value: Json, wanted: string): boolean {
  switch (wanted) {
    case "array":
      return Array.isArray(value);
    case "object":
      return isJsonObject(value);
    case "integer":
      return typeof value === "number" && Number.isInteger(value);
    case "int-or-string":
      return typeof value === "string" || (typeof value === "number" && Number.isInteger(value));
    default:
      return (wanted === "string" && typeof value === "string") || (wanted === "number" && typeof value === "number") ||
        (wanted === "boolean" && typeof value === "boolean");
  }
}

function boundProblems(value: Json, schema: Schema, path: string): readonly FieldProblem[] {
  const found: FieldProblem[] = [];
  const invalid = (detail: string) =>
    found.push({ type: "Invalid", field: path, value, detail: `${path} in body ${detail}` });
  if (typeof value === "string") {
    if (schema.minLength !== undefined && [...value].length < schema.minLength) {
      invalid(`should be at least ${schema.minLength} chars long`);
    }
    if (schema.maxLength !== undefined && [...value].length > schema.maxLength) {
      found.push({ type: "TooLong", field: path, value, detail: `may not be more than ${schema.maxLength} bytes` });
    }
    if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
      invalid(`should match '${schema.pattern}'`);
    }
  }
  if (typeof value === "number") {
    if (schema.minimum !== undefined && value < schema.minimum) {
      invalid(`should be greater than or equal to ${schema.minimum}`);
    }
    if (schema.maximum !== undefined && value > schema.maximum) {
      invalid(`should be less than or equal to ${schema.maximum}`);
    }
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      const detail = `must have at most ${schema.maxItems} items`;
      found.push({ type: "TooMany", field: path, value: value.length, detail });
    }
    if (schema.minItems !== undefined && value.length < schema.minItems) {
      invalid(`should have at least ${schema.minItems} items`);
    }
  }
  if (schema.enum.length > 0 && !schema.enum.includes(value)) {
    const known = schema.enum.map((one) => JSON.stringify(one)).join(", ");
    found.push({ type: "NotSupported", field: path, value, detail: `supported values: ${known}` });
  }
  return found;
}

function childProblems(value: Json, schema: Schema, path: string): readonly FieldProblem[] {
  const { shape } = schema;
  if (shape.type === "list" && Array.isArray(value)) {
    return value.flatMap((item, index) => complaints(item, shape.of, `${path}[${index}]`));
  }
  if (!isJsonObject(value)) return [];
  const below = (name: string) => path === "" ? name : `${path}.${name}`;
  const missing = shape.type !== "struct" ? [] : shape.required
    .filter((name) => value[name] === undefined)
    .map((name): FieldProblem => ({ type: "Required", field: below(name), detail: "" }));
  const deeper = Object.entries(value).flatMap(([name, child]) => {
    const field = fieldSchema(schema, name);
    return field === undefined ? [] : complaints(child, field, below(name));
  });
  return [...missing, ...deeper];
}

const blocking = new Set(["NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid"]);

/** Adds the server's remark that its CEL rules did not run, where the kind has such rules. */
export function withRulesRemark(problems: readonly FieldProblem[], hasRules: boolean): readonly FieldProblem[] {
  if (!hasRules || !problems.some((problem) => blocking.has(problem.type))) return problems;
  const detail =
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
  return [...problems, { type: "Invalid", field: "<nil>", value: null, detail }];
}
