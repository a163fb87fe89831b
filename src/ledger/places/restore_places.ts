/**
 * Makes places in Git say the images of an earlier release again, for targets that are rendered. The seam to rendering:
 * rendering names the places that carry the release (`Carrier`), and says what edited files render to (`Rendered`); this
 * plans the edits and holds them against the wanted revision. Pure, like `restoreRelease` for plain manifests.
 */
import { type Image, type Release, revisionOf, withImages } from "../../core/release.ts";
import type { FileEdit } from "../../ports/git.ts";
import type { Original } from "../restore_edit.ts";
import type { FileText } from "../splice.ts";
import { asInEarlier, editPlaces, type PlaceWish } from "./edit_places.ts";
import { fullName, type ImageReference, parseImage } from "./image_reference.ts";
import { findPlaces } from "./mod.ts";
import type { ImagePlace, WrittenImage } from "./place.ts";

/** A place in Git that decides the image of containers of the target. */
export interface Carrier {
  /** Told again in the file as the tip has it, so that edits before this one do not matter. */
  readonly place: Pick<ImagePlace, "kind" | "file" | "document" | "object" | "key">;
  /** How the file is read: "values" where it is one of Helm values. */
  readonly as: "manifests" | "values";
  /** Names of the containers and init containers of the target whose image it decides. */
  readonly containers: readonly string[];
  /** It stands in the very object that the target was made from: a version alone is told by it for certain. */
  readonly isOwn?: boolean;
  /** Others that are served from the same place, for people: 'canary "prod/web"'. */
  readonly alsoServes: readonly string[];
}

/** What edited files come to. */
export type Rendered =
  | { readonly type: "release"; readonly release: Pick<Release, "target" | "configs"> }
  /** Not rendered yet: render these edits, and plan again. */
  | { readonly type: "unknown" }
  /** The engine renders, nobody here can: each container must then have one place that says its whole image. */
  | { readonly type: "by-engine" }
  | { readonly type: "refused"; readonly reason: string };

export interface RestorePlacesInput {
  readonly current: Release;
  readonly wanted: Release;
  readonly carriers: readonly Carrier[];
  /** A file at the tip; null: it is not there. */
  readonly file: (path: string) => FileText | null;
  /** A file at `wanted.commit`. */
  readonly original: (path: string) => Original;
  readonly rendered: (edits: readonly FileEdit[]) => Rendered;
}

export type PlacesRestored =
  /** `alsoServes`: who else would see the edits. */
  | { readonly type: "restored"; readonly edits: readonly FileEdit[]; readonly alsoServes: readonly string[] }
  /** Ask again with these files as `wanted.commit` had them. */
  | { readonly type: "needs-original"; readonly paths: readonly string[] }
  /** Ask again with what these edits render to. */
  | { readonly type: "needs-rendering"; readonly edits: readonly FileEdit[] }
  /** `nearest`: edits that put a part of it back, for people to go on from; nothing is proven of them. */
  | { readonly type: "refused"; readonly reason: string; readonly nearest?: readonly FileEdit[] };

const MORE_DIFFERS = "Cannot restore the manifests: they are rendered, and more than images differs from the lock";

/** Plans the edits after which the tip renders to `wanted`. */
export function restorePlaces(input: RestorePlacesInput): PlacesRestored {
  const { current, wanted, carriers } = input;
  const images = differingImages(current, wanted);
  const isMore = !differInImages(current, wanted);
  // Where an engine renders, what else differs is a person's to find: the images are offered to go on from.
  if (isMore && (current.rendering === undefined || images.size === 0)) return refused(MORE_DIFFERS);
  const used = carriers.filter(({ containers }) => containers.some((name) => images.has(name)));
  for (const [container, { image }] of images) {
    if (used.some(({ containers }) => containers.includes(container))) continue;
    return refused(`Cannot restore image "${image}" of container "${container}": no place in Git is known to carry it`);
  }
  const paths = [...new Set(used.map(({ place }) => place.file))];
  const missing = paths.filter((path) => input.original(path) === undefined);
  if (missing.length > 0) return { type: "needs-original", paths: missing };
  const edits: FileEdit[] = [];
  const refusals: string[] = [];
  for (const path of paths) {
    const edited = editFile(input, path, used.filter(({ place }) => place.file === path));
    if (edited.type === "refused") refusals.push(edited.reason);
    else edits.push({ path, content: edited.content });
  }
  if (refusals[0] !== undefined) return { ...refused(refusals[0]), nearest: edits };
  if (isMore) return { ...refused(MORE_DIFFERS), nearest: edits };
  const problem = whyNotProven(input, { edits, images, used });
  if (problem?.type === "refused") return { ...problem, nearest: edits };
  if (problem !== null) return problem;
  return { type: "restored", edits, alsoServes: [...new Set(used.flatMap(({ alsoServes }) => alsoServes))] };
}

function refused(reason: string): Extract<PlacesRestored, { readonly type: "refused" }> {
  return { type: "refused", reason };
}

/** Wanted images by container, where they are not the current ones. */
function differingImages(current: Release, wanted: Release): ReadonlyMap<string, Image> {
  const images = new Map(wanted.images.map((image) => [image.container, image]));
  const differing = current.images.flatMap(({ container, image }): readonly Image[] => {
    const then = images.get(container);
    return then === undefined || then.image === image ? [] : [then];
  });
  return new Map(differing.map((image) => [image.container, image]));
}

