/**
 * What the writer asks about a release that an engine rendered: where in Git its images are written. Nothing can be tried
 * here, so places are looked for by what they say: first in the object that the target was made from, then in all files
 * of the source's paths and in the values files that Argo CD applications there name.
 */
import { canaryKey } from "../core/canary.ts";
import type { Release } from "../core/release.ts";
import { parseLockFile } from "../ledger/lock_file.ts";
import { fullName, type ImageReference, parseImage, splitName } from "../ledger/places/image_reference.ts";
import { carriersOf, findPlaces } from "../ledger/places/mod.ts";
import type { ImagePlace } from "../ledger/places/place.ts";
import type { CanaryEntry, ReleaseRenderer } from "../ledger/places/release_renderer.ts";
import type { Carrier } from "../ledger/places/restore_places.ts";
import type { FileText } from "../ledger/splice.ts";
import type { Snapshot } from "../ports/git.ts";
import { isManifestPath } from "../spec/parse_file.ts";
import { isUnder } from "./roots.ts";

export interface LiveReleaseOptions {
  /** The agent's cluster, by name. */
  readonly cluster: string;
  /** Folders and files of all sources of the branch. */
  readonly roots: readonly string[];
}

/** The writer's renderer: engines' releases by their places, all others by `others`. */
export function liveRelease(options: LiveReleaseOptions, others: ReleaseRenderer): ReleaseRenderer {
  const isLive = ({ canary }: CanaryEntry): boolean => canary.render === "live";
  return {
    carriers: (entry, snapshot, signal) =>
      isLive(entry) ? carriers(entry, snapshot, options, signal) : others.carriers(entry, snapshot, signal),
    render: (entry, tip, signal) =>
      isLive(entry) ? Promise.resolve({ type: "by-engine" }) : others.render(entry, tip, signal),
  };
}

interface FoundPlace {
  readonly place: ImagePlace;
  readonly as: Carrier["as"];
  /** It stands in the object that the target was made from, or in values that this one names. */
  readonly isOwn: boolean;
}

async function carriers(
  entry: CanaryEntry,
  snapshot: Snapshot,
  options: LiveReleaseOptions,
  signal: AbortSignal | undefined,
): Promise<readonly Carrier[]> {
  const { release } = entry;
  const images = release.images.flatMap(({ container, image }) => {
    const reference = parseImage(image);
    return reference === null ? [] : [{ container, reference }];
  });
  const needles = [...new Set(images.flatMap(({ reference }) => needlesOf(reference)))];
  const found = await search(entry, { snapshot, roots: options.roots, needles }, signal);
  const locks = await otherLocks(entry, snapshot, options.cluster);
  const byPlace = new Map<FoundPlace, string[]>();
  for (const { container, reference } of images) {
    for (const one of placesOf(found, reference)) byPlace.set(one, [...byPlace.get(one) ?? [], container]);
  }
  return [...byPlace].map(([{ place, as, isOwn }, containers]) => ({
    place,
    as,
    containers,
    isOwn,
    alsoServes: servedBy(place, entry, locks),
  }));
}

/** Texts of which a file that says anything of an image has one. */
function needlesOf({ name, tag, digest }: ImageReference): readonly string[] {
  return [name.slice(name.lastIndexOf("/") + 1), tag, digest].flatMap((text) => text === null ? [] : [text]);
}

async function search(
  entry: CanaryEntry,
  { snapshot, roots, needles }: {
    readonly snapshot: Snapshot;
    readonly roots: readonly string[];
    readonly needles: readonly string[];
  },
  signal: AbortSignal | undefined,
): Promise<readonly FoundPlace[]> {
  const found: FoundPlace[] = [];
  const named = new Map<string, boolean>();
  const isOwn = (object: string): boolean => isOwnObject(object, entry);
  const read = async (path: string): Promise<FileText | null> => {
    const content = await snapshot.read(path);
    if (content === undefined) return null;
    const text = new TextDecoder().decode(content);
    // An application that names values files need not say an image itself.
    return needles.some((needle) => text.includes(needle)) || text.includes("valueFiles")
      ? { path, content, link: false }
      : null;
  };
  for (const { path } of await snapshot.files()) {
    signal?.throwIfAborted();
    if (!isManifestPath(path) || path.startsWith(".serin/") || !roots.some((root) => isUnder(path, root))) continue;
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
function isOwnObject(object: string, { canary, release }: CanaryEntry): boolean {
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

/** A chart may put a registry before the name that its values give. */
function isSameName(a: string, b: string): boolean {
  const [left, right] = [splitName(a), splitName(b)];
  const isCompleted = (left.registry === null || right.registry === null) && left.repository === right.repository;
  return isCompleted || fullName(a) === fullName(b);
}

interface OtherLock {
  readonly cluster: string;
  readonly key: string;
  readonly release: Release;
  /** Path of the Canary's file; "": its lock does not say. */
  readonly file: string;
  readonly isHere: boolean;
}

/** Locks of other canaries and clusters whose release an engine renders. */
async function otherLocks(
  { canary }: CanaryEntry,
  snapshot: Snapshot,
  ownCluster: string,
): Promise<readonly OtherLock[]> {
  const found: OtherLock[] = [];
  for (const { path } of await snapshot.files(".serin")) {
    const [, cluster = "", namespace = "", name = ""] = path.split("/");
    const key = `${namespace}/${name}`;
    const isHere = cluster === ownCluster;
    if (!path.endsWith("/primary.yaml") || isHere && key === canaryKey(canary.id)) continue;
    const view = parseLockFile(new TextDecoder().decode(await snapshot.read(path)));
    if (view.type !== "read" || view.value.lock.release.rendering === undefined) continue;
    const { lock: { release }, declaredIn } = view.value;
    found.push({ cluster, key, release, file: declaredIn?.canary ?? "", isHere });
  }
  return found;
}

/** Who else may be made from the same place: nobody can try it here, so that doubt counts. */
function servedBy(place: ImagePlace, entry: CanaryEntry, locks: readonly OtherLock[]): readonly string[] {
  const { canary, release } = entry;
  const folder = commonFolder(place.file, canary.source.file);
  return locks.flatMap(({ cluster, key, release: other, file, isHere }) => {
    const isImages = other.images.some(({ image }) => {
      const reference = parseImage(image);
      return reference !== null && (place.image.name === null || isSameName(place.image.name, reference.name));
    });
    if (!isImages) return [];
    if (isHere) return other.rendering?.owner === release.rendering?.owner ? [`canary "${key}"`] : [];
    // Of another cluster, one whose Canary lies below what this one's Canary and the place have in common.
    const isBelow = file === "" || folder === "" || file.startsWith(`${folder}/`);
    return key === canaryKey(canary.id) && isBelow ? [`cluster "${cluster}"`] : [];
  });
}

function commonFolder(a: string, b: string): string {
  const [left, right] = [a.split("/").slice(0, -1), b.split("/").slice(0, -1)];
  const differs = left.findIndex((step, index) => step !== right[index]);
  return (differs === -1 ? left : left.slice(0, differs)).join("/");
}
