/**
 * Takes whole `key: value` lines of a block map out, puts new ones in, or gives one another key. For the few edits that a
 * new value alone cannot make; anything but plain lines of their own is refused.
 */
import { isMap, isScalar, type Pair } from "yaml";
import type { Json } from "../../core/kube_object.ts";
import { scalarText } from "../scalar_text.ts";
import { locate, pathText, type Splice, withValueAt, type YamlFile, type YamlPath } from "../yaml_file.ts";

export type KeyChange =
  | {
    readonly type: "planned";
    readonly splice: Splice;
    /** What the map says afterwards. */
    readonly value: (document: Json) => Json;
  }
  | { readonly type: "refused"; readonly reason: string };

interface Line {
  readonly pair: Pair;
  /** Of the key. */
  readonly start: number;
  /** Behind the value. */
  readonly valueEnd: number;
  /** Of the line, without and with its line break. */
  readonly lineStart: number;
  readonly contentEnd: number;
  readonly lineEnd: number;
  readonly isFirstInItem: boolean;
}

/** Takes a key out with its line, comment and all. */
export function removeKey(file: YamlFile, document: number, path: YamlPath): KeyChange {
  const line = lineOf(file, document, path);
  if (typeof line === "string") return { type: "refused", reason: line };
  if (line.isFirstInItem) return { type: "refused", reason: `${pathText(path)} stands on the line of its list item` };
  if (hasMarker(file, line)) return { type: "refused", reason: `${pathText(path)} has a marker on its line` };
  return {
    type: "planned",
    splice: { start: line.lineStart, end: line.lineEnd, text: "" },
    value: (value) => withEntries(value, path, (entries, key) => entries.filter(([name]) => name !== key)),
  };
}

/** Puts a key behind the line of another one. */
export function insertKey(
  file: YamlFile,
  document: number,
  change: { readonly after: YamlPath; readonly key: string; readonly text: string },
): KeyChange {
  const { after, key, text } = change;
  const line = lineOf(file, document, after);
  if (typeof line === "string") return { type: "refused", reason: line };
  const lineBreak = file.text.slice(line.contentEnd, line.lineEnd) || /\r?\n/.exec(file.text)?.[0] || "\n";
  const indent = " ".repeat(line.start - line.lineStart);
  const written = `${lineBreak}${indent}${key}: ${scalarText(text, undefined, false)}`;
  return {
    type: "planned",
    splice: { start: line.contentEnd, end: line.contentEnd, text: written },
    value: (value) => withEntries(value, after, (entries) => [...entries, [key, text]]),
  };
}

/** Gives a line another key and value. */
export function renameKey(
  file: YamlFile,
  document: number,
  change: { readonly path: YamlPath; readonly key: string; readonly text: string },
): KeyChange {
  const { path, key, text } = change;
  const line = lineOf(file, document, path);
  if (typeof line === "string") return { type: "refused", reason: line };
  if (hasMarker(file, line)) return { type: "refused", reason: `${pathText(path)} has a marker on its line` };
  const style = isScalar(line.pair.value) ? line.pair.value.type : undefined;
  return {
    type: "planned",
    splice: { start: line.start, end: line.valueEnd, text: `${key}: ${scalarText(text, style, false)}` },
    value: (value) =>
      withEntries(value, path, (entries, old) => entries.map((entry) => entry[0] === old ? [key, text] : entry)),
  };
}

function hasMarker(file: YamlFile, { valueEnd, contentEnd }: Line): boolean {
  return file.text.slice(valueEnd, contentEnd).includes("$imagepolicy");
}

/** The line of a key with its value; a text says why there is none. */
function lineOf(file: YamlFile, document: number, path: YamlPath): Line | string {
  const key = path.at(-1);
  const root = file.documents[document];
  if (root === undefined || typeof key !== "string") return `${pathText(path)} is no key`;
  const parent = locate(root, path.slice(0, -1));
  if (parent.type === "refused") return parent.reason;
  if (!isMap(parent.node) || parent.inFlow || parent.node.flow === true) {
    return `${pathText(path)} stands in a flow map`;
  }
  const pair = parent.node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  if (pair === undefined || !isScalar(pair.key) || !pair.key.range || !isScalar(pair.value) || !pair.value.range) {
    return `${pathText(path)} is not a single value`;
  }
  const [start, valueEnd] = [pair.key.range[0], pair.value.range[1]];
  const { text } = file;
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const stop = text.indexOf("\n", valueEnd);
  const lineEnd = stop < 0 ? text.length : stop + 1;
  const contentEnd = stop < 0 ? text.length : text[stop - 1] === "\r" ? stop - 1 : stop;
  const before = text.slice(lineStart, start);
  const after = text.slice(valueEnd, contentEnd);
  if (text.slice(start, valueEnd).includes("\n") || pair.value.anchor !== undefined) {
    return `${pathText(path)} is not written on a line of its own`;
  }
  if (!/^[ -]*$/.test(before) || !/^[ \t]*(?:#.*)?$/.test(after)) {
    return `${pathText(path)} is not written on a line of its own`;
  }
  return { pair, start, valueEnd, lineStart, contentEnd, lineEnd, isFirstInItem: before.includes("-") };
}

function withEntries(
  document: Json,
  path: YamlPath,
  change: (entries: readonly (readonly [string, Json])[], key: string) => readonly (readonly [string, Json])[],
): Json {
  const parent = path.slice(0, -1);
  let map: unknown = document;
  for (const step of parent) map = typeof map === "object" && map !== null ? Reflect.get(map, step) : undefined;
  const entries: readonly (readonly [string, Json])[] = typeof map === "object" && map !== null
    ? Object.entries(map)
    : [];
  return withValueAt(document, parent, Object.fromEntries(change(entries, String(path.at(-1)))));
}
