/**
 * A YAML document that finders search: of the file itself, or of a text within it that is YAML again (the `values` of an
 * Argo CD application). Says where in the file each of its scalars stands.
 */
import { isScalar, type Scalar } from "yaml";
import { reach } from "../reach.ts";
import { whyNotReplaceable } from "../splice.ts";
import { openYaml, pathText, type YamlFile, type YamlPath } from "../yaml_file.ts";
import { openLiteral } from "./literal_block.ts";
import { parseImage } from "./image_reference.ts";
import { type ByteRange, holdsVariable, type PartRole, type PlacePart } from "./place.ts";

/** The text that an inner document stands in. */
interface Outer {
  readonly document: number;
  readonly path: YamlPath;
  /** Offset in the inner text to offset in the file's; null: there is no such relation. */
  readonly offset: ((inner: number) => number) | null;
  /** Why nothing in it can be edited, or null. */
  readonly held: string | null;
}

export interface Layer {
  readonly yaml: YamlFile;
  readonly document: number;
  readonly outer: Outer | null;
  /** Offset in the file's text to bytes. */
  readonly bytes: (offset: number) => number;
}

/** The documents of a file. */
export function layersOf(yaml: YamlFile): readonly Layer[] {
  const bytes = byteOffsets(yaml.text);
  return yaml.values.map((_, document) => ({ yaml, document, outer: null, bytes }));
}

/** The documents within a text of a layer; none where the text is no YAML, or is templated or encrypted. */
export function innerLayers(layer: Layer, path: YamlPath): readonly Layer[] {
  const document = layer.yaml.documents[layer.document];
  if (document === undefined || layer.outer !== null) return [];
  const reached = reach(document, path);
  if (reached.type === "refused" || !isScalar(reached.node) || typeof reached.node.value !== "string") return [];
  const opened = openYaml(new TextEncoder().encode(reached.node.value));
  if (opened.type === "refused") return [];
  const literal = reached.node.type === "BLOCK_LITERAL" && reached.shared === null
    ? openLiteral(layer.yaml.text, reached.node)
    : null;
  const held = literal === null ? `it stands in a text at ${pathText(path)} that is not a literal block ("|")` : null;
  const outer: Outer = { document: layer.document, path, offset: literal, held };
  return opened.file.values.map((_, index) => ({
    yaml: opened.file,
    document: index,
    outer,
    bytes: layer.bytes,
  }));
}

const NOTHING = /^/;

/**
 * A scalar of a layer as a part of an image; null where there is none, or it is not a text or number.
 *
 * @param before what stands before the image in it
 */
export function partAt(layer: Layer, role: PartRole, path: YamlPath, before: RegExp = NOTHING): PlacePart | null {
  const scalar = scalarAt(layer, path);
  if (scalar === null) return null;
  const prefix = before.exec(scalar.text)?.[0] ?? "";
  const found = { ...scalar, text: scalar.text.slice(prefix.length) };
  const spot = layer.outer === null ? { path, inner: null } : {
    path: layer.outer.path,
    inner: { document: layer.document, path },
  };
  const held = whyHeld(layer, path, found, role);
  return { role, ...spot, text: found.text, prefix, range: found.range, policy: null, held };
}

/** Why the scalar of a part cannot be written over; null: it can. */
function whyHeld(layer: Layer, path: YamlPath, found: FoundScalar, role: PartRole): string | null {
  if (layer.outer !== null && layer.outer.held !== null) return layer.outer.held;
  const reason = whyNotReplaceable(found.node);
  if (reason !== null) return `${pathText(path)} ${reason}`;
  if (holdsVariable(found.text)) return `${pathText(path)} holds a variable: "${found.text}"`;
  const isReference = role !== "reference" || parseImage(found.text) !== null;
  return isReference ? null : `${pathText(path)} is no image reference: "${found.text}"`;
}

interface FoundScalar {
  readonly node: Scalar;
  readonly text: string;
  readonly range: ByteRange | null;
}

function scalarAt(layer: Layer, path: YamlPath): FoundScalar | null {
  const document = layer.yaml.documents[layer.document];
  const reached = document === undefined ? undefined : reach(document, path);
  if (reached?.type !== "found" || !isScalar(reached.node)) return null;
  const { value, source, range } = reached.node;
  // A number's source is what people mean by a tag: 1.10 is not 1.1.
  const text = typeof value === "string" ? value : typeof value === "number" ? source ?? String(value) : null;
  if (text === null) return null;
  return { node: reached.node, text, range: range ? rangeOf(layer, range[0], range[1]) : null };
}

/** The bytes of a range of a layer's text. */
export function rangeOf(layer: Layer, start: number, end: number): ByteRange | null {
  if (layer.outer === null) return { start: layer.bytes(start), end: layer.bytes(end) };
  const { offset } = layer.outer;
  return offset === null ? null : { start: layer.bytes(offset(start)), end: layer.bytes(offset(end)) };
}

/** UTF-16 offsets of a text to offsets in its UTF-8 form. */
function byteOffsets(text: string): (offset: number) => number {
  // deno-lint-ignore no-control-regex -- what is not ASCII is the question
  if (/^[\x00-\x7f]*$/.test(text)) return (offset) => offset;
  const encoder = new TextEncoder();
  return (offset) => encoder.encode(text.slice(0, offset)).length;
}
