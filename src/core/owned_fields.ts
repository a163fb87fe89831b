/**
 * What of a live object some field managers own: the object less all that servers, webhooks and other writers put into it.
 * Pure. The parts of `fieldsV1` are told by their first letters, as Kubernetes writes them.
 *
 * @see Kubernetes, field management: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
import { digestOf } from "./digest.ts";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "./kube_object.ts";

/**
 * The parts of an object's `spec`, labels and annotations that the managers own, with its name and its pods' selector,
 * which nobody can change. undefined: the object does not say that they own anything of it.
 *
 * @param live with its managedFields
 */
export function ownedPart(live: KubeObject, isOwner: (manager: string) => boolean): KubeObject | undefined {
  const sets = listAt(live, "metadata", "managedFields").flatMap((entry): readonly JsonObject[] => {
    const fields = at(entry, "fieldsV1");
    const isTheirs = stringAt(entry, "subresource") === undefined && isOwner(stringAt(entry, "manager") ?? "");
    return isTheirs && isJsonObject(fields) ? [fields] : [];
  });
  if (sets.length === 0) return undefined;
  const fields = sets.reduce(union);
  const spec = part(live.spec ?? {}, objectAt(fields, "f:spec"));
  const labels = texts(part(live.metadata.labels ?? {}, objectAt(fields, "f:metadata", "f:labels")));
  const annotations = texts(part(live.metadata.annotations ?? {}, objectAt(fields, "f:metadata", "f:annotations")));
  const { apiVersion, kind, metadata: { name, namespace } } = live;
  const selector = at(live, "spec", "selector");
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === null ? {} : { labels }),
      ...(annotations === null ? {} : { annotations }),
    },
    spec: { ...(isJsonObject(spec) ? spec : {}), ...(selector === undefined ? {} : { selector }) },
  };
}

function union(a: JsonObject, b: JsonObject): JsonObject {
  const merged: Record<string, Json> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const other = merged[key];
    merged[key] = isJsonObject(other) && isJsonObject(value) ? union(other, value) : value;
  }
  return merged;
}

/** undefined: nothing of the value is theirs. A set without parts means the whole value. */
function part(value: Json | undefined, fields: JsonObject): Json | undefined {
  const steps = Object.keys(fields).filter((step) => step !== ".");
  if (Array.isArray(value)) return partOfList(value, fields, steps);
  if (!isJsonObject(value)) return value;
  const parts = steps.flatMap((step): readonly (readonly [string, Json])[] => {
    const name = step.startsWith("f:") ? step.slice(2) : "";
    const held = value[name];
    const below = objectAt(fields, step);
    if (held === undefined) return [];
    const isWhole = Object.keys(below).length === 0;
    const found = isWhole ? held : part(held, below);
    return found === undefined ? [] : [[name, found]];
  });
  // A map that holds nothing of theirs but is there by their word stays, as an emptyDir does.
  return parts.length === 0 && fields["."] === undefined ? undefined : Object.fromEntries(parts);
}

/** Items keep their order; those of other writers are left out. */
function partOfList(list: readonly Json[], fields: JsonObject, steps: readonly string[]): Json | undefined {
  const items = list.flatMap((item): readonly Json[] => {
    const step = steps.find((one) => isItem(item, one));
    if (step === undefined) return [];
    const below = objectAt(fields, step);
    const isWhole = Object.keys(below).length === 0 || !isJsonObject(item);
    const found = isWhole ? item : part(item, below);
    return found === undefined ? [] : [found];
  });
  return items.length === 0 && fields["."] === undefined ? undefined : items;
}

/** Items are named by their keys, `k:{"name":"app"}`, or by their value, `v:"a"`. */
function isItem(item: Json, step: string): boolean {
  const named: unknown = /^[kv]:/.test(step) ? JSON.parse(step.slice(2)) : undefined;
  if (step.startsWith("v:")) return digestOf(item) === digestOf(named);
  return isJsonObject(named) && isJsonObject(item) &&
    Object.entries(named).every(([key, value]) => item[key] === value);
}

function texts(map: Json | undefined): Readonly<Record<string, string>> | null {
  if (!isJsonObject(map)) return null;
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]) => typeof value === "string" ? [[key, value]] : []),
  );
}
