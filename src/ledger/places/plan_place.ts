/**
 * What has to be written at a place so that it declares a wanted image. The rules of tags and digests: the result says
 * exactly the wanted tag and the wanted digest. A digest that stays behind would win over a new tag, so it is written
 * anew, emptied or taken out together with it; where a place has no room for what is wanted, it says so.
 */
import { formatImage, isImageName, parseTag, splitName } from "./image_reference.ts";
import type { ImagePlace, PartRole, PlacePart, WrittenImage } from "./place.ts";

export type PlaceChange =
  | { readonly type: "set"; readonly part: PlacePart; readonly text: string }
  /** A new key behind the line of `after`. */
  | { readonly type: "insert"; readonly after: PlacePart; readonly key: string; readonly text: string }
  /** The line of `part`, as another key. */
  | { readonly type: "rename"; readonly part: PlacePart; readonly key: string; readonly text: string }
  | { readonly type: "remove"; readonly part: PlacePart };

export type PlaceChanges =
  | { readonly type: "changes"; readonly changes: readonly PlaceChange[] }
  | { readonly type: "refused"; readonly reason: string };

/** The changes after which a place says an image; `name: null` leaves the name as it is. */
export function planPlace(place: ImagePlace, wanted: WrittenImage): PlaceChanges {
  const reason = place.held ?? whyMalformed(place, wanted);
  if (reason !== null) return refused(reason);
  const reference = partOf(place, "reference");
  if (reference !== undefined) return setReference(place, reference, wanted);
  const name = setName(place, wanted.name);
  if (name.type === "refused") return name;
  const version = setVersion(place, wanted);
  return version.type === "refused" ? version : changes(...name.changes, ...version.changes);
}

/** null: what is wanted can be an image at all. A digest may be shortened, as in examples. */
function whyMalformed({ image }: ImagePlace, { name, tag, digest }: WrittenImage): string | null {
  if (name !== null && name !== image.name && !isImageName(name)) return `"${name}" is no image name`;
  if (tag !== null && parseTag(tag)?.tag !== tag) return `"${tag}" is no tag`;
  return digest === null || /^[A-Za-z0-9+._-]+:[0-9A-Fa-f]+$/.test(digest) ? null : `"${digest}" is no digest`;
}

function changes(...all: readonly PlaceChange[]): Extract<PlaceChanges, { readonly type: "changes" }> {
  return { type: "changes", changes: all };
}

function refused(reason: string): Extract<PlaceChanges, { readonly type: "refused" }> {
  return { type: "refused", reason };
}

function partOf({ parts }: ImagePlace, role: PartRole): PlacePart | undefined {
  return parts.find((part) => part.role === role);
}

function setReference(place: ImagePlace, part: PlacePart, wanted: WrittenImage): PlaceChanges {
  const name = wanted.name ?? place.image.name;
  if (name === null) return refused("it does not say which image it is");
  return changes({ type: "set", part, text: formatImage({ ...wanted, name }) });
}

function setName(place: ImagePlace, wanted: string | null): PlaceChanges {
  const { name: current } = place.image;
  if (wanted === null || current === null || wanted === current) return changes();
  const name = partOf(place, "name");
  if (name !== undefined) return changes({ type: "set", part: name, text: wanted });
  const repository = partOf(place, "repository");
  if (repository === undefined) return refused(`it has no room for another name than "${current}": "${wanted}"`);
  const registry = partOf(place, "registry");
  if (registry === undefined) return changes({ type: "set", part: repository, text: wanted });
  const split = splitName(wanted);
  if (split.registry === null) return refused(`"${wanted}" has no registry, and it has one of its own`);
  return changes(
    { type: "set", part: registry, text: split.registry },
    { type: "set", part: repository, text: split.repository },
  );
}

function setVersion(place: ImagePlace, wanted: WrittenImage): PlaceChanges {
  const tag = partOf(place, "tag");
  const digest = partOf(place, "digest");
  if (tag !== undefined && digest === undefined && (parseTag(tag.text)?.digest ?? null) !== null) {
    if (wanted.tag === null) return refused("it has no room for an image without a tag");
    const text = wanted.digest === null ? wanted.tag : `${wanted.tag}@${wanted.digest}`;
    return changes({ type: "set", part: tag, text });
  }
  return place.kind === "kustomize-image"
    ? setKustomizeVersion(place, wanted, { tag, digest })
    : setPlainVersion(place, wanted, { tag, digest });
}

interface Version {
  readonly tag: PlacePart | undefined;
  readonly digest: PlacePart | undefined;
}

/** kustomize takes keys in and out; a digest that is there wins over a tag. */
function setKustomizeVersion(place: ImagePlace, wanted: WrittenImage, { tag, digest }: Version): PlaceChanges {
  if (wanted.tag === null && wanted.digest === null) {
    return tag === undefined && digest === undefined ? changes() : refused("neither a tag nor a digest is wanted");
  }
  if (tag === undefined && digest !== undefined && wanted.tag !== null && wanted.digest === null) {
    return changes({ type: "rename", part: digest, key: "newTag", text: wanted.tag });
  }
  if (tag !== undefined && digest === undefined && wanted.tag === null && wanted.digest !== null) {
    return changes({ type: "rename", part: tag, key: "digest", text: wanted.digest });
  }
  const anchor = digest ?? tag ?? partOf(place, "name");
  if (anchor === undefined) return refused("it has neither a tag nor a digest");
  const set = (part: PlacePart | undefined, key: string, text: string | null): readonly PlaceChange[] => {
    if (part !== undefined && text !== null) return [{ type: "set", part, text }];
    if (part !== undefined) return [{ type: "remove", part }];
    return text === null ? [] : [{ type: "insert", after: anchor, key, text }];
  };
  return changes(...set(tag, "newTag", wanted.tag), ...set(digest, "digest", wanted.digest));
}

/** Values overlay those of a chart, so that a key taken out would bring the chart's own back: it is emptied instead. */
function setPlainVersion(place: ImagePlace, wanted: WrittenImage, { tag, digest }: Version): PlaceChanges {
  const all: PlaceChange[] = [];
  if (tag !== undefined && wanted.tag === null) return refused("it has no room for an image without a tag");
  if (tag === undefined && wanted.tag !== null) return refused(`it has no room for a tag: "${wanted.tag}"`);
  if (digest === undefined && wanted.digest !== null) return refused(`it has no room for a digest: "${wanted.digest}"`);
  if (tag !== undefined && wanted.tag !== null) all.push({ type: "set", part: tag, text: wanted.tag });
  if (digest !== undefined) {
    if (wanted.digest === null && place.kind === "marker") {
      return refused("it has no room for an image without a digest");
    }
    all.push({ type: "set", part: digest, text: wanted.digest ?? "" });
  }
  return changes(...all);
}
