/**
 * Lines with a Flux `$imagepolicy` marker: whatever scalar stands before it is written by an image policy, so it is an
 * image or a part of one, in any kind of file.
 *
 * @see Flux, configure image update for custom resources: https://fluxcd.io/flux/guides/image-update/
 */
import { isMap, isPair, isScalar, type Node, type Pair, visit } from "yaml";
import { isJsonObject } from "../../core/kube_object.ts";
import { pathText, type YamlPath } from "../yaml_file.ts";
import { type Layer, partAt } from "./layer.ts";
import type { PlaceFinder, Searched } from "./objects.ts";
import { type ImagePlace, type PartRole, placeOf, type PlacePart } from "./place.ts";

export const markers: PlaceFinder = {
  id: "markers",
  finds: "scalars with a Flux $imagepolicy marker on their line",
  find: (searched) => searched.layers.flatMap((layer) => placesOfLayer(searched, layer)),
};

interface Marked {
  readonly path: YamlPath;
  readonly role: PartRole;
  readonly policy: string;
}

/** Parts of one image stand in one map, under one policy. */
function placesOfLayer({ file, objects }: Searched, layer: Layer): readonly ImagePlace[] {
  const marked = markedScalars(layer);
  const groups = Map.groupBy(
    marked,
    ({ path, role, policy }) => JSON.stringify(role === "reference" ? [path, policy] : [path.slice(0, -1), policy]),
  );
  return [...groups.values()].flatMap((group): readonly ImagePlace[] => {
    const parts = group.flatMap(({ path, role, policy }): readonly PlacePart[] => {
      const part = partAt(layer, role, path);
      return part === null ? [] : [{ ...part, policy }];
    });
    const [first] = group;
    if (first === undefined || parts.length === 0) return [];
    const path = first.role === "reference" ? first.path : first.path.slice(0, -1);
    const object = objects.find(({ layer: { document }, prefix }) =>
      document === layer.document && prefix.every((step, index) => step === path[index])
    );
    const key = `markers/${first.policy}/${pathText(path)}`;
    const label = object?.label ?? "";
    return [placeOf({ kind: "marker", file, document: layer.document, object: label, key, path, parts })];
  });
}

/** Policies by the bytes of the scalars that they write. */
export function policiesByRange(layer: Layer): ReadonlyMap<string, string> {
  return new Map(
    markedScalars(layer).flatMap(({ path, role, policy }) => {
      const range = partAt(layer, role, path)?.range;
      return range ? [[`${range.start}-${range.end}`, policy] as const] : [];
    }),
  );
}

function markedScalars(layer: Layer): readonly Marked[] {
  const { text } = layer.yaml;
  const document = layer.yaml.documents[layer.document];
  if (document === undefined || !text.includes("$imagepolicy")) return [];
  const found: Marked[] = [];
  visit(document, {
    Scalar: (key, node, ancestors) => {
      if (key === "key" || !node.range) return;
      const rest = text.slice(node.range[1], endOfLine(text, node.range[1]));
      const marker = markerOf(rest);
      if (marker !== null) found.push({ ...marker, path: pathOf(key, ancestors) });
    },
  });
  return found;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

/** The whole comment has to be the marker, and nothing may stand between it and the scalar: so Flux has it. */
function markerOf(rest: string): { readonly role: PartRole; readonly policy: string } | null {
  const comment = /^[ \t]+#[ \t]*(\{.*\})[ \t]*\r?$/.exec(rest)?.[1];
  if (comment === undefined || !comment.includes("$imagepolicy")) return null;
  let marker: unknown;
  try {
    marker = JSON.parse(comment);
  } catch {
    // Not JSON, so not a marker to Flux either.
    return null;
  }
  const value = isJsonObject(marker) ? marker["$imagepolicy"] : undefined;
  const match = typeof value === "string" ? /^([^:]+:[^:]+)(?::(name|tag|digest))?$/.exec(value) : null;
  const policy = match?.[1];
  if (policy === undefined) return null;
  const part = match?.[2];
  const role = part === "name" || part === "tag" || part === "digest" ? part : "reference";
  return { role, policy };
}

/** From what the visitor passed through to the path of the node. */
function pathOf(key: number | "key" | "value" | null, ancestors: readonly (Node | Pair | object)[]): YamlPath {
  const path: (string | number)[] = [];
  for (const [index, ancestor] of ancestors.entries()) {
    if (isPair(ancestor)) path.push(isScalar(ancestor.key) ? String(ancestor.key.value) : "");
    const next = ancestors[index + 1];
    const isSequence = !isMap(ancestor) && !isPair(ancestor) && "items" in ancestor && Array.isArray(ancestor.items);
    if (!isSequence) continue;
    const position = next === undefined ? key : ancestor.items.indexOf(next);
    if (typeof position === "number") path.push(position);
  }
  return path;
}
