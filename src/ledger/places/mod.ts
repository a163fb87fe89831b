/**
 * The table of finders, and the search of one file with all of them: bytes in, places with byte ranges out. A new way of
 * writing images is a file and a row.
 */
import { openYaml } from "../yaml_file.ts";
import type { FileText } from "../splice.ts";
import { argoApplications, type NamedValuesFile, namedValuesFiles } from "./argo_applications.ts";
import { containers } from "./containers.ts";
import { fullName, type ImageReference, sameRepository } from "./image_reference.ts";
import { kustomizeImages } from "./kustomize_images.ts";
import { layersOf } from "./layer.ts";
import { markers, policiesByRange } from "./markers.ts";
import { objectsOf, type PlaceFinder, type Searched } from "./objects.ts";
import { type ImagePlace, PLACE_KINDS, type PlacePart } from "./place.ts";
import { helmReleases, valuesFiles } from "./values_places.ts";

/** In the order of precedence: a scalar that several find belongs to the first. */
export const FINDERS: readonly PlaceFinder[] = [containers, kustomizeImages, helmReleases, argoApplications, markers];

export type Found =
  | {
    readonly type: "found";
    /** By document, then in the order of the table. */
    readonly places: readonly ImagePlace[];
    /** Values files that Argo CD applications in it name; search those with `as: "values"`. */
    readonly valuesFiles: readonly NamedValuesFile[];
  }
  /** The file must be left alone: templated, encrypted, a link, an LFS pointer, too large, or no YAML. */
  | { readonly type: "refused"; readonly reason: string };

/**
 * Every place in a file where an image is written.
 *
 * @param as "values" for a file that somebody names as Helm values; nothing in such a file tells
 */
export function findPlaces(file: FileText, as: "manifests" | "values" = "manifests"): Found {
  if (file.link) return { type: "refused", reason: "it is a link" };
  const opened = openYaml(file.content);
  if (opened.type === "refused") return opened;
  const layers = layersOf(opened.file);
  const objects = layers.flatMap(objectsOf);
  const searched: Searched = { file: file.path, layers, objects };
  const finders = as === "values" ? [valuesFiles, markers] : FINDERS;
  const policies = layers.map(policiesByRange);
  const places: ImagePlace[] = [];
  for (const finder of finders) {
    const known = new Set(places.flatMap(({ document, parts }) => parts.map((part) => spotOf(document, part))));
    for (const place of finder.find(searched)) {
      if (place.parts.every((part) => known.has(spotOf(place.document, part)))) continue;
      places.push({ ...place, parts: place.parts.map((part) => withPolicy(part, policies[place.document])) });
    }
  }
  return { type: "found", places: places.sort(byDocument), valuesFiles: namedValuesFiles(objects) };
}

function byDocument(a: ImagePlace, b: ImagePlace): number {
  return a.document - b.document;
}

function spotOf(document: number, { path, inner }: PlacePart): string {
  return JSON.stringify([document, path, inner]);
}

function withPolicy(part: PlacePart, policies: ReadonlyMap<string, string> | undefined): PlacePart {
  const policy = part.range === null ? undefined : policies?.get(`${part.range.start}-${part.range.end}`);
  return policy === undefined ? part : { ...part, policy };
}

/**
 * The places that may be where a running image comes from, the likeliest kind first. A place without a name (a tag
 * alone, in values of a chart) may speak of any image with that version.
 *
 * @param image as the rendered or live manifest has it
 */
export function carriersOf(places: readonly ImagePlace[], image: ImageReference): readonly ImagePlace[] {
  const says = ({ image: written, kind }: ImagePlace): boolean => {
    const isName = written.name === null || fullName(written.name) === fullName(image.name) ||
      COMPLETED.includes(kind) && sameRepository(written.name, image.name);
    const isVersion = written.digest === null
      ? written.tag === null || written.tag === image.tag
      : written.digest === image.digest;
    return isName && isVersion && (written.tag !== null || written.digest !== null || written.name !== null);
  };
  const rank = ({ kind }: ImagePlace): number => PLACE_KINDS.indexOf(kind);
  const isWhole = (place: ImagePlace): number => place.image.name === null ? 1 : 0;
  return places.filter(says).sort((a, b) => rank(a) - rank(b) || isWhole(a) - isWhole(b));
}

/** A chart may put a registry before the name that its values give. */
const COMPLETED: readonly ImagePlace["kind"][] = ["helm-value", "argocd-parameter"];
