/**
 * Fields that Flagger's CRD does not have, written as annotations `serin.dev/<field>` of a flagger.app object, since
 * its API server would drop them from the spec: `serin.dev/promotion.settle: 30s`,
 * `serin.dev/analysis.metrics.error-rate.critical: "true"`.
 */
import { isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from "../core/kube_object.ts";
import { nearest } from "../schema/nearest.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import type { ObjectSchema, Schema } from "../schema/schema.ts";
import type { Problem } from "../schema/problem.ts";
import { validate } from "../schema/validate.ts";

/** Beginning of the keys of our annotations. */
export const ANNOTATION_PREFIX = "serin.dev/";

/** An addition to Flagger's schema. A "*" in the path stands for the name of a list's entry. */
export interface Addition {
  readonly path: readonly string[];
  readonly schema: Schema;
}

/** Every field that is an annotation on flagger.app, in the order of the schema. */
export function additionsOf(schema: ObjectSchema): readonly Addition[] {
  return walk(schema, [], false);
}

function walk(schema: ObjectSchema, path: readonly string[], inherited: boolean): readonly Addition[] {
  return Object.entries(schema.fields).flatMap(([name, entry]): readonly Addition[] => {
    const added = inherited || entry.only === "annotation";
    if (entry.refused !== undefined) return [];
    const here = [...path, name];
    if (entry.schema.type === "object") return walk(entry.schema, here, added);
    if (entry.schema.type === "list" && entry.schema.items.type === "object" && !added) {
      return walk(entry.schema.items, [...here, "*"], false);
    }
    return added ? [{ path: here, schema: entry.schema }] : [];
  });
}

/** The spec with the annotated fields in their places, and what is wrong with the annotations. */
export interface Annotated {
  readonly spec: JsonObject;
  /** Where a field was really written: the annotation's path, by the field's path as `formatPath` writes it. */
  readonly places: ReadonlyMap<string, FieldPath>;
  readonly problems: readonly Problem[];
}

/** Reads the annotations of a flagger.app object. Paths of problems start at the object. */
export function applyAnnotations(object: JsonObject, spec: JsonObject, additions: readonly Addition[]): Annotated {
  let out = spec;
  const problems: Problem[] = [];
  const places = new Map<string, FieldPath>();
  for (const [key, value] of Object.entries(objectAt(object, "metadata", "annotations"))) {
    if (!key.startsWith(ANNOTATION_PREFIX)) continue;
    const at: FieldPath = ["metadata", "annotations", key];
    const found = find(key.slice(ANNOTATION_PREFIX.length), additions);
    if (found === undefined) {
      problems.push({ path: at, ...unknownAnnotation(key, additions) });
      continue;
    }
    const { value: checked, problems: wrong } = validate(
      found.addition.schema,
      typed(found.addition.schema, value),
      at,
    );
    problems.push(...wrong);
    if (wrong.length > 0) continue;
    const path = pathIn(out, found.addition.path, found.name);
    if (path === null) {
      const reason = `There is no entry named "${found.name}" in "spec.${found.addition.path.slice(0, -2).join(".")}"`;
      problems.push({ path: at, reason, fix: "Name an entry that is there, or remove the annotation" });
      continue;
    }
    out = place(out, path, checked);
    places.set(formatPath(["spec", ...path]), at);
  }
  return { spec: out, places, problems };
}

/** What is wrong with the annotations of a serin.dev object: there, fields belong into the spec. */
export function strayAnnotations(object: JsonObject, additions: readonly Addition[]): readonly Problem[] {
  return Object.keys(objectAt(object, "metadata", "annotations")).flatMap((key): readonly Problem[] => {
    if (!key.startsWith(ANNOTATION_PREFIX)) return [];
    const path: FieldPath = ["metadata", "annotations", key];
    const rest = key.slice(ANNOTATION_PREFIX.length);
    if (find(rest, additions) === undefined) return [{ path, ...unknownAnnotation(key, additions) }];
    return [{ path, reason: "Is read on flagger.app objects only", fix: `Write it as "spec.${rest}"` }];
  });
}

function unknownAnnotation(key: string, additions: readonly Addition[]): Pick<Problem, "reason" | "fix"> {
  const known = additions.map(({ path }) => ANNOTATION_PREFIX + path.join(".").replace("*", "<name>"));
  const near = nearest(key, known);
  return {
    reason: `Is not a known annotation${near === undefined ? "" : `: the nearest is "${near}"`}`,
    fix: near === undefined
      ? "Remove it, or see the field reference for those that are known"
      : `Write "${near}", or remove it`,
  };
}

function find(
  rest: string,
  additions: readonly Addition[],
): { readonly addition: Addition; readonly name: string } | undefined {
  for (const addition of additions) {
    const star = addition.path.indexOf("*");
    if (star === -1) {
      if (addition.path.join(".") === rest) return { addition, name: "" };
      continue;
    }
    const before = `${addition.path.slice(0, star).join(".")}.`;
    const after = `.${addition.path.slice(star + 1).join(".")}`;
    const named = rest.startsWith(before) && rest.endsWith(after) && rest.length > before.length + after.length;
    if (named) return { addition, name: rest.slice(before.length, -after.length) };
  }
  return undefined;
}

/** The string of an annotation as its field's type wants it; unchanged where it does not fit, so that it is refused. */
function typed(schema: Schema, value: Json): Json {
  if (typeof value !== "string") return value;
  if (schema.type === "bool") return value === "true" ? true : value === "false" ? false : value;
  if (schema.type === "int" || schema.type === "number") return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (schema.type === "list") return value.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return value;
}

/** The path of an addition within a spec, the "*" made an index; null when the named entry is not there. */
function pathIn(spec: JsonObject, path: readonly string[], name: string): FieldPath | null {
  const star = path.indexOf("*");
  if (star === -1) return path;
  const index = listAt(spec, ...path.slice(0, star)).findIndex((item) => stringAt(item, "name") === name);
  return index === -1 ? null : [...path.slice(0, star), index, ...path.slice(star + 1)];
}

/** A copy with one value set. Lists on the way must be there; objects are made. */
function place(target: JsonObject, path: FieldPath, value: Json): JsonObject {
  const [key, next, ...rest] = path;
  if (typeof key !== "string") return target;
  if (next === undefined) return { ...target, [key]: value };
  const inner = target[key];
  if (typeof next === "string") {
    return { ...target, [key]: place(isJsonObject(inner) ? inner : {}, [next, ...rest], value) };
  }
  const list: readonly Json[] = Array.isArray(inner) ? inner : [];
  return {
    ...target,
    [key]: list.map((item, at) => (at === next && isJsonObject(item) ? place(item, rest, value) : item)),
  };
}
