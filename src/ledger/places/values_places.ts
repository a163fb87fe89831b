/** Places in Helm values that stand in a file as they are: of HelmReleases, and values files given by name. */
import { at, isJsonObject } from "../../core/kube_object.ts";
import { pathText, type YamlPath } from "../yaml_file.ts";
import { imagesInValues } from "./helm_values.ts";
import type { Layer } from "./layer.ts";
import { partsAt, type PlaceFinder } from "./objects.ts";
import { type ImagePlace, placeOf } from "./place.ts";

export const helmReleases: PlaceFinder = {
  id: "helm-releases",
  finds: "values of Flux HelmReleases",
  find: ({ file, objects }) =>
    objects.filter(({ kind }) => kind === "HelmRelease").flatMap(({ layer, prefix, label }) =>
      valuesPlaces({ file, layer, label, root: [...prefix, "spec", "values"], origin: "values" })
    ),
};

/** For files that an Application or HelmRelease names: nothing in such a file says what it is. */
export const valuesFiles: PlaceFinder = {
  id: "values-files",
  finds: "a file that holds Helm values and nothing else",
  find: ({ file, layers }) =>
    layers.flatMap((layer) => valuesPlaces({ file, layer, label: "", root: [], origin: "values" })),
};

/** Places among the values at a path of a layer; `origin` tells several trees of one object apart. */
export function valuesPlaces({ file, layer, label, root, origin }: {
  readonly file: string;
  readonly layer: Layer;
  readonly label: string;
  readonly root: YamlPath;
  readonly origin: string;
}): readonly ImagePlace[] {
  const values = at(layer.yaml.values[layer.document], ...root);
  if (!isJsonObject(values)) return [];
  return imagesInValues(values).flatMap((image): readonly ImagePlace[] => {
    const absolute = Object.fromEntries(
      Object.entries(image.parts).map(([role, path]) => [role, [...root, ...path]]),
    );
    const parts = partsAt(layer, absolute);
    if (parts.length === 0) return [];
    const path = layer.outer === null ? [...root, ...image.path] : layer.outer.path;
    const document = layer.outer?.document ?? layer.document;
    const key = `${origin}/${pathText(image.path)}`;
    return [placeOf({ kind: "helm-value", file, document, object: label, key, path, parts })];
  });
}
