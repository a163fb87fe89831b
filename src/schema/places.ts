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
import { readPlainYaml } from "./plain_yaml.ts";

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

interface ReadFile {
  readonly content: string;
  readonly documents: readonly Document[];
  readonly counter: LineCounter;
}

function readFile(content: string): ReadFile {
  const counter = new LineCounter();
  const documents = parseAllDocuments(content, {
    lineCounter: counter,
    merge: true,
    prettyErrors: false,
    logLevel: "silent",
    customTags: (tags) => [octal, word, ...tags],
  });
  return { content, counter, documents };
}

/**
 * Reads all documents of a YAML or JSON file; empty ones are left out.
 *
 * @param again the same content, for whoever asks for lines later; kept as it is unless told otherwise
 */
export function readYaml(content: string, again: () => string = () => content): YamlFile {
  const plain = readPlainYaml(content);
  if (plain !== null) {
    const documents = plain.map(({ value, line }, index) => placed(again, { value: compact(value), line, index }));
    return { type: "documents", documents };
  }
  try {
    const read = readFile(content);
    for (const { errors: [error] } of read.documents) {
      if (error === undefined) continue;
      return { type: "broken", line: read.counter.linePos(error.pos[0]).line, reason: error.message };
    }
    const documents = filled(read).map(({ document, contents }, index) => {
      const value = document.toJS({ maxAliasCount: ALIASES_MAX }) as Json;
      const line = lineAt(document, contents, { path: [], counter: read.counter });
      return placed(again, { value: NOT_JSON.test(content) ? value : compact(value), line, index });
    });
    return { type: "documents", documents };
  } catch (error) {
    // The library throws for too many aliases, and the engine for too deep a nesting.
    return { type: "broken", line: 0, reason: error instanceof Error ? error.message : String(error) };
  }
}

function filled({ documents }: ReadFile): readonly { readonly document: Document; readonly contents: Node }[] {
  return documents.flatMap((document) => {
    const { contents } = document;
    const isEmpty = contents === null || isScalar(contents) && contents.value === null;
    return isEmpty ? [] : [{ document, contents }];
  });
}

/** Numbers of YAML that JSON has not. */
const NOT_JSON = /\.(?:nan|inf)\b/i;

/** The same value as the engine's own parser makes it, which takes half the room of one that grew key by key. */
function compact(value: Json): Json {
  return JSON.parse(JSON.stringify(value));
}

/**
 * Keeps of a document what it says and the file's text: its nodes take ten times as much, for lines seldom asked for.
 *
 * @param found.index among the documents that are not empty
 */
function placed(again: () => string, found: { readonly value: Json; readonly line: number; readonly index: number }) {
  const { value, line, index } = found;
  const lineOf = (path: FieldPath): number => {
    const read = readAgain(again());
    const same = filled(read)[index];
    return same === undefined ? line : lineAt(same.document, same.contents, { path, counter: read.counter });
  };
  return { value, line, lineOf };
}

/** The file that was last asked for lines: who asks for many of one file does so in one go, while it is still there. */
let asked: WeakRef<ReadFile> | null = null;

function readAgain(content: string): ReadFile {
  const known = asked?.deref();
  const read = known?.content === content ? known : readFile(content);
  asked = new WeakRef(read);
  return read;
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
