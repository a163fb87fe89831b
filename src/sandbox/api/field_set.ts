/**
 * Sets of field paths, as `metadata.managedFields[].fieldsV1` stores them. A path step keeps its wire form: `f:name`
 * for a field, `k:{"name":"web"}` for an item of a keyed list, `v:"x"` for an item of a set.
 *
 * @see structured-merge-diff's `fieldpath` for the format
 */
import { isJsonObject, type Json, type JsonObject } from "../../core/kube_object.ts";
import { fieldSchema, type Schema } from "./schema.ts";

/** A tree of steps. `member` says that the path that leads here is itself in the set. */
export interface FieldSet {
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export const emptySet: FieldSet = { member: false, children: new Map() };

export function isEmptySet(set: FieldSet): boolean {
  return !set.member && [...set.children.values()].every(isEmptySet);
}

function node(member: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { member, children: new Map([...children].filter(([, child]) => !isEmptySet(child))) };
}

export function hasStep(set: FieldSet, step: string): boolean {
  return set.children.get(step)?.member === true;
}

/** The set with one more path. */
export function insert(set: FieldSet, path: readonly string[]): FieldSet {
  const [first, ...rest] = path;
  if (first === undefined) return { member: true, children: set.children };
  const children = new Map(set.children);
  children.set(first, insert(children.get(first) ?? emptySet, rest));
  return { member: set.member, children };
}

function combine(a: FieldSet, b: FieldSet, keep: (inA: boolean, inB: boolean) => boolean): FieldSet {
  const steps = new Set([...a.children.keys(), ...b.children.keys()]);
  return node(
    keep(a.member, b.member),
    [...steps].map((step) =>
      [step, combine(a.children.get(step) ?? emptySet, b.children.get(step) ?? emptySet, keep)] as const
    ),
  );
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA || inB);
}

/** Paths of `a` that are not in `b`; a path's own children are judged for themselves. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

/** `a` without the paths of `b` and everything below them. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  if (b.member) return emptySet;
  return node(
    a.member,
    [...a.children].map(([step, child]) =>
      [step, recursiveDifference(child, b.children.get(step) ?? emptySet)] as const
    ),
  );
}

/** Makes each declared field on the way to a member a member too: removing all its fields then removes it. */
export function withNamedFields(set: FieldSet, schema: Schema | undefined): FieldSet {
  return node(
    set.member,
    [...set.children].map(([step, child]) => {
      const below = withNamedFields(child, stepSchema(schema, step));
      const named = schema?.shape.type === "struct" && step.startsWith("f:") && schema.shape.fields.has(step.slice(2));
      return [step, named && child.children.size > 0 ? { ...below, member: true } : below] as const;
    }),
  );
}

/** The schema one step further down. */
export function stepSchema(schema: Schema | undefined, step: string): Schema | undefined {
  if (schema === undefined) return undefined;
  if (step.startsWith("f:")) return fieldSchema(schema, step.slice(2));
  return schema.shape.type === "list" ? schema.shape.of : undefined;
}

/** All paths, in the order in which conflicts are listed. */
export function paths(set: FieldSet, prefix: readonly string[] = []): readonly (readonly string[])[] {
  const below = [...set.children].sort(([a], [b]) => a < b ? -1 : 1);
  const members = below.filter(([, child]) => child.member).map(([step]) => [...prefix, step]);
  return [...members, ...below.flatMap(([step, child]) => paths({ ...child, member: false }, [...prefix, step]))];
}

/** `.spec.template.spec.containers[name="web"].image` */
export function pathText(path: readonly string[]): string {
  return path.map((step) => {
    if (step.startsWith("f:")) return `.${step.slice(2)}`;
    const value: unknown = JSON.parse(step.slice(2));
    if (step.startsWith("v:") || !isJsonObject(value)) return `[=${JSON.stringify(value)}]`;
    return `[${Object.entries(value).map(([key, one]) => `${key}=${JSON.stringify(one)}`).join(",")}]`;
  }).join("");
}

/** Reads `fieldsV1`. */
export function decodeFields(fields: Json | undefined): FieldSet {
  if (!isJsonObject(fields)) return emptySet;
  const children = new Map<string, FieldSet>();
  for (const [step, below] of Object.entries(fields)) {
    if (step === ".") continue;
    const child = decodeFields(below);
    const leaf = isJsonObject(below) && Object.keys(below).length === 0;
    children.set(step, { member: leaf || (isJsonObject(below) && "." in below), children: child.children });
  }
  return { member: false, children };
}

/** Writes `fieldsV1`, steps in a stable order. */
export function encodeFields(set: FieldSet): JsonObject {
  const entries: [string, Json][] = [];
  if (set.member && set.children.size > 0) entries.push([".", {}]);
  for (const [step, child] of [...set.children].sort(([a], [b]) => a < b ? -1 : 1)) {
    entries.push([step, encodeFields(child)]);
  }
  return Object.fromEntries(entries);
}
