/**
 * What differs between two values of the release unit: single values that can be written over, and parts whose shape
 * differs. Pure; knows nothing of files.
 */
import { isJsonObject, type Json } from "../core/kube_object.ts";
import type { ScalarValue } from "./scalar_text.ts";
import { sameJson, type YamlPath } from "./yaml_file.ts";

export type Difference =
  | { readonly type: "scalar"; readonly path: YamlPath; readonly value: ScalarValue }
  /** The value under `path` has another shape. The last step is a key: the nearest one that both sides have. */
  | { readonly type: "shape"; readonly path: YamlPath };

/** How to get from `is` to `wanted`; no difference lies within another one. */
export function differencesOf(is: Json, wanted: Json, root: YamlPath = []): readonly Difference[] {
  const found = collect(is, wanted, root);
  const shapes = found.filter(({ type }) => type === "shape").map(({ path }) => path);
  const outermost = (path: YamlPath) => !shapes.some((shape) => shape.length < path.length && startsWith(path, shape));
  const kept = found.filter(({ path }) => outermost(path));
  return kept.filter(({ path }, index) => kept.findIndex((other) => sameJson(other.path, path)) === index);
}

function collect(is: Json, wanted: Json, path: YamlPath): readonly Difference[] {
  if (sameJson(is, wanted)) return [];
  if (Array.isArray(is) && Array.isArray(wanted)) {
    if (is.length !== wanted.length) return [shapeAt(path)];
    return is.flatMap((item: Json, index) => collect(item, wanted[index] ?? null, [...path, index]));
  }
  if (isJsonObject(is) && isJsonObject(wanted)) {
    const keys = Object.keys(is);
    const sameKeys = sameJson([...keys].sort(), Object.keys(wanted).sort());
    if (!sameKeys) return [shapeAt(path)];
    return keys.flatMap((key) => collect(is[key] ?? null, wanted[key] ?? null, [...path, key]));
  }
  return isScalarValue(is) && isScalarValue(wanted) ? [{ type: "scalar", path, value: wanted }] : [shapeAt(path)];
}

function isScalarValue(value: Json): value is ScalarValue {
  return value === null || typeof value !== "object";
}

/** List items have no key to be replaced by, so the list that holds them is meant. */
function shapeAt(path: YamlPath): Difference {
  const lastKey = path.findLastIndex((step) => typeof step === "string");
  return { type: "shape", path: path.slice(0, lastKey + 1) };
}

function startsWith(path: YamlPath, prefix: YamlPath): boolean {
  return prefix.every((step, index) => step === path[index]);
}
