/**
 * How field ownership changes: an apply merges a configuration, takes out what its manager no longer names, and meets
 * conflicts; any other write takes what it changed from whoever had it. Pure; objects here are without managedFields.
 *
 * @see structured-merge-diff's `merge.Updater` for the semantics
 */
import type { Json, JsonObject } from "../../core/kube_object.ts";
import {
  decodeFields,
  difference,
  emptySet,
  type FieldSet,
  intersection,
  isEmptySet,
  paths,
  pathText,
  recursiveDifference,
  union,
  withNamedFields,
} from "./field_set.ts";
import { type Owner, ownerKey, ownerText, owningSomething, type Writer } from "./managed_fields.ts";
import type { Schema } from "./schema.ts";
import { StatusError } from "./status_error.ts";
import { compare, fieldSetOf, merge, removeFields, sameJson } from "./typed_merge.ts";

/** Fields that the server keeps and nobody owns. */
const unowned = decodeFields({
  "f:apiVersion": {},
  "f:kind": {},
  "f:metadata": {
    ".": {},
    "f:name": {},
    "f:namespace": {},
    "f:creationTimestamp": {},
    "f:selfLink": {},
    "f:uid": {},
    "f:clusterName": {},
    "f:generation": {},
    "f:managedFields": {},
    "f:resourceVersion": {},
  },
});

function stripped(fields: FieldSet): FieldSet {
  return { ...difference(fields, unowned), member: false };
}

export interface Owned {
  readonly object: JsonObject;
  readonly owners: readonly Owner[];
}

export interface OwnershipContext {
  readonly schema: Schema;
  readonly writer: Writer;
  /** Paths this endpoint cannot write, such as `status` on the main resource. */
  readonly reset: FieldSet;
}

/** Ownership after a create, an update or a merge patch: what changed belongs to the writer. */
export function updateOwners(before: Owned, after: JsonObject, context: OwnershipContext): readonly Owner[] {
  const change = compare(before.object, after, context.schema);
  const changed = stripped(recursiveDifference(union(change.added, change.modified), context.reset));
  const removed = change.removed;
  const left = before.owners.map((owner) => ({
    ...owner,
    fields: difference(difference(owner.fields, changed), removed),
  }));
  const key = ownerKey(context.writer);
  const mine = left.find((owner) => ownerKey(owner) === key);
  const others = left.filter((owner) => ownerKey(owner) !== key);
  if (isEmptySet(changed)) return owningSomething(left);
  const fields = union(mine?.fields ?? emptySet, changed);
  return owningSomething([...others, { ...context.writer, fields }]);
}

/**
 * Server-side apply.
 *
 * @returns the merged object, before defaults
 * @throws {StatusError} 409 with one cause a field, unless forced
 */
export function apply(live: Owned, config: JsonObject, context: OwnershipContext & { readonly force: boolean }): Owned {
  const { schema, writer, force } = context;
  const key = ownerKey(writer);
  const last = live.owners.find((owner) => ownerKey(owner) === key);
  const named = recursiveDifference(fieldSetOf(config, schema), context.reset);
  const owned = stripped(named);
  const others = live.owners.filter((owner) => ownerKey(owner) !== key);
  const merged = asObject(merge(live.object, config, schema));
  // With the name and the like, which nobody is recorded to own but which must not be pruned.
  const allOwned = others.reduce((sum, owner) => union(sum, owner.fields), named);
  const object = last === undefined ? merged : asObject(prune(merged, last.fields, allOwned, schema));
  const change = compare(live.object, object, schema);
  const wanted = stripped(recursiveDifference(union(change.added, change.modified), context.reset));
  const conflicts = others
    .map((owner) => ({ owner, fields: intersection(owner.fields, wanted) }))
    .filter((one) => !isEmptySet(one.fields));
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);
  const left = others.map((owner) => ({
    ...owner,
    fields: difference(difference(owner.fields, intersection(owner.fields, wanted)), change.removed),
  }));
  const unchanged = sameJson(live.object, object);
  const time = unchanged ? last?.time : writer.time;
  const { time: _now, ...identity } = writer;
  const mine: Owner = { ...identity, ...(time === undefined ? {} : { time }), fields: owned };
  return { object, owners: owningSomething([...left, mine]) };
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {};
}

/** Takes out what the applier had named last time, and names no longer, and that no one else owns. */
function prune(merged: JsonObject, last: FieldSet, owned: FieldSet, schema: Schema): Json | undefined {
  if (isEmptySet(last)) return merged;
  const named = (set: FieldSet) => withNamedFields(set, schema);
  const all = named(fieldSetOf(merged, schema));
  const fieldsLeft = (value: Json | undefined) => value === undefined ? emptySet : named(fieldSetOf(value, schema));
  const bare = removeFields(merged, named(last), schema);
  const backOwned = removeFields(merged, difference(difference(all, fieldsLeft(bare)), named(owned)), schema);
  const dropped = intersection(difference(all, fieldsLeft(backOwned)), named(last));
  return removeFields(merged, dropped, schema);
}

function conflictError(conflicts: readonly { readonly owner: Owner; readonly fields: FieldSet }[]): StatusError {
  const flat = [...conflicts]
    .sort((a, b) => ownerText(a.owner) < ownerText(b.owner) ? -1 : 1)
    .flatMap(({ owner, fields }) => paths(fields).map((path) => ({ who: ownerText(owner), field: pathText(path) })));
  const causes = flat.map(({ who, field }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${who}`,
    field,
  }));
  const [only] = flat;
  const lines = [...new Set(flat.map((one) => one.who))].flatMap((who) => [
    `conflicts with ${who}:`,
    ...flat.filter((one) => one.who === who).map((one) => `- ${one.field}`),
  ]);
  const message = flat.length === 1 && only !== undefined
    ? `Apply failed with 1 conflict: conflict with ${only.who}: ${only.field}`
    : `Apply failed with ${flat.length} conflicts: ${lines.join("\n")}`;
  return new StatusError(409, "Conflict", message, { causes });
}
