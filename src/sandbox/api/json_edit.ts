/** Small pure edits of JSON objects: the embedded API server never changes an object in place. */
import { isJsonObject, type Json, type JsonObject, objectAt } from "../../core/kube_object.ts";

/** The object with `name` set to `value`, or without it when `value` is undefined. */
export function withField(object: JsonObject, name: string, value: Json | undefined): JsonObject {
  if (value !== undefined) return { ...object, [name]: value };
  const { [name]: _dropped, ...rest } = object;
  return rest;
}

/** The object with fields of its `metadata` set; undefined removes one. */
export function withMeta(object: JsonObject, changes: Readonly<Record<string, Json | undefined>>): JsonObject {
  let metadata = objectAt(object, "metadata");
  for (const [name, value] of Object.entries(changes)) metadata = withField(metadata, name, value);
  return { ...object, metadata };
}

/** `defaults` under what `object` says; nested objects are not merged. */
export function fill(object: JsonObject, defaults: JsonObject): JsonObject {
  return { ...defaults, ...object };
}

/** RFC 7386. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  let merged: JsonObject = isJsonObject(target) ? target : {};
  for (const [name, value] of Object.entries(patch)) {
    merged = withField(merged, name, value === null ? undefined : mergePatch(merged[name], value));
  }
  return merged;
}

/** Wall time as the API writes it, whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** Text in base64, of its UTF-8 bytes. */
export function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
