/** Schema types that JSON Schema and Kubernetes' OpenAPI write alike: those that hold no other schema. */
import type { Json, JsonObject } from "../core/kube_object.ts";
import type { ObjectSchema, Schema } from "./schema.ts";

/** A type whose text is the same in both. */
export type PlainSchema = Exclude<Schema, ObjectSchema | { readonly type: "map" | "list" | "open" | "int-or-string" }>;

export function plainType(schema: PlainSchema): JsonObject {
  switch (schema.type) {
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
  }
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
