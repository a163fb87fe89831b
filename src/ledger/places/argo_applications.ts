/**
 * Images in Argo CD Applications and in the template of ApplicationSets: kustomize images, Helm parameters,
 * `valuesObject`, and `values`, a text that is YAML itself. Names the values files that a source reads.
 *
 * @see Argo CD, Application specification: https://argo-cd.readthedocs.io/en/stable/user-guide/application-specification/
 */
import { isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from "../../core/kube_object.ts";
import type { YamlPath } from "../yaml_file.ts";
import { imagesInValues } from "./helm_values.ts";
import { innerLayers, partAt } from "./layer.ts";
import { type FoundObject, partsAt, type PlaceFinder } from "./objects.ts";
import { type ImagePlace, placeOf } from "./place.ts";
import { valuesPlaces } from "./values_places.ts";

export const argoApplications: PlaceFinder = {
  id: "argo-applications",
  finds: "kustomize images, Helm parameters and values of Argo CD Applications and ApplicationSet templates",
  find: ({ file, objects }) =>
    objects.flatMap((object) => sourcesOf(object).flatMap((source) => placesOfSource(file, object, source))),
};

/** One source of an application. */
interface Source {
  readonly path: YamlPath;
  readonly value: JsonObject;
  /** "source" or "sources[1]". */
  readonly name: string;
}

function sourcesOf({ group, kind, prefix, value }: FoundObject): readonly Source[] {
  if (group !== "argoproj.io" || kind !== "Application" && kind !== "ApplicationSet") return [];
  const spec = kind === "Application" ? ["spec"] : ["spec", "template", "spec"];
  const single = objectAt(value, ...spec, "source");
  const several = listAt(value, ...spec, "sources").map((source, index): Source => ({
    path: [...prefix, ...spec, "sources", index],
    value: isJsonObject(source) ? source : {},
    name: `sources[${index}]`,
  }));
  return [{ path: [...prefix, ...spec, "source"], value: single, name: "source" }, ...several];
}

function placesOfSource(file: string, object: FoundObject, source: Source): readonly ImagePlace[] {
  const { layer, label } = object;
  const helm = [...source.path, "helm"];
  const origin = (what: string): string => `${source.name}/${what}`;
  return [
    ...kustomizeImages(file, object, source),
    ...parameters(file, object, source),
    ...valuesPlaces({ file, layer, label, root: [...helm, "valuesObject"], origin: origin("valuesObject") }),
    ...innerLayers(layer, [...helm, "values"]).flatMap((inner) =>
      valuesPlaces({ file, layer: inner, label, root: [], origin: origin("values") })
    ),
  ];
}

/** "name=new/name:tag": what stands before "=" is what the images of the manifests are told by. */
const REPLACED = /^[^=]*=/;

function kustomizeImages(file: string, { layer, label }: FoundObject, source: Source): readonly ImagePlace[] {
  return listAt(source.value, "kustomize", "images").flatMap((_, index): readonly ImagePlace[] => {
    const path = [...source.path, "kustomize", "images", index];
    const part = partAt(layer, "reference", path, REPLACED);
    if (part === null) return [];
    const replaced = part.prefix.slice(0, -1);
    const of = replaced === "" ? {} : { of: replaced };
    const parts = [part];
    const name = replaced === "" ? part.text.replace(/[:@].*$/, "") : replaced;
    const key = `${source.name}/images/${name}`;
    const place = { kind: "argocd-image", file, document: layer.document, object: label, key, path, parts } as const;
    return [placeOf({ ...place, ...of })];
  });
}

/** Parameters are values written flat: as a tree, they are searched like any other values. */
function parameters(file: string, { layer, label }: FoundObject, source: Source): readonly ImagePlace[] {
  const list = [...source.path, "helm", "parameters"];
  const written = new Map<string, YamlPath>();
  let tree: JsonObject = {};
  for (const [index, parameter] of listAt(source.value, "helm", "parameters").entries()) {
    const name = stringAt(parameter, "name");
    const value = stringAt(parameter, "value");
    if (name === undefined || value === undefined) continue;
    // A dot behind a backslash belongs to the key.
    const steps = (name.match(/(?:\\.|[^.\\])+/g) ?? []).map((step) => step.replace(/\\(.)/g, "$1"));
    tree = withLeaf(tree, steps, value);
    written.set(JSON.stringify(steps), [...list, index, "value"]);
  }
  return imagesInValues(tree).flatMap((image): readonly ImagePlace[] => {
    const at = Object.entries(image.parts).flatMap(([role, path]) => {
      const scalar = written.get(JSON.stringify(path));
      return scalar === undefined ? [] : [[role, scalar] as const];
    });
    const parts = partsAt(layer, Object.fromEntries(at));
    if (parts.length === 0) return [];
    const key = `${source.name}/parameters/${image.path.join(".")}`;
    return [
      placeOf({ kind: "argocd-parameter", file, document: layer.document, object: label, key, path: list, parts }),
    ];
  });
}

function withLeaf(tree: JsonObject, steps: readonly string[], leaf: string): JsonObject {
  const [step, ...rest] = steps;
  if (step === undefined) return tree;
  const below: Json = rest.length === 0 ? leaf : withLeaf(objectAt(tree, step), rest, leaf);
  return { ...tree, [step]: below };
}

/** A values file that an application's source reads. */
export interface NamedValuesFile {
  /** The application, as in `ImagePlace.object`. */
  readonly object: string;
  /** Where the file is kept; null: the source does not say. */
  readonly repository: string | null;
  /** From the root of that repository. */
  readonly path: string;
}

/** The values files that the applications among some objects name. Addresses and names with variables are left out. */
export function namedValuesFiles(objects: readonly FoundObject[]): readonly NamedValuesFile[] {
  return objects.flatMap((object) => {
    const sources = sourcesOf(object);
    return sources.flatMap((source) =>
      listAt(source.value, "helm", "valueFiles").flatMap((file): readonly NamedValuesFile[] => {
        const found = typeof file === "string" ? valuesFile(file, source, sources) : null;
        return found === null ? [] : [{ object: object.label, ...found }];
      })
    );
  });
}

function valuesFile(
  file: string,
  source: Source,
  sources: readonly Source[],
): Omit<NamedValuesFile, "object"> | null {
  const ref = /^\$([^/]+)\/(.*)$/.exec(file);
  const home = ref === null ? source : sources.find(({ value }) => value["ref"] === ref[1]);
  if (home === undefined || /:\/\/|\{\{/.test(file)) return null;
  const base = ref === null && !file.startsWith("/") ? stringAt(source.value, "path") ?? "" : "";
  const path = withoutDots(`${base}/${ref?.[2] ?? file}`);
  return path === null ? null : { repository: stringAt(home.value, "repoURL") ?? null, path };
}

/** A path from the root without "." and ".."; null where it leaves the root. */
function withoutDots(path: string): string | null {
  const steps: string[] = [];
  for (const step of path.split("/")) {
    if (step === ".." && steps.pop() === undefined) return null;
    if (step !== "" && step !== "." && step !== "..") steps.push(step);
  }
  return steps.join("/");
}
