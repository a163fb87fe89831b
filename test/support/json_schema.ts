/**
 * Enough of JSON Schema (draft 2020-12) to hold the API's answers against its own document: types, objects, arrays,
 * enums, bounds, `anyOf`, and references inside one document. A keyword it does not know is an error, not a pass.
 */

const KNOWN = [
  "$ref",
  "additionalProperties",
  "anyOf",
  "description",
  "enum",
  "items",
  "maxLength",
  "maximum",
  "minLength",
  "minimum",
  "properties",
  "required",
  "type",
];

type Map = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Map {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** What does not fit, one line each; empty when all does. */
export function misfits(document: Map, schema: unknown, value: unknown, path = "$"): readonly string[] {
  if (!isMap(schema)) return [`${path}: the schema is no object`];
  const strange = Object.keys(schema).filter((keyword) => !KNOWN.includes(keyword));
  if (strange.length > 0) return [`${path}: keyword ${strange.join(", ")} is not known here`];
  const ref = schema["$ref"];
  if (typeof ref === "string") return misfits(document, resolved(document, ref), value, path);
  const { anyOf } = schema;
  if (Array.isArray(anyOf)) {
    const fits = anyOf.some((one) => misfits(document, one, value, path).length === 0);
    return fits ? [] : [`${path}: fits none of ${anyOf.length} alternatives`];
  }
  return [...typeMisfits(schema, value, path), ...partMisfits(document, schema, value, path)];
}

function resolved(document: Map, ref: string): unknown {
  return ref.replace(/^#\//, "").split("/").reduce<unknown>(
    (here, key) => (isMap(here) ? here[key] : undefined),
    document,
  );
}

function typeMisfits(schema: Map, value: unknown, path: string): readonly string[] {
  const { type, enum: allowed, minimum, maximum, minLength, maxLength } = schema;
  const types: readonly unknown[] = Array.isArray(type) ? type : type === undefined ? [] : [type];
  const actual = typeOf(value);
  const isTyped = types.length === 0 || types.includes(actual) || actual === "integer" && types.includes("number");
  const length = typeof value === "string" ? value.length : 0;
  return [
    ...(isTyped ? [] : [`${path}: is ${actual}, not ${types.join(" or ")}`]),
    ...(Array.isArray(allowed) && !allowed.includes(value) ? [`${path}: is not one of ${allowed.join(", ")}`] : []),
    ...(typeof minimum === "number" && typeof value === "number" && value < minimum ? [`${path}: is too small`] : []),
    ...(typeof maximum === "number" && typeof value === "number" && value > maximum ? [`${path}: is too large`] : []),
    ...(typeof minLength === "number" && typeof value === "string" && length < minLength
      ? [`${path}: is too short`]
      : []),
    ...(typeof maxLength === "number" && typeof value === "string" && length > maxLength
      ? [`${path}: is too long`]
      : []),
  ];
}

function partMisfits(document: Map, schema: Map, value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => misfits(document, schema["items"] ?? {}, item, `${path}[${index}]`));
  }
  if (!isMap(value)) return [];
  const properties = isMap(schema["properties"]) ? schema["properties"] : {};
  const required: readonly unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const missing = required.filter((name) => typeof name === "string" && !(name in value));
  const extra = schema["additionalProperties"] === false
    ? Object.keys(value).filter((name) => !(name in properties))
    : [];
  return [
    ...missing.map((name) => `${path}: lacks ${name}`),
    ...extra.map((name) => `${path}: has ${name}, which is not described`),
    ...Object.entries(value).flatMap(([name, inner]) =>
      name in properties ? misfits(document, properties[name], inner, `${path}.${name}`) : []
    ),
  ];
}
