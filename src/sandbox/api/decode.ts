/**
 * Turns a request's body into the object as the server would hold it: unknown fields are named and dropped, wrong types
 * refused, and what a typed server forgets (nulls, empty maps, zero values of plain fields) is left out.
 */
import { isJsonObject, type Json, type JsonObject } from "../../core/kube_object.ts";
import { pathText } from "./field_set.ts";
import { fieldSchema, MICRO_TIME, type ScalarType, type Schema } from "./schema.ts";
import { itemStep } from "./typed_merge.ts";

export interface WrongType {
  readonly path: string;
  readonly got: string;
  readonly value: Json;
  readonly wanted: string;
}

export interface Decoded {
  readonly object: JsonObject;
  /** Paths such as `spec.containers[0].foo`, in document order. */
  readonly unknown: readonly string[];
  /** The first value of a wrong type; only built-in kinds look for one. */
  readonly wrongType: WrongType | undefined;
}

const hasMicroseconds = /\.\d{6}(Z|[+-]\d\d:\d\d)$/;

/** Plain Go fields whose zero value never reaches the wire. */
const zeroIsAbsent = new Set([
  "paused",
  "hostNetwork",
  "hostPID",
  "hostIPC",
  "stdin",
  "stdinOnce",
  "tty",
  "publishNotReadyAddresses",
  "minReadySeconds",
  "updatedReplicas",
  "readyReplicas",
  "availableReplicas",
  "unavailableReplicas",
  "fullyLabeledReplicas",
  "observedGeneration",
  "currentReplicas",
]);

/** Decodes for a built-in kind. */
export function decodeBuiltIn(value: JsonObject, schema: Schema): Decoded {
  return decode(value, schema, true);
}

/** Decodes for a custom resource: unknown fields are pruned, everything else waits for validation. */
export function decodeCustom(value: JsonObject, schema: Schema): Decoded {
  return decode(value, schema, false);
}

function decode(value: JsonObject, schema: Schema, typed: boolean): Decoded {
  const unknown: string[] = [];
  const wrong: WrongType[] = [];

  function visit(here: Json, to: Schema, path: string): Json | undefined {
    if (typed && here === null) return undefined;
    const { shape } = to;
    if (shape.type === "scalar") {
      const fixed = scalarOf(here, shape.scalar);
      if (typed && to.format === MICRO_TIME && typeof here === "string" && !hasMicroseconds.test(here)) {
        wrong.push({ path, got: "string", value: here, wanted: MICRO_TIME });
        return undefined;
      }
      if (typed && fixed === undefined) wrong.push({ path, got: goType(here), value: here, wanted: goName(to) });
      return typed ? fixed : here;
    }
    if (shape.type === "list") {
      if (!Array.isArray(here)) return typed ? mismatch(here, path, "[]") : here;
      const items = here.map((item, index) => visit(item, shape.of, `${path}[${index}]`) ?? null);
      return typed && items.length === 0 ? undefined : items;
    }
    if (!isJsonObject(here)) return typed ? mismatch(here, path, "object") : here;
    const kept: Record<string, Json> = {};
    for (const [name, child] of Object.entries(here)) {
      const below = fieldSchema(to, name);
      const childPath = path === "" ? name : `${path}.${name}`;
      if (below === undefined) {
        unknown.push(childPath);
        continue;
      }
      // A map of text holds text: Go reads null as the empty one.
      const isNoText = typed && child === null && shape.type === "map" && isText(shape.of);
      const one = isNoText ? "" : visit(child, below, childPath);
      if (one === undefined || (typed && shape.type === "struct" && isAbsent(name, one))) continue;
      kept[name] = one;
    }
    return typed && shape.type === "map" && Object.keys(kept).length === 0 ? undefined : kept;
  }

  function mismatch(here: Json, path: string, wanted: string): undefined {
    wrong.push({ path, got: goType(here), value: here, wanted });
    return undefined;
  }

  const object = visit(value, schema, "");
  return { object: isJsonObject(object) ? object : {}, unknown, wrongType: wrong[0] };
}

function isText({ shape }: Schema): boolean {
  return shape.type === "scalar" && shape.scalar === "string";
}

function isAbsent(name: string, value: Json): boolean {
  return value === "" || ((value === 0 || value === false) && zeroIsAbsent.has(name));
}

/** The value in its stored form, or undefined when it is of another type. */
function scalarOf(value: Json, scalar: ScalarType): Json | undefined {
  switch (scalar) {
    case "any":
      return value;
    case "string":
      return typeof value === "string" ? value : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "integer":
      return typeof value === "number" && Number.isInteger(value) ? value : undefined;
    case "number":
      return typeof value === "number" ? value : undefined;
    case "int-or-string":
      return typeof value === "string" || (typeof value === "number" && Number.isInteger(value)) ? value : undefined;
    case "quantity":
      return typeof value === "number" ? quantityOf(value) : typeof value === "string" ? value : undefined;
  }
}

/** A number given as a quantity is stored as text; fractions in thousandths. */
function quantityOf(value: number): string {
  return Number.isInteger(value) ? String(value) : `${Math.ceil(value * 1000)}m`;
}

function goType(value: Json): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function goName(schema: Schema): string {
  if (schema.shape.type !== "scalar") return schema.shape.type;
  if (schema.shape.scalar === "integer") return schema.format === "int64" ? "int64" : "int32";
  return schema.shape.scalar === "boolean" ? "bool" : schema.shape.scalar;
}

/** A problem that makes server-side apply refuse a configuration: an undeclared field, a wrong type, a doubled key. */
export function applyProblem(value: JsonObject, schema: Schema): string | undefined {
  const decoded = decode(value, schema, true);
  const doubled = doubledKey(value, schema, []);
  if (doubled !== undefined) return doubled;
  const unknown = decoded.unknown[0];
  if (unknown !== undefined) return `.${unknown}: field not declared in schema`;
  const wrong = decoded.wrongType;
  if (wrong === undefined) return undefined;
  const wanted = wrong.wanted.startsWith("int") && wrong.wanted !== "int-or-string"
    ? "numeric (int or float)"
    : wrong.wanted;
  // The real server shows its own wrapper where it wanted a string.
  const got = wanted === "string" ? `&value.valueUnstructured{Value:${String(wrong.value)}}` : wrong.got;
  return `.${wrong.path}: expected ${wanted}, got ${got}`;
}

/** The first item of a keyed list or set that is there twice. */
function doubledKey(value: Json, schema: Schema, path: readonly string[]): string | undefined {
  if (Array.isArray(value) && schema.shape.type === "list" && schema.shape.relation !== "atomic") {
    const { of } = schema.shape;
    const seen = new Set<string>();
    for (const item of value) {
      const step = itemStep(schema, item);
      if (seen.has(step)) return `${pathText(path)}: duplicate entries for key ${pathText([step])}`;
      seen.add(step);
      const below = doubledKey(item, of, [...path, step]);
      if (below !== undefined) return below;
    }
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  for (const [name, child] of Object.entries(value)) {
    const field = fieldSchema(schema, name);
    const below = field === undefined ? undefined : doubledKey(child, field, [...path, `f:${name}`]);
    if (below !== undefined) return below;
  }
  return undefined;
}
