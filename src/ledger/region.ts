/**
 * Takes whole parts of a file as an earlier commit had them: one key with all below it, or one document. For changes
 * of shape that cannot be made value by value; bytes are copied, never written anew.
 */
import { type Document, isCollection, isMap, isNode, isPair, isScalar } from "yaml";
import { at } from "../core/kube_object.ts";
import type { PlannedSplice } from "./splice.ts";
import { locate, pathText, sameJson, type YamlFile, type YamlPath } from "./yaml_file.ts";

/** A document of an opened file. */
export interface DocumentRef {
  readonly file: YamlFile;
  readonly document: number;
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly column: number;
  readonly inFlow: boolean;
}

/**
 * The replacement that makes a key and all below it what it was in another version of the same document.
 *
 * @param path ends in a key that both versions have
 */
export function takeKey(into: DocumentRef, from: DocumentRef, path: YamlPath): PlannedSplice {
  const target = keyRegion(into, path);
  const source = keyRegion(from, path);
  if (target === undefined || source === undefined) {
    return { type: "refused", reason: `${pathText(path)} is not a key of its own in both versions` };
  }
  if (target.column !== source.column || target.inFlow !== source.inFlow) {
    return { type: "refused", reason: `${pathText(path)} was indented or written differently` };
  }
  return replaceBy(into, target, from.file.text.slice(source.start, source.end));
}

/** The replacement that makes a document what it was; comments before its first key stay. */
export function takeDocument(into: DocumentRef, from: DocumentRef): PlannedSplice {
  const target = documentRegion(into);
  const source = documentRegion(from);
  if (target === undefined || source === undefined || target.column !== source.column) {
    return { type: "refused", reason: "the document was indented or written differently" };
  }
  return replaceBy(into, target, from.file.text.slice(source.start, source.end));
}

function replaceBy(into: DocumentRef, target: Region, text: string): PlannedSplice {
  const same = into.file.text.slice(target.start, target.end) === text;
  return { type: "planned", splice: same ? null : { start: target.start, end: target.end, text }, shared: null };
}

function keyRegion({ file, document }: DocumentRef, path: YamlPath): Region | undefined {
  const key = path.at(-1);
  const found = documentOf(file, document);
  if (found === undefined || typeof key !== "string") return undefined;
  const parent = locate(found, path.slice(0, -1));
  if (parent.type === "refused" || !isMap(parent.node)) return undefined;
  const pair = parent.node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key);
  if (pair === undefined || !isScalar(pair.key) || !pair.key.range || !isNode(pair.value)) return undefined;
  const inFlow = parent.inFlow || parent.node.flow === true;
  return regionOf(file.text, { start: pair.key.range[0], end: pair.value.range?.[1], inFlow });
}

function documentRegion({ file, document }: DocumentRef): Region | undefined {
  const contents = documentOf(file, document)?.contents;
  if (!isCollection(contents) || !contents.range) return undefined;
  return regionOf(file.text, { start: contents.range[0], end: contents.range[1], inFlow: contents.flow === true });
}

function documentOf(file: YamlFile, index: number): Document | undefined {
  return file.documents[index];
}

/** A block ends after its last line break, a scalar before it: both are cut before it, so that either can replace the other. */
function regionOf(
  text: string,
  range: { readonly start: number; readonly end: number | undefined; readonly inFlow: boolean },
): Region | undefined {
  if (range.end === undefined) return undefined;
  const lineBreak = /\r?\n$/.exec(text.slice(range.start, range.end))?.[0] ?? "";
  const column = range.start - (text.lastIndexOf("\n", range.start - 1) + 1);
  return { start: range.start, end: range.end - lineBreak.length, column, inFlow: range.inFlow };
}

/**
 * The document of another version that declares the same object, or undefined where none or several do.
 *
 * @param path from the document's root to the object: empty, or "items" and an index
 */
export function sameDocument(ref: DocumentRef, other: YamlFile, path: YamlPath): DocumentRef | undefined {
  const identity = (file: YamlFile, index: number): readonly unknown[] => {
    const object = at(file.values[index], ...path);
    return [at(object, "kind"), at(object, "metadata", "name"), at(object, "metadata", "namespace")];
  };
  const wanted = identity(ref.file, ref.document);
  const matching = other.values.flatMap((_, index) => sameJson(identity(other, index), wanted) ? [index] : []);
  const [only, ...more] = matching;
  return only === undefined || more.length > 0 ? undefined : { file: other, document: only };
}
