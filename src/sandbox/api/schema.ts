/**
 * What a kind's fields are: their types, which lists are keyed and which are replaced whole. Compiled from the OpenAPI
 * of a real server and from CRDs, so that strict field checks, defaults of custom resources and server-side apply all
 * read one description. Knows nothing of requests.
 */
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
} from "../../core/kube_object.ts";

export type ScalarType = "string" | "integer" | "number" | "boolean" | "int-or-string" | "quantity" | "any";

/** Bounds that a CRD states on one value; built-in kinds are validated by code instead. */
export interface Bounds {
  readonly default?: Json;
  readonly nullable: boolean;
  readonly enum: readonly Json[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly format?: string;
}

export type Schema = Bounds & {
  /** The declared OpenAPI type is shown in messages; "any" has no declared fields and merges field by field. */
  readonly shape:
    | { readonly type: "scalar"; readonly scalar: ScalarType }
    | {
      readonly type: "struct";
      readonly fields: ReadonlyMap<string, Schema>;
      readonly required: readonly string[];
      readonly atomic: boolean;
      /** Keeps fields that are not declared (`x-kubernetes-preserve-unknown-fields`). */
      readonly open: boolean;
    }
    | { readonly type: "map"; readonly of: Schema; readonly atomic: boolean }
    | {
      readonly type: "list";
      readonly of: Schema;
      readonly relation: "atomic" | "set" | "map";
      readonly keys: readonly string[];
    };
};

/** Format of times that have six decimals, which the document does not tell from others. */
export const MICRO_TIME = "micro-time";

const noBounds: Bounds = { nullable: false, enum: [] };

/** A value of unknown type: scalars and lists are atomic, objects merge field by field, as in an untyped resource. */
export const anySchema: Schema = { ...noBounds, shape: { type: "scalar", scalar: "any" } };

/**
 * Compiles an OpenAPI v2 or v3 schema.
 *
 * @param definitions what `$ref` names, by name
 */
export function compileSchema(source: Json, definitions: JsonObject = {}, cache = new Map<string, Schema>()): Schema {
  const ref = stringAt(source, "$ref");
  if (ref !== undefined) {
    const known = cache.get(ref);
    if (known !== undefined) return known;
    const compiled = ref.endsWith(".resource.Quantity")
      ? { ...noBounds, shape: { type: "scalar", scalar: "quantity" } } satisfies Schema
      : ref.endsWith(".meta.v1.MicroTime")
      ? { ...noBounds, format: MICRO_TIME, shape: { type: "scalar", scalar: "string" } } satisfies Schema
      : compileSchema(objectAt(definitions, ref), definitions, cache);
    cache.set(ref, compiled);
    return compiled;
  }
  return { ...boundsOf(source), shape: shapeOf(source, definitions, cache) };
}

function boundsOf(source: Json): Bounds {
  const number = (key: string) => {
    const value = numberAt(source, key);
    return value === undefined ? {} : { [key]: value };
  };
  const fallback = at(source, "default");
  const pattern = stringAt(source, "pattern");
  const format = stringAt(source, "format");
  return {
    nullable: at(source, "nullable") === true,
    enum: listAt(source, "enum"),
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(format === undefined ? {} : { format }),
    ...number("minimum"),
    ...number("maximum"),
    ...number("minLength"),
    ...number("maxLength"),
    ...number("minItems"),
    ...number("maxItems"),
  };
}

function shapeOf(source: Json, definitions: JsonObject, cache: Map<string, Schema>): Schema["shape"] {
  if (at(source, "x-kubernetes-int-or-string") === true || stringAt(source, "format") === "int-or-string") {
    return { type: "scalar", scalar: "int-or-string" };
  }
  const type = stringAt(source, "type");
  const properties = at(source, "properties");
  const additional = at(source, "additionalProperties");
  if (isJsonObject(properties)) {
    const fields = Object.entries(properties).map(([name, one]) =>
      [name, compileSchema(one, definitions, cache)] as const
    );
    return {
      type: "struct",
      fields: new Map(fields),
      required: listAt(source, "required").filter((name) => typeof name === "string"),
      atomic: stringAt(source, "x-kubernetes-map-type") === "atomic",
      open: at(source, "x-kubernetes-preserve-unknown-fields") === true,
    };
  }
  if (isJsonObject(additional)) {
    const atomic = stringAt(source, "x-kubernetes-map-type") === "atomic";
    return { type: "map", of: compileSchema(additional, definitions, cache), atomic };
  }
  if (type === "array") {
    const keys = listAt(source, "x-kubernetes-list-map-keys").filter((name) => typeof name === "string");
    const declared = stringAt(source, "x-kubernetes-list-type");
    const relation = declared === "map" || declared === "set" ? declared : "atomic";
    return { type: "list", of: compileSchema(objectAt(source, "items"), definitions, cache), relation, keys };
  }
  if (type === "string" || type === "integer" || type === "number" || type === "boolean") {
    return { type: "scalar", scalar: type };
  }
  const open = at(source, "x-kubernetes-preserve-unknown-fields") === true;
  // A CRD's bare `type: object` keeps no field at all; in the built-in document it marks opaque JSON such as fieldsV1.
  if (type === "object" && !open && Object.keys(definitions).length === 0) {
    return { type: "struct", fields: new Map(), required: [], atomic: false, open: false };
  }
  return { type: "scalar", scalar: "any" };
}

/** The schema of a named field or map value; undefined when it is not declared. */
export function fieldSchema(schema: Schema, name: string): Schema | undefined {
  const { shape } = schema;
  switch (shape.type) {
    case "struct":
      return shape.fields.get(name) ?? (shape.open ? anySchema : undefined);
    case "map":
      return shape.of;
    case "scalar":
      return shape.scalar === "any" ? anySchema : undefined;
    case "list":
      return undefined;
  }
}

/** Says how a value is merged: as one piece, field by field, or item by item. */
export function mergeKind(schema: Schema, value: Json | undefined): "leaf" | "fields" | "items" {
  const { shape } = schema;
  switch (shape.type) {
    case "struct":
    case "map":
      return shape.atomic ? "leaf" : "fields";
    case "list":
      return shape.relation === "atomic" ? "leaf" : "items";
    case "scalar":
      return shape.scalar === "any" && isJsonObject(value) ? "fields" : "leaf";
  }
}
