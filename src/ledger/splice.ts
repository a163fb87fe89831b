/**
 * Changes scalars of a YAML file by their byte ranges: nothing else of the file moves, and the result is read again to
 * prove that only the intended paths say something new. Whatever is unsure is refused, with the reason.
 */
import { isScalar, type Node } from "yaml";
import type { Json } from "../core/kube_object.ts";
import { reach } from "./reach.ts";
import { scalarText, type ScalarValue } from "./scalar_text.ts";
import {
  applySplices,
  openYaml,
  pathText,
  sameJson,
  type Splice,
  withValueAt,
  type YamlFile,
  type YamlPath,
  yamlValues,
} from "./yaml_file.ts";

/** A file as the tip has it. `link` files are never edited: their content is a path. */
export interface FileText {
  readonly path: string;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly link: boolean;
}

export interface ScalarEdit {
  /** Index of the document in its file. */
  readonly document: number;
  /** From the document's root; a `List` item's begins with "items" and its index. */
  readonly path: YamlPath;
  readonly value: ScalarValue;
  /** The text that an earlier version of the file has for this value, quotes and all: written as it is. */
  readonly source?: string | undefined;
}

export type Edited =
  | { readonly type: "edited"; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly type: "refused"; readonly reason: string };

/**
 * Writes new values over existing scalars, in their quotes where the value allows. A scalar that is seen in several
 * places is written only where all of these are meant.
 */
export function spliceScalars(file: FileText, edits: readonly ScalarEdit[]): Edited {
  if (file.link) return refuse(file, "it is a link");
  const opened = openYaml(file.content);
  if (opened.type === "refused") return refuse(file, opened.reason);
  const splices: Splice[] = [];
  let wanted = opened.file.values;
  let shared: string | null = null;
  for (const edit of edits) {
    const planned = planEdit(opened.file, edit);
    if (planned.type === "refused") return refuse(file, planned.reason);
    if (planned.splice !== null) splices.push(planned.splice);
    shared ??= planned.shared;
    wanted = wanted.map((value, index) => index === edit.document ? withValueAt(value, edit.path, edit.value) : value);
  }
  const edited = finishEdit(file, { text: opened.file.text, splices, wanted });
  return edited.type === "refused" && shared !== null ? refuse(file, shared) : edited;
}

/** Applies replacements and proves that the file then says what is wanted, document by document. */
export function finishEdit(
  file: FileText,
  change: { readonly text: string; readonly splices: readonly Splice[]; readonly wanted: readonly Json[] },
): Edited {
  const text = applySplices(change.text, change.splices);
  if (text === undefined) return refuse(file, "two changes are meant for the same place");
  const values = yamlValues(text);
  if (values === undefined || !sameJson(values, change.wanted)) {
    return refuse(file, "the change would say more than is meant");
  }
  return { type: "edited", content: new TextEncoder().encode(text) };
}

export type PlannedSplice =
  /**
   * `splice`: null where the file says it already. `shared`: why other places may see the change too, which the proof
   * of the whole edit finds out; null: none can.
   */
  | { readonly type: "planned"; readonly splice: Splice | null; readonly shared: string | null }
  | { readonly type: "refused"; readonly reason: string };

/** The replacement that writes one value over an existing scalar of an opened file. */
export function planEdit(file: YamlFile, edit: ScalarEdit): PlannedSplice {
  const document = file.documents[edit.document];
  if (document === undefined) return { type: "refused", reason: `it has no document ${edit.document}` };
  const reached = reach(document, edit.path);
  if (reached.type === "refused") return reached;
  const { node, inFlow, shared } = reached;
  const reason = whyNotReplaceable(node);
  if (reason !== null) return { type: "refused", reason: `${pathText(edit.path)} ${reason}` };
  const [start, end] = node.range ?? [0, 0];
  const style = isScalar(node) ? node.type : undefined;
  const text = edit.source ?? scalarText(edit.value, style, inFlow);
  const isSo = file.text.slice(start, end) === text ||
    edit.source === undefined && isScalar(node) && node.value === edit.value;
  return { type: "planned", splice: isSo ? null : { start, end, text }, shared };
}

/** Why a node cannot be written over, to be read after its path; null: it can. */
export function whyNotReplaceable(node: Node): string | null {
  if (!isScalar(node) || !node.range) return "is not a single value";
  if (node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED") return "is a block of text";
  if (node.tag !== undefined) return `has the tag ${node.tag}`;
  return node.range[0] === node.range[1] ? "is empty" : null;
}

/** The refusal of an edit, naming the file. */
export function refuse(file: FileText, reason: string): Extract<Edited, { readonly type: "refused" }> {
  return { type: "refused", reason: `Cannot edit "${file.path}": ${reason}` };
}
