/**
 * A place where an image is written: which scalars of which file say which part of it. What the finders give, and what
 * an edit is made from. Byte ranges are of the file that was searched, and of no later version of it.
 */
import type { YamlPath } from "../yaml_file.ts";
import { parseImage, parseTag } from "./image_reference.ts";

/** Kinds of places, in the order in which an image's origin is looked for. */
export const PLACE_KINDS = [
  "container",
  "kustomize-image",
  "helm-value",
  "marker",
  "argocd-image",
  "argocd-parameter",
] as const;
export type PlaceKind = typeof PLACE_KINDS[number];

/** What a scalar says of an image. `registry` and `repository` together are its name. */
export type PartRole = "reference" | "name" | "registry" | "repository" | "tag" | "digest";

/** Bytes `start` to `end` of the file: the scalar with its quotes, without comment or anchor. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Within a text that holds YAML itself. */
export interface InnerSpot {
  readonly document: number;
  readonly path: YamlPath;
}

export interface PlacePart {
  readonly role: PartRole;
  /** From the document's root to the scalar, or to the text that holds it. */
  readonly path: YamlPath;
  /** null: the scalar stands in the file itself. */
  readonly inner: InnerSpot | null;
  /** As the file writes it, `prefix` and quotes aside: the tag `1.10` is "1.10" whatever YAML makes of it. */
  readonly text: string;
  /** What stands before `text` in the scalar and is not the image: "podinfo=" in Argo CD's kustomize images. */
  readonly prefix: string;
  /** null: it has no bytes of its own in the file. Several parts have one range where an anchor is written once. */
  readonly range: ByteRange | null;
  /** The Flux `$imagepolicy` that writes it, "namespace:name", or null. */
  readonly policy: string | null;
  /** Why the scalar cannot be written over; null: it can, as far as it alone is concerned. */
  readonly held: string | null;
}

/** An image reference as far as a place says it. */
export interface WrittenImage {
  readonly name: string | null;
  readonly tag: string | null;
  readonly digest: string | null;
}

export interface ImagePlace {
  readonly kind: PlaceKind;
  readonly file: string;
  /** Index of the document in its file, empty ones not counted. */
  readonly document: number;
  /** The object it stands in: "apps/Deployment prod/shop", or "" in a file that holds none. */
  readonly object: string;
  /** Names the place within its object whatever its position: "containers/app", "images/podinfo". */
  readonly key: string;
  /** From the document's root to the map, list item or scalar that the place is. */
  readonly path: YamlPath;
  readonly parts: readonly PlacePart[];
  /**
   * The image name it speaks of: what it replaces (kustomize `name`), else what it declares. null: it only says a tag,
   * of an image that is named elsewhere.
   */
  readonly of: string | null;
  readonly image: WrittenImage;
  /** Why its version can be found and not be edited; null: it can. */
  readonly held: string | null;
}

/** A place as its finder describes it; what follows from its parts is added here. */
export function placeOf(
  found: Omit<ImagePlace, "of" | "image" | "held"> & { readonly of?: string; readonly held?: string | null },
): ImagePlace {
  const written = writtenImage(found.parts);
  // What is not renamed keeps the name it is told by.
  const image = { ...written, name: written.name ?? found.of ?? null };
  const versions = found.parts.filter(({ role }) => role === "reference" || role === "tag" || role === "digest");
  const telling = versions.length > 0 ? versions : found.parts;
  const held = found.held ?? telling.find((part) => part.held !== null)?.held ?? null;
  return { ...found, of: found.of ?? image.name, image, held };
}

/** What the parts of a place say together. A digest that stands behind the tag is the digest. */
export function writtenImage(parts: readonly PlacePart[]): WrittenImage {
  const text = (role: PartRole): string | null => parts.find((part) => part.role === role)?.text || null;
  const reference = text("reference");
  if (reference !== null) return parseImage(reference) ?? { name: reference, tag: null, digest: null };
  const [registry, repository] = [text("registry"), text("repository")];
  const joined = repository === null ? null : `${registry === null ? "" : `${registry}/`}${repository}`;
  const tag = text("tag");
  const both = tag === null ? { tag: null, digest: null } : parseTag(tag) ?? { tag, digest: null };
  return { name: text("name") ?? joined, tag: both.tag, digest: text("digest") ?? both.digest };
}

/** Whether a text holds something that is replaced later: `${TAG}`, `$(params.x)`, `{{ .x }}`. */
export function holdsVariable(text: string): boolean {
  return /\$\{|\$\(|\{\{|\$[A-Za-z_]/.test(text);
}
