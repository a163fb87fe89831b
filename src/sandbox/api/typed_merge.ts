/**
 * Operations on objects that follow the schema: which fields a value has, how two values differ, how one is merged
 * into another, and what is left when fields are taken out. The ground on which `ownership.ts` stands.
 *
 * @see structured-merge-diff's `typed` for the semantics
 */
import { at, isJsonObject, type Json, type JsonObject } from "../../core/kube_object.ts";
import { emptySet, type FieldSet, hasStep, insert, stepSchema, union } from "./field_set.ts";
import { anySchema, fieldSchema, mergeKind, type Schema } from "./schema.ts";
import { badRequest } from "./status_error.ts";

/** Values that differ, sorted by what happened to them. */
export interface Comparison {
  readonly added: FieldSet;
  readonly removed: FieldSet;
  readonly modified: FieldSet;
}

export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((one, index) => sameJson(one, at(b, index)));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameJson(a[key], b[key]));
}

/** What a key that an item leaves out stands for. The built-in documents leave out these, which the merge schema has. */
function keyDefault(key: string, field: Schema | undefined): Json | undefined {
  if (field?.default !== undefined) return field.default;
  if (key === "protocol") return "TCP";
  return field?.shape.type === "scalar" && field.shape.scalar === "string" ? "" : undefined;
}

/** The path step that names one item of a keyed list or a set. */
export function itemStep(schema: Schema, item: Json): string {
  if (schema.shape.type !== "list" || schema.shape.relation !== "map") return `v:${JSON.stringify(item)}`;
  const { keys, of } = schema.shape;
  const found: [string, Json][] = [];
  for (const key of [...keys].sort()) {
    // The built-in documents leave out this one default, which the real server's merge schema has.
    const value = at(item, key) ?? keyDefault(key, fieldSchema(of, key));
    if (value !== undefined) found.push([key, value]);
  }
  if (found.length === 0) {
    const names = keys.map((key) => `"${key}"`).join(", ");
    throw badRequest(
      `associative list with keys has an element that omits key field ${names} (and doesn't have default value)`,
    );
  }
  return `k:${JSON.stringify(Object.fromEntries(found))}`;
}

function stepsOf(schema: Schema, value: Json | undefined): ReadonlyMap<string, Json> {
  if (Array.isArray(value)) return new Map(value.map((item) => [itemStep(schema, item), item] as const));
  if (isJsonObject(value)) return new Map(Object.entries(value).map(([name, one]) => [`f:${name}`, one] as const));
  return new Map();
}

function isEmptyValue(value: Json | undefined): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0) ||
    (isJsonObject(value) && Object.keys(value).length === 0);
}

/** All fields that a value has, the way an apply configuration owns them. */
export function fieldSetOf(value: Json, schema: Schema): FieldSet {
  if (mergeKind(schema, value) === "leaf") return { ...emptySet, member: true };
  let set = emptySet;
  const struct = schema.shape.type === "struct" ? schema.shape.fields : undefined;
  for (const [step, child] of stepsOf(schema, value)) {
    const below = fieldSetOf(child, stepSchema(schema, step) ?? anySchema);
    const item = !step.startsWith("f:") || struct?.has(step.slice(2)) !== true;
    const bare = child === null || (isJsonObject(child) && Object.keys(child).length === 0);
    const member = below.member || item || bare;
    if (member || below.children.size > 0) {
      set = union(set, { member: false, children: new Map([[step, { ...below, member }]]) });
    }
  }
  return set;
}

