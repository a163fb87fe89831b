/**
 * A manifest file as text with the places of its nodes: what edits by byte range are made from. Says also which files
 * must not be edited at all. Never writes YAML; what changes is decided by the callers, byte by byte.
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from "yaml";
import { canonicalJson } from "../core/digest.ts";
import { type Json, stringAt } from "../core/kube_object.ts";

/** Files beyond this are never edited. */
export const EDITABLE_BYTES_MAX = 1024 * 1024;

const LFS_POINTER = /^version https:\/\/git-lfs\.github\.com\/spec\//;

/** Helm acts on braces in comments too, and people hide them there to keep a template readable as YAML. */
const HELM_IN_COMMENT = /^[ \t]*#[ \t]*\{\{-?[ \t]*(?:if|else|end|range|with|define|include|template|block)\b/m;

/** Keys and list indices that lead to a node. */
export type YamlPath = readonly (string | number)[];

export interface YamlFile {
  readonly text: string;
  readonly documents: readonly Document[];
  /** What each document says, aliases and merge keys resolved. */
  readonly values: readonly Json[];
}

export type Opened =
  | { readonly type: "opened"; readonly file: YamlFile }
  | { readonly type: "refused"; readonly reason: string };

/** Parses a file for editing, or says why it must be left alone. */
export function openYaml(content: Uint8Array): Opened {
  if (content.length > EDITABLE_BYTES_MAX) return refused(`it is larger than 1 MiB: ${content.length} bytes`);
  const text = decode(content);
  if (text === undefined) return refused("it is not UTF-8 text");
  if (LFS_POINTER.test(text)) return refused("it is a Git LFS pointer, not the file itself");
  if (/ENC\[AES256_GCM,/.test(text)) return refused("it is encrypted with SOPS");
  if (HELM_IN_COMMENT.test(text)) return refused("it looks like a template");
  const documents = parse(text);
  for (const document of documents) {
    const problem = document.errors[0];
    if (problem !== undefined) {
      const what = /\{\{/.test(text) ? "it does not parse and looks like a template" : "it does not parse";
      return refused(`${what}: ${problem.message.split("\n")[0]?.replace(/:$/, "") ?? ""}`);
    }
    if (looksTemplated(document)) return refused("it looks like a template");
  }
  const values = valuesOf(documents);
  if (values === undefined) return refused("it has aliases that lead nowhere, or too many of them");
  if (values.some((value) => stringAt(value, "sops", "mac") !== undefined)) return refused("it is encrypted with SOPS");
  return { type: "opened", file: { text, documents, values } };
}

function refused(reason: string): { readonly type: "refused"; readonly reason: string } {
  return { type: "refused", reason };
}

/** UTF-8 with the byte order mark kept, so that encoding the text again gives the same bytes. */
export function decode(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    // The only thing that a fatal decoder throws: not UTF-8.
    return undefined;
  }
}

function parse(text: string): readonly Document[] {
  const documents = parseAllDocuments(text, { merge: true, prettyErrors: true, logLevel: "error" });
  return documents.filter(({ contents, errors }) => errors.length > 0 || !isEmpty(contents));
}

/** Empty documents are not counted, as in the places that the catalogue gives. */
function isEmpty(contents: unknown): boolean {
  return contents === null || isScalar(contents) && contents.value === null;
}

function valuesOf(documents: readonly Document[]): readonly Json[] | undefined {
  try {
    // A document's value is JSON in the core schema; merging keys and resolving aliases happens here.
    return documents.map((document) => (document.toJS() ?? null) as Json);
  } catch {
    // `toJS` throws for an alias without its anchor and for alias bombs, and for nothing else.
    return undefined;
  }
}

/** What each document of a text says; undefined where it does not parse. */
export function yamlValues(text: string): readonly Json[] | undefined {
  const documents = parse(text);
  return documents.some(({ errors }) => errors.length > 0) ? undefined : valuesOf(documents);
}

/** What only a chart's template says. */
const HELM_VALUE = /\{\{[^}]*\.(?:Values|Release|Chart|Capabilities)\b/;

/** Kinds that hand texts on to Helm: templates within them are values, not the file's own. */
const HANDS_ON = /^(?:HelmRelease|HelmChart|HelmChartConfig|Application|ApplicationSet)$/;

/**
 * `{{ .Values.x }}` without quotes parses as a map in a map's key, and nobody writes that on purpose. In quotes it is a
 * template where it stands in an object that does not hand it on; files without a kind are values of a chart.
 */
function looksTemplated(document: Document): boolean {
  const kind = isMap(document.contents) ? document.contents.get("kind") : undefined;
  const isObject = typeof kind === "string" && !HANDS_ON.test(kind);
  let found = false;
  visit(document, {
    Pair: (_, pair) => {
      if (isCollection(pair.key)) found = true;
      return found ? visit.BREAK : undefined;
    },
    Scalar: (_, node) => {
      const isPlain = node.type === "PLAIN";
      const isQuoted = node.type === "QUOTE_SINGLE" || node.type === "QUOTE_DOUBLE";
      if (typeof node.value !== "string" || !node.value.includes("{{")) return undefined;
      if (isPlain || isObject && isQuoted && HELM_VALUE.test(node.value)) found = true;
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

export type Located =
  | { readonly type: "found"; readonly node: Node; readonly parent: Node | null; readonly inFlow: boolean }
  | { readonly type: "refused"; readonly reason: string };

/** The node at a path, where an edit of it changes that path only. */
export function locate(document: Document, path: YamlPath): Located {
  const shared = sharedAnchors(document);
  let node: unknown = document.contents;
  let parent: Node | null = null;
  let inFlow = false;
  for (let depth = 0;; depth++) {
    const where = pathText(path.slice(0, depth));
    if (!isNode(node)) return refused(`it says nothing at ${where}`);
    if (isAlias(node)) return refused(`${where} is an alias: a change would be meant for several places`);
    if (node.anchor !== undefined && shared.has(node.anchor)) {
      return refused(`${where} has the anchor "${node.anchor}" that other places use`);
    }
    if (depth === path.length) return { type: "found", node, parent, inFlow };
    const step = path[depth];
    const next = isMap(node) ? childOf(node, step) : isSeq(node) ? node.items[Number(step)] : undefined;
    if (next === undefined) {
      const merged = isMap(node) && node.items.some(({ key }) => isScalar(key) && key.source === "<<");
      const why = merged ? "comes from a merge key" : "is not written in the file";
      return refused(`${pathText(path.slice(0, depth + 1))} ${why}`);
    }
    inFlow ||= isCollection(node) && node.flow === true;
    parent = node;
    node = next;
  }
}

function sharedAnchors(document: Document): ReadonlySet<string> {
  const found = new Set<string>();
  visit(document, {
    Alias: (_, { source }) => {
      found.add(source);
    },
  });
  return found;
}

/** The value that a map itself gives a key; not what is merged into it. */
export function childOf(map: YAMLMap, key: string | number | undefined): unknown {
  return map.items.find((pair) => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(key))?.value;
}

/** "spec.template.spec.containers[0].image", for messages. */
export function pathText(path: YamlPath): string {
  if (path.length === 0) return "the document";
  return path.map((step) => typeof step === "number" ? `[${step}]` : `.${step}`).join("").replace(/^\./, "");
}

/** One replacement: characters `start` to `end` of the text become `text`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies replacements; undefined where two of them overlap. */
export function applySplices(text: string, splices: readonly Splice[]): string | undefined {
  const ordered = [...splices].sort((a, b) => a.start - b.start);
  const parts: string[] = [];
  let position = 0;
  let last: Splice | undefined;
  for (const splice of ordered) {
    const { start, end, text: replacement } = splice;
    // Several paths may lead to one scalar; it is written once.
    if (last !== undefined && last.start === start && last.end === end && last.text === replacement) continue;
    last = splice;
    if (start < position) return undefined;
    parts.push(text.slice(position, start), replacement);
    position = end;
  }
  return [...parts, text.slice(position)].join("");
}

/** The value with something else at a path that exists in it; nothing given is changed. */
export function withValueAt(value: Json, path: YamlPath, replacement: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined) return replacement;
  if (Array.isArray(value)) {
    return value.map((item: Json, index) => index === step ? withValueAt(item, rest, replacement) : item);
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, Json] =>
    key === String(step) ? [key, withValueAt(item, rest, replacement)] : [key, item]
  );
  return Object.fromEntries(entries);
}

export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
