/** The Kubernetes objects among the documents of a file, items of Lists too: what most finders look through. */
import { isJsonObject, type Json, type JsonObject, listAt, stringAt } from "../../core/kube_object.ts";
import type { YamlPath } from "../yaml_file.ts";
import { type Layer, partAt } from "./layer.ts";
import type { ImagePlace, PartRole, PlacePart } from "./place.ts";

export interface FoundObject {
  readonly layer: Layer;
  /** From the document's root to the object: empty, or "items" and an index. */
  readonly prefix: YamlPath;
  readonly value: JsonObject;
  /** "" for the core group and for a file that says none. */
  readonly group: string;
  readonly kind: string;
  /** "apps/Deployment prod/shop". */
  readonly label: string;
}

/** What finders look through. */
export interface Searched {
  readonly file: string;
  readonly layers: readonly Layer[];
  readonly objects: readonly FoundObject[];
}

export interface PlaceFinder {
  readonly id: string;
  /** What it finds, in one line. */
  readonly finds: string;
  readonly find: (searched: Searched) => readonly ImagePlace[];
}

/** The objects of a layer. A document without a kind is none; patches without a name are. */
export function objectsOf(layer: Layer): readonly FoundObject[] {
  const value = layer.yaml.values[layer.document];
  if (!isJsonObject(value)) return [];
  const isList = (stringAt(value, "kind") ?? "").endsWith("List") && Array.isArray(value["items"]);
  if (!isList) return objectAt(layer, [], value);
  return listAt(value, "items").flatMap((item, index) => objectAt(layer, ["items", index], item));
}

function objectAt(layer: Layer, prefix: YamlPath, value: Json): readonly FoundObject[] {
  const kind = stringAt(value, "kind");
  const apiVersion = stringAt(value, "apiVersion");
  if (!isJsonObject(value) || kind === undefined || apiVersion === undefined) return [];
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const name = stringAt(value, "metadata", "name") ?? "";
  const namespace = stringAt(value, "metadata", "namespace");
  const label = `${group === "" ? "" : `${group}/`}${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  return [{ layer, prefix, value, group, kind, label }];
}

/** The parts that exist among the scalars at some paths of a layer. */
export function partsAt(layer: Layer, at: Readonly<Partial<Record<PartRole, YamlPath>>>): readonly PlacePart[] {
  const roles: readonly PartRole[] = ["reference", "name", "registry", "repository", "tag", "digest"];
  return roles.flatMap((role) => {
    const path = at[role];
    const part = path === undefined ? null : partAt(layer, role, path);
    return part === null ? [] : [part];
  });
}
