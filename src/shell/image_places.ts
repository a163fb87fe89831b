/**
 * Where in Git the images of a release are written that an engine rendered. Nothing can be tried here, so places are told
 * by what they say: those of the object that the target was made from, and of values files that it names, before all others.
 */
import type { CanaryEntry } from "../ledger/places/release_renderer.ts";
import { type ImageReference, isSameName, parseImage } from "../ledger/places/image_reference.ts";
import { carriersOf, findPlaces } from "../ledger/places/mod.ts";
import type { ImagePlace } from "../ledger/places/place.ts";
import type { Carrier } from "../ledger/places/restore_places.ts";
import type { FileText } from "../ledger/splice.ts";
import type { Snapshot } from "../ports/git.ts";
import { isManifestPath } from "../spec/parse_file.ts";
import { isUnder } from "./roots.ts";

/** A canary, and a release of it that an engine rendered. */
export type Rendered = Pick<CanaryEntry, "canary" | "release">;

/** Files of a commit or a working tree. */
export interface PlacesTree {
  readonly paths: readonly string[];
  readonly read: (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** What lies below some folders of a commit. */
export async function treeBelow(snapshot: Snapshot, roots: readonly string[]): Promise<PlacesTree> {
  const paths = (await snapshot.files()).map(({ path }) => path);
  return {
    paths: paths.filter((path) => roots.some((root) => isUnder(path, root))),
    read: (path) => snapshot.read(path),
  };
}

export interface FoundPlace {
  readonly place: ImagePlace;
  readonly as: Carrier["as"];
  /** It stands in the object that the target was made from, or in values that this one names. */
  readonly isOwn: boolean;
}

/** Places of a release's images, each with the containers whose image it says, in this version or in another one. */
export async function placesOfRelease(
  entry: Rendered,
  tree: PlacesTree,
  signal?: AbortSignal,
): Promise<readonly (FoundPlace & { readonly containers: readonly string[] })[]> {
  const images = entry.release.images.flatMap(({ container, image }) => {
    const reference = parseImage(image);
    return reference === null ? [] : [{ container, reference }];
  });
  const needles = [...new Set(images.flatMap(({ reference }) => needlesOf(reference)))];
  const found = await search(entry, { tree, needles }, signal);
  const byPlace = new Map<FoundPlace, string[]>();
  for (const { container, reference } of images) {
    for (const one of placesOf(found, reference)) byPlace.set(one, [...byPlace.get(one) ?? [], container]);
  }
  return [...byPlace].map(([one, containers]) => ({ ...one, containers }));
}

/** Texts of which a file that says anything of an image has one. */
function needlesOf({ name, tag, digest }: ImageReference): readonly string[] {
  return [name.slice(name.lastIndexOf("/") + 1), tag, digest].flatMap((text) => text === null ? [] : [text]);
}

async function search(
  entry: Rendered,
  { tree, needles }: { readonly tree: PlacesTree; readonly needles: readonly string[] },
  signal: AbortSignal | undefined,
): Promise<readonly FoundPlace[]> {
  const found: FoundPlace[] = [];
  const named = new Map<string, boolean>();
  const isOwn = (object: string): boolean => isOwnObject(object, entry);
  const read = async (path: string): Promise<FileText | null> => {
    const content = await tree.read(path);
    if (content === undefined) return null;
    const text = new TextDecoder().decode(content);
    // An application that names values files need not say an image itself.
    return needles.some((needle) => text.includes(needle)) || text.includes("valueFiles")
      ? { path, content, link: false }
      : null;
  };
  for (const path of tree.paths) {
    signal?.throwIfAborted();
    if (!isManifestPath(path) || path.startsWith(".serin/")) continue;
    const file = await read(path);
    const searched = file === null ? null : findPlaces(file);
    if (searched?.type !== "found") continue;
    found.push(...searched.places.map((place) => ({ place, as: "manifests" as const, isOwn: isOwn(place.object) })));
    for (const values of searched.valuesFiles) {
      named.set(values.path, named.get(values.path) === true || isOwn(values.object));
    }
  }
  for (const [path, own] of named) {
    const file = await read(path);
    const searched = file === null ? null : findPlaces(file, "values");
    if (searched?.type === "found") {
      found.push(...searched.places.map((place) => ({ place, as: "values" as const, isOwn: own })));
    }
  }
  return found;
}

/** The object that the engine rendered from, or the target itself, as far as a file names it: bases leave namespaces out. */
function isOwnObject(object: string, { canary, release }: Rendered): boolean {
  const { kind, name, apiVersion } = canary.target;
  const group = apiVersion.includes("/") ? `${apiVersion.split("/")[0]}/` : "";
  const own = [release.rendering?.owner ?? "", `${group}${kind} ${canary.id.namespace}/${name}`];
  return object !== "" && own.some((label) => label === object || label.replace(/ [^/ ]+\//, " ") === object);
}

/**
 * Places that say the running image, those of the target's own object before all others. Where none says it: those that
 * say another version of it, since the tip has moved on then.
 */
function placesOf(found: readonly FoundPlace[], reference: ImageReference): readonly FoundPlace[] {
  const saying = new Set(carriersOf(found.map(({ place }) => place), reference));
  const exact = found.filter(({ place }) => saying.has(place));
  const own = (all: readonly FoundPlace[]): readonly FoundPlace[] => {
    const certain = all.filter(({ isOwn }) => isOwn);
    return certain.length > 0 ? certain : all;
  };
  if (exact.length > 0) return own(exact);
  const ofName = found.filter(({ place }) => place.image.name !== null && isSameName(place.image.name, reference.name));
  if (ofName.length > 0) return own(ofName);
  // A version alone, in the target's own object: there is no other image that it could be of.
  const alone = found.filter(({ place, isOwn }) => isOwn && place.image.name === null);
  return alone.length === 1 ? alone : [];
}
