/**
 * Images in Helm values, told by how charts write them: `image: repo:tag`, `image: {registry, repository, tag, digest}`,
 * the same under a component's own key, and a tag or digest alone where the chart has the name. Values are a tree; where
 * its leaves are written (values, a file, parameters) is the caller's business.
 */
import { isJsonObject, type Json, type JsonObject } from "../../core/kube_object.ts";
import type { YamlPath } from "../yaml_file.ts";
import { isImageName, parseImage } from "./image_reference.ts";
import { holdsVariable, type PartRole } from "./place.ts";

/** Where in a tree of values an image is: the path of each of its parts. */
export interface ValuesImage {
  readonly path: YamlPath;
  readonly parts: Readonly<Partial<Record<PartRole, YamlPath>>>;
}

/** Bound on nesting; the tree of a file is never that deep. */
const DEPTH_MAX = 50;

/** Every image of a tree of values. */
export function imagesInValues(values: Json, path: YamlPath = []): readonly ValuesImage[] {
  if (path.length > DEPTH_MAX) return [];
  if (Array.isArray(values)) {
    return values.flatMap((item: Json, index) => imagesInValues(item, [...path, index]));
  }
  if (!isJsonObject(values)) return [];
  const own = imageMap(values, path);
  const children = Object.entries(values).flatMap(([key, value]) => {
    const here = [...path, key];
    if (own !== null && Object.values(own.parts).some((part) => part.at(-1) === key)) return [];
    return isImageKey(key) && typeof value === "string" ? imageText(values, value, here) : imagesInValues(value, here);
  });
  return own === null ? children : [own, ...children];
}

/** "image", "initImage": the key of an image, by the custom of charts. */
function isImageKey(key: unknown): boolean {
  return typeof key === "string" && /^image$|[a-z0-9]Image$/.test(key);
}

/** A map that is an image: by its key, or by a repository with a version beside it. */
function imageMap(map: JsonObject, path: YamlPath): ValuesImage | null {
  const parts: Partial<Record<PartRole, YamlPath>> = {};
  const add = (role: PartRole, key: string): void => {
    if (isVersion(map[key])) parts[role] = [...path, key];
  };
  add("tag", "tag");
  add("digest", "digest");
  const isVersioned = Object.keys(parts).length > 0;
  const byKey = isImageKey(path.at(-1));
  if (byKey && typeof map["image"] === "string") return null;
  if (isNameText(map["repository"]) && (byKey || isVersioned)) {
    parts.repository = [...path, "repository"];
    if (typeof map["registry"] === "string" && map["registry"] !== "") parts.registry = [...path, "registry"];
  } else if (byKey && isNameText(map["name"])) parts.name = [...path, "name"];
  else if (!byKey || !isVersioned) return null;
  return { path, parts };
}

/** A text under an image's key: the whole reference, or the name where its tag stands beside it. */
function imageText(map: JsonObject, text: string, path: YamlPath): readonly ValuesImage[] {
  const siblings = path.slice(0, -1);
  if (parseImage(text) === null && !holdsVariable(text)) return [];
  const versions: readonly (readonly [PartRole, string])[] = [["tag", "tag"], ["tag", "imageTag"], [
    "digest",
    "digest",
  ]];
  const beside = versions.filter(([, key]) => isVersion(map[key]) && map[key] !== "");
  if (!isImageName(text) || beside.length === 0) return [{ path, parts: { reference: path } }];
  const parts = Object.fromEntries(beside.map(([role, key]) => [role, [...siblings, key]]));
  return [{ path: siblings, parts: { name: path, ...parts } }];
}

function isVersion(value: Json | undefined): boolean {
  return typeof value === "string" || typeof value === "number";
}

function isNameText(value: Json | undefined): boolean {
  return typeof value === "string" && (isImageName(value) || holdsVariable(value));
}