/** Nothing but images tells two releases apart. */
function differInImages(current: Release, wanted: Release): boolean {
  // What an engine rendered is known by its hashes alone.
  if (current.rendering !== undefined) return current.rendering.rest === wanted.rendering?.rest;
  const images = new Map(wanted.images.map(({ container, image }) => [container, image]));
  const replaced = withImages(current.target, images);
  return revisionOf({ target: replaced, configs: current.configs }) === revisionOf(wanted);
}

function editFile(
  input: RestorePlacesInput,
  path: string,
  carriers: readonly Carrier[],
): ReturnType<typeof editPlaces> {
  const file = input.file(path);
  if (file === null) return refused(`Cannot edit "${path}": it is not a file of the tip`);
  const earlier = input.original(path);
  const wishes: PlaceWish[] = [];
  for (const carrier of carriers) {
    const place = placeNow(file, carrier);
    if (typeof place === "string") return refused(`Cannot edit "${path}": ${place}`);
    const wanted = wantedOf(carrier, input.wanted.images);
    if (wanted === null) return refused(`Cannot edit "${path}": ${carrier.place.key} decides images that differ`);
    const then = earlier ? asInEarlier(place, { path, content: earlier, link: false }, carrier.as) : null;
    wishes.push(
      then !== null && saysVersion(then.wanted, wanted)
        ? then
        : { place, wanted: wishOf(place, wanted, nameNow(carrier, input.current.images)) },
    );
  }
  return editPlaces(file, wishes);
}

/** The place as the file has it now; a text says why there is none. */
export function placeNow(file: FileText, { place: known, as }: Carrier): ImagePlace | string {
  const found = findPlaces(file, as);
  if (found.type === "refused") return found.reason;
  const same = found.places.filter(({ kind, object, key }) =>
    kind === known.kind && object === known.object && key === known.key
  );
  const [only, ...more] = same;
  const place = more.length === 0 ? only : same.find(({ document }) => document === known.document);
  return place ?? `${known.key} is no longer in it`;
}

/** The one image that all containers of a carrier shall have; null: they shall differ, or it is none. */
function wantedOf({ containers }: Carrier, images: readonly Image[]): ImageReference | null {
  const texts = new Set(images.flatMap(({ container, image }) => containers.includes(container) ? [image] : []));
  const [text, ...others] = texts;
  return text === undefined || others.length > 0 ? null : parseImage(text);
}

/** Whether an earlier place said this version. What it says of the name may be completed by others. */
function saysVersion(then: WrittenImage, { tag, digest }: ImageReference): boolean {
  const isTag = then.tag === tag || then.tag === null && then.digest === null;
  return isTag && then.digest === digest;
}

/** The name of the image that a carrier decides, as the target runs it; null: it is none. */
function nameNow({ containers }: Carrier, images: readonly Image[]): string | null {
  const running = images.find(({ container }) => containers.includes(container));
  return running === undefined ? null : parseImage(running.image)?.name ?? null;
}

/** A name is written only where the place says another image by now; what completes it stays whoever completes it. */
function wishOf({ image, of }: ImagePlace, wanted: ImageReference, running: string | null): WrittenImage {
  const said = image.name ?? of;
  const isSame = said === null || running === wanted.name || fullName(said) === fullName(wanted.name);
  return { ...wanted, name: isSame ? null : wanted.name };
}

function whyNotProven(
  input: RestorePlacesInput,
  { edits, images, used }: {
    readonly edits: readonly FileEdit[];
    readonly images: ReadonlyMap<string, Image>;
    readonly used: readonly Carrier[];
  },
): Exclude<PlacesRestored, { readonly type: "restored" }> | null {
  const rendered = input.rendered(edits);
  if (rendered.type === "unknown") return { type: "needs-rendering", edits };
  if (rendered.type === "refused") return refused(`Cannot restore the release: ${rendered.reason}`);
  const wanted = revisionOf(input.wanted);
  if (rendered.type === "release") {
    const revision = revisionOf(rendered.release);
    if (revision === wanted) return null;
    return refused(`Cannot restore the release: the edited files would render revision ${revision}, not ${wanted}`);
  }
  for (const [container, { image }] of images) {
    const [only, ...more] = used.filter(({ containers }) => containers.includes(container));
    if (only === undefined || more.length > 0) {
      return refused(
        `Cannot restore image "${image}": several places may decide it, and only the engine can render them`,
      );
    }
    const content = edits.find(({ path }) => path === only.place.file)?.content ?? null;
    const place = content === null ? "it is gone" : placeNow({ path: only.place.file, content, link: false }, only);
    const says = typeof place === "string" ? null : place.image;
    const whole = parseImage(image);
    const isNamed = says !== null && says.name !== null && whole !== null &&
      fullName(says.name) === fullName(whole.name);
    // The name that it leaves to a chart is the same as before.
    const isKept = only.isOwn === true && whole !== null && nameNow(only, input.current.images) === whole.name;
    const isWhole = says !== null && whole !== null && (isNamed || isKept) && saysVersion(says, whole) &&
      says.tag === whole.tag;
    if (!isWhole) {
      return refused(
        `Cannot restore image "${image}": ${only.place.key} in "${only.place.file}" does not say all of it`,
      );
    }
  }
  return null;
}
