/**
 * The `images` transformer of kustomize, wherever it is written: in kustomization files and components, in Flux
 * Kustomizations, and in the post-renderers of Flux HelmReleases.
 *
 * @see kustomize, images: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/
 */
import { at, isJsonObject, type Json, listAt, stringAt } from "../../core/kube_object.ts";
import type { YamlPath } from "../yaml_file.ts";
import type { Layer } from "./layer.ts";
import { type FoundObject, partsAt, type PlaceFinder, type Searched } from "./objects.ts";
import { type ImagePlace, placeOf } from "./place.ts";

const KUSTOMIZATION_FILE = /(?:^|\/)(?:kustomization\.ya?ml|Kustomization)$/;

export const kustomizeImages: PlaceFinder = {
  id: "kustomize-images",
  finds: "images of kustomization files, components, Flux Kustomizations and HelmRelease post-renderers",
  find: (searched) => listsOf(searched).flatMap((list) => imagesOf(searched.file, list)),
};

interface ImageList {
  readonly layer: Layer;
  readonly label: string;
  readonly path: YamlPath;
  readonly images: readonly Json[];
}

function listsOf({ file, layers, objects }: Searched): readonly ImageList[] {
  const list = (layer: Layer, label: string, path: YamlPath): ImageList => {
    const value = layer.yaml.values[layer.document];
    return { layer, label, path, images: listAt(value, ...path) };
  };
  const nameless = layers.filter((layer) => KUSTOMIZATION_FILE.test(file) && !declaresKind(layer));
  return [
    ...nameless.map((layer) => list(layer, "Kustomization ", ["images"])),
    ...objects.flatMap((object) => pathsOf(object).map((path) => list(object.layer, object.label, path))),
  ];
}

/** kustomize lets its files leave out apiVersion and kind. */
function declaresKind({ yaml, document }: Layer): boolean {
  const value = yaml.values[document];
  return !isJsonObject(value) || value["kind"] !== undefined && value["apiVersion"] !== undefined;
}

function pathsOf({ group, kind, prefix, value }: FoundObject): readonly YamlPath[] {
  if (group === "kustomize.config.k8s.io") return [[...prefix, "images"]];
  if (group === "kustomize.toolkit.fluxcd.io" && kind === "Kustomization") return [[...prefix, "spec", "images"]];
  if (group !== "helm.toolkit.fluxcd.io" || kind !== "HelmRelease") return [];
  const renderers = listAt(value, "spec", "postRenderers");
  return renderers.map((_, index) => [...prefix, "spec", "postRenderers", index, "kustomize", "images"]);
}

function imagesOf(file: string, { layer, label, path: list, images }: ImageList): readonly ImagePlace[] {
  return images.flatMap((image, index): readonly ImagePlace[] => {
    const name = stringAt(image, "name");
    const path = [...list, index];
    const parts = partsAt(layer, {
      name: [...path, "newName"],
      tag: [...path, "newTag"],
      digest: [...path, "digest"],
    });
    if (name === undefined || parts.length === 0) return [];
    const held = at(image, "tagSuffix") === undefined ? null : "it has a tagSuffix, which changes the tag it is given";
    const key = `images/${name}`;
    const place = { kind: "kustomize-image", file, document: layer.document, object: label, key, path, parts } as const;
    return [placeOf({ ...place, of: name, held })];
  });
}
