/**
 * Images of containers in plain manifests: built-in workloads, and custom resources with a pod template at
 * `spec.template`. Ephemeral containers are no part of a release, and image volumes no container.
 */
import { listAt, stringAt } from "../../core/kube_object.ts";
import type { YamlPath } from "../yaml_file.ts";
import { type FoundObject, partsAt, type PlaceFinder } from "./objects.ts";
import { type ImagePlace, placeOf } from "./place.ts";

/** Where a kind has its pod spec; any other has it where a pod template stands at `spec.template`. */
const POD_SPECS: Readonly<Record<string, YamlPath>> = {
  "/Pod": ["spec"],
  "/PodTemplate": ["template", "spec"],
  "batch/CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
};
const DEFAULT_POD_SPEC: YamlPath = ["spec", "template", "spec"];

export const containers: PlaceFinder = {
  id: "containers",
  finds: "containers and init containers of plain manifests, in Lists and patches too",
  find: ({ file, objects }) => objects.flatMap((object) => containersOf(file, object)),
};

function containersOf(file: string, object: FoundObject): readonly ImagePlace[] {
  const { layer, value, label } = object;
  const spec = POD_SPECS[`${object.group}/${object.kind}`] ?? DEFAULT_POD_SPEC;
  return ["initContainers", "containers"].flatMap((list) =>
    listAt(value, ...spec, list).flatMap((container, index): readonly ImagePlace[] => {
      const path = [...object.prefix, ...spec, list, index];
      const parts = partsAt(layer, { reference: [...path, "image"] });
      const key = `${list}/${stringAt(container, "name") ?? index}`;
      if (parts.length === 0) return [];
      return [placeOf({ kind: "container", file, document: layer.document, object: label, key, path, parts })];
    })
  );
}
