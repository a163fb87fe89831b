/**
 * `metadata.managedFields`, read and written: who owns which fields, by which kind of write. The rules by which
 * ownership changes are in `ownership.ts`.
 */
import { type Json, type JsonObject, listAt, stringAt } from "../../core/kube_object.ts";
import { decodeFields, encodeFields, type FieldSet, isEmptySet } from "./field_set.ts";

export interface Owner {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource?: string;
  /** RFC 3339, whole seconds; absent on owners that changed nothing since they were recorded. */
  readonly time?: string;
  readonly fields: FieldSet;
}

/** Who writes, as far as ownership is concerned. */
export type Writer = Omit<Owner, "fields">;

/** Two writes with the same key share one entry. An applier keeps its entry across versions of the API. */
export function ownerKey(owner: Writer): string {
  const version = owner.operation === "Apply" ? "" : owner.apiVersion;
  return JSON.stringify([owner.manager, owner.operation, version, owner.subresource ?? ""]);
}

/** As conflicts name an owner: `"kubectl" using apps/v1`. */
export function ownerText(owner: Owner): string {
  const sub = owner.subresource === undefined ? "" : ` with subresource ${JSON.stringify(owner.subresource)}`;
  const using = owner.operation === "Update" ? ` using ${owner.apiVersion}` : "";
  return `${JSON.stringify(owner.manager)}${sub}${using}`;
}

export function readOwners(metadata: JsonObject): readonly Owner[] {
  return listAt(metadata, "managedFields").map((entry) => {
    const subresource = stringAt(entry, "subresource");
    const time = stringAt(entry, "time");
    return {
      manager: stringAt(entry, "manager") ?? "",
      operation: stringAt(entry, "operation") === "Apply" ? "Apply" : "Update",
      apiVersion: stringAt(entry, "apiVersion") ?? "",
      ...(subresource === undefined ? {} : { subresource }),
      ...(time === undefined ? {} : { time }),
      fields: decodeFields(typeof entry === "object" && entry !== null && "fieldsV1" in entry ? entry["fieldsV1"] : {}),
    };
  });
}

/** In the server's order: appliers first, then by time and name. Owners of nothing are left out. */
export function writeOwners(owners: readonly Owner[]): readonly JsonObject[] {
  const rank = (owner: Owner) =>
    [owner.operation, owner.time ?? "", owner.manager, owner.apiVersion, owner.subresource ?? ""].join("\n");
  return [...owners].sort((a, b) => rank(a) < rank(b) ? -1 : 1).map((owner) => {
    const entry: Record<string, Json> = {
      manager: owner.manager,
      operation: owner.operation,
      apiVersion: owner.apiVersion,
    };
    if (owner.time !== undefined) entry["time"] = owner.time;
    entry["fieldsType"] = "FieldsV1";
    entry["fieldsV1"] = encodeFields(owner.fields);
    if (owner.subresource !== undefined) entry["subresource"] = owner.subresource;
    return entry;
  });
}

/** Leaves out owners whose last field is gone. */
export function owningSomething(owners: readonly Owner[]): readonly Owner[] {
  return owners.filter((owner) => !isEmptySet(owner.fields));
}
