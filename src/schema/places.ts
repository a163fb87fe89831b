/**
 * YAML documents with their places: what a file says as JSON, and on which line each field stands. Scalars are read as
 * Kubernetes reads them, which is neither YAML 1.1 nor 1.2: `0644` is octal, `yes` and `on` are true, `y` is a string.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type ScalarTag,
} from "yaml";
import type { Json } from "../core/kube_object.ts";
import type { FieldPath } from "./path.ts";

/** One document of a file. `line` is 1-based and of its first key; `lineOf` of the nearest field on a path that exists. */
export interface YamlDocument {
  readonly value: Json;
  readonly line: number;
  readonly lineOf: (path: FieldPath) => number;
}

/** The documents, or the first reason why there are none. */
export type YamlFile =
  | { readonly type: "documents"; readonly documents: readonly YamlDocument[] }
  | { readonly type: "broken"; readonly line: number; readonly reason: string };

const octal: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0[0-7]+$/,
  resolve: (source) => (source.startsWith("-") ? -1 : 1) * parseInt(source.replace(/^[-+]/, ""), 8),
};

const word: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$/,
  resolve: (source) => /^(?:yes|on)$/i.test(source),
};

/** Bound on aliases followed, so that a small file cannot unfold into a large one. */
const ALIASES_MAX = 100;

/** Reads all documents of a YAML or JSON file; empty ones are left out. */
export function readYaml(content: string): YamlFile {
  const lineCounter = new LineCounter();
  try {
    const parsed = parseAllDocuments(content, {
      lineCounter,
      merge: true,
      prettyErrors: false,
      logLevel: "silent",
      customTags: (tags) => [octal, word, ...tags],
    });
    const documents: YamlDocument[] = [];
    for (const document of parsed) {
      const [error] = document.errors;
      if (error !== undefined) {
        return { type: "broken", line: lineCounter.linePos(error.pos[0]).line, reason: error.message };
      }
      if (document.contents === null || isScalar(document.contents) && document.contents.value === null) continue;
      documents.push(placed(document, document.contents, lineCounter));
    }
    return { type: "documents", documents };
  } catch (error) {
    // The library throws for too many aliases, and the engine for too deep a nesting.
    return { type: "broken", line: 0, reason: error instanceof Error ? error.message : String(error) };
  }
}

function placed(document: Document, contents: Node, counter: LineCounter): YamlDocument {
  const lineOf = (path: FieldPath): number => lineAt(document, contents, { path, counter });
  return { value: document.toJS({ maxAliasCount: ALIASES_MAX }) as Json, line: lineOf([]), lineOf };
}

function lineAt(
  document: Document,
  contents: Node,
  { path, counter }: { readonly path: FieldPath; readonly counter: LineCounter },
): number {
  let here: unknown = contents;
  let offset = contents.range?.[0] ?? 0;
  for (const step of path) {
    if (isAlias(here)) here = here.resolve(document);
    if (isMap(here)) {
      const pair = here.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === String(step));
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      here = pair.value;
    } else if (isSeq(here) && typeof step === "number") {
      const item: unknown = here.items[step];
      if (isMap(item) || isSeq(item) || isScalar(item) || isAlias(item)) offset = item.range?.[0] ?? offset;
      here = item;
    } else break;
  }
  return counter.linePos(offset).line;
}