/** What changed from `before` to `after`. */
export function compare(before: Json | undefined, after: Json | undefined, schema: Schema): Comparison {
  const found = { added: emptySet, removed: emptySet, modified: emptySet };
  const visit = (was: Json | undefined, is: Json | undefined, here: Schema, path: readonly string[]): void => {
    const kind = mergeKind(here, is ?? was);
    const mixed = was !== undefined && is !== undefined && mergeKind(here, was) !== kind;
    const leaf = kind === "leaf" || mixed || (isEmptyValue(was) && isEmptyValue(is));
    if (was === undefined) found.added = insert(found.added, path);
    else if (is === undefined) found.removed = insert(found.removed, path);
    else if (leaf && !sameJson(was, is)) found.modified = insert(found.modified, path);
    if (leaf) return;
    const old = stepsOf(here, was);
    const young = stepsOf(here, is);
    for (const step of new Set([...old.keys(), ...young.keys()])) {
      visit(old.get(step), young.get(step), stepSchema(here, step) ?? anySchema, [...path, step]);
    }
  };
  visit(before, after, schema, []);
  return found;
}

/** `patch` laid over `live`: atomic values are replaced, the rest field by field and item by item. */
export function merge(live: Json | undefined, patch: Json | undefined, schema: Schema): Json | undefined {
  if (patch === undefined) return live;
  if (live === undefined) return patch;
  const kind = mergeKind(schema, patch);
  const filled = patch === null ? live : patch;
  if (kind === "leaf" || mergeKind(schema, live) !== kind || (isEmptyValue(live) && isEmptyValue(patch))) return patch;
  if (Array.isArray(filled) || Array.isArray(live)) {
    return mergeItems(Array.isArray(live) ? live : [], Array.isArray(patch) ? patch : [], schema);
  }
  if (!isJsonObject(live)) return patch;
  const merged: Record<string, Json> = { ...live };
  for (const [name, value] of Object.entries(isJsonObject(patch) ? patch : {})) {
    const one = merge(live[name], value, fieldSchema(schema, name) ?? anySchema);
    if (one !== undefined) merged[name] = one;
  }
  return merged;
}

/** Keeps the patch's order and puts live items that it does not name where they stood between shared ones. */
function mergeItems(live: readonly Json[], patch: readonly Json[], schema: Schema): readonly Json[] {
  const of = schema.shape.type === "list" ? schema.shape.of : anySchema;
  const left = live.map((item) => [itemStep(schema, item), item] as const);
  const right = patch.map((item) => [itemStep(schema, item), item] as const);
  const byLeft = new Map(left);
  const byRight = new Map(right);
  const shared = right.map(([step]) => step).filter((step) => byLeft.has(step));
  const done = new Set<string>();
  const merged: Json[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const [leftStep, leftItem] = left[l] ?? [];
    const [rightStep, rightItem] = right[r] ?? [];
    if (leftStep !== undefined && leftItem !== undefined && leftStep !== rightStep) {
      if (!byRight.has(leftStep)) {
        merged.push(leftItem);
        l++;
        continue;
      }
      if (done.has(leftStep) || rightStep === undefined || (shared[0] !== undefined && shared[0] !== leftStep)) {
        l++;
        continue;
      }
    }
    if (rightStep === undefined || rightItem === undefined) break;
    merged.push(merge(byLeft.get(rightStep), rightItem, of) ?? rightItem);
    done.add(rightStep);
    if (shared[0] === rightStep) shared.shift();
    if (leftStep === rightStep) l++;
    r++;
  }
  return merged;
}

/** `value` without the members of `set`; undefined when nothing is left. */
export function removeFields(value: Json, set: FieldSet, schema: Schema): Json | undefined {
  if (mergeKind(schema, value) === "leaf" || isEmptyValue(value)) return value;
  const kept: [string, Json][] = [];
  for (const [step, child] of stepsOf(schema, value)) {
    if (hasStep(set, step)) continue;
    const below = set.children.get(step);
    const left = below === undefined ? child : removeFields(child, below, stepSchema(schema, step) ?? anySchema);
    // A field that lost all it had stays, empty, unless it is itself a member of the set.
    kept.push([step, left ?? (Array.isArray(child) ? [] : {})]);
  }
  if (kept.length === 0) return undefined;
  if (Array.isArray(value)) return kept.map(([, child]) => child);
  return Object.fromEntries(kept.map(([step, child]) => [step.slice(2), child])) satisfies JsonObject;
}
