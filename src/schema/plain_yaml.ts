/**
 * The plain part of YAML, in which nearly all manifests are written: block maps and lists, scalars and flow collections
 * on one line. Reads it thirty times as fast as the library and leaves nothing behind. Whatever is not surely plain is
 * left to the library: anchors, tags, block scalars, escapes, scalars over several lines, and every mistake.
 */
import { isJsonObject, type Json } from "../core/kube_object.ts";

/** One document: its value, and the 1-based line of its first key. */
export interface PlainDocument {
  readonly value: Json;
  readonly line: number;
}

/** The maps of a file, empty documents left out; null: not surely plain. */
export function readPlainYaml(content: string): readonly PlainDocument[] | null {
  if (NOT_PLAIN.test(content)) return null;
  const documents: PlainDocument[] = [];
  let lines: Line[] = [];
  const texts = content.split("\n");
  for (let index = 0; index <= texts.length; index += 1) {
    const text = texts[index];
    if (text === undefined || /^---(?: *|  *#.*)$/.test(text)) {
      const document = lines.length === 0 ? undefined : new Reader(lines).document();
      if (document === null) return null;
      if (document !== undefined) documents.push(document);
      lines = [];
      continue;
    }
    const indent = text.search(/[^ ]/);
    if (indent === -1 || text[indent] === "#") continue;
    if (/^(?:---|\.\.\.|%)/.test(text)) return null;
    lines.push({ indent, text: text.slice(indent), number: index + 1 });
  }
  return documents;
}

/** Characters that mean something of their own, or may. */
const NOT_PLAIN = /[^\n\x20-\x7e\u00a1-\u1fff\u2030-\ud7ff]/;

interface Line {
  readonly indent: number;
  /** Without its indent. */
  readonly text: string;
  readonly number: number;
}

/** Keys that no schema takes for anything but text, and the colon behind. */
const KEY = /^([A-Za-z_][A-Za-z0-9_.\/-]*|"[A-Za-z_][A-Za-z0-9_.\/-]*"):(?= |$)/;
/** Words that one schema or another takes for a value of its own, as keys or scalars; and a merge's neighbours. */
const WORD = /^(?:null|true|false|yes|no|on|off|y|n|__proto__)$/i;
const DEPTH_MAX = 64;
/** YAML wants keys shorter than 1024 characters, where nothing says that they are keys. */
const KEY_CHARS_MAX = 512;

/** Throws `NotPlain` inside; only `document` is called from outside. */
class Reader {
  readonly #lines: readonly Line[];
  #at = 0;

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  document(): PlainDocument | null {
    const [first] = this.#lines;
    if (first === undefined || !KEY.test(first.text)) return null;
    try {
      const value = this.#map(first.indent, 0);
      return this.#at === this.#lines.length ? { value, line: first.number } : null;
    } catch (error) {
      if (error instanceof NotPlain) return null;
      throw error;
    }
  }

  /** Fields at exactly this indent. The first may stand behind the dash of a list, which the caller has taken off. */
  #map(indent: number, depth: number, inline?: string): Json {
    if (depth > DEPTH_MAX) throw new NotPlain();
    const map: Record<string, Json> = {};
    let text = inline ?? this.#textAt(indent);
    while (text !== undefined) {
      const found = KEY.exec(text);
      const written = found?.[1];
      if (found === null || written === undefined || written.length > KEY_CHARS_MAX) throw new NotPlain();
      const key = written.startsWith('"') ? written.slice(1, -1) : written;
      const isQuoted = key !== written;
      if ((!isQuoted && WORD.test(key)) || key === "__proto__" || Object.hasOwn(map, key)) throw new NotPlain();
      this.#at += 1;
      map[key] = this.#value(text.slice(found[0].length), { indent, depth });
      text = this.#textAt(indent);
    }
    return map;
  }

  /** What stands behind a key: on its line, or below it. */
  #value(rest: string, { indent, depth }: { readonly indent: number; readonly depth: number }): Json {
    const next = this.#lines[this.#at];
    const inline = withoutComment(rest);
    if (inline !== "") {
      // A deeper line would go on with the scalar.
      if (next !== undefined && next.indent > indent) throw new NotPlain();
      return scalarOrFlow(inline);
    }
    if (next === undefined || next.indent < indent) return null;
    const isList = next.text === "-" || next.text.startsWith("- ");
    if (next.indent === indent) return isList ? this.#list(indent, depth + 1) : null;
    return isList ? this.#list(next.indent, depth + 1) : this.#map(next.indent, depth + 1);
  }

  #list(indent: number, depth: number): Json {
    if (depth > DEPTH_MAX) throw new NotPlain();
    const items: Json[] = [];
    for (let text = this.#textAt(indent); text !== undefined && text.startsWith("- "); text = this.#textAt(indent)) {
      const gap = text.slice(1).search(/[^ ]/);
      if (gap === -1) throw new NotPlain();
      const item = text.slice(1 + gap);
      if (KEY.test(item)) {
        items.push(this.#map(indent + 1 + gap, depth + 1, item));
        continue;
      }
      this.#at += 1;
      const next = this.#lines[this.#at];
      if (next !== undefined && next.indent > indent) throw new NotPlain();
      items.push(scalarOrFlow(withoutComment(item)));
    }
    if (this.#textAt(indent)?.startsWith("-") === true) throw new NotPlain();
    return items;
  }

  /** The next line where it stands at this indent; undefined at a shallower one or the end. */
  #textAt(indent: number): string | undefined {
    const next = this.#lines[this.#at];
    if (next === undefined || next.indent < indent) return undefined;
    if (next.indent > indent) throw new NotPlain();
    return next.text;
  }
}

class NotPlain extends Error {}

/** A comment begins behind a space; where there are quotes it may be no comment. */
function withoutComment(text: string): string {
  const trimmed = text.trim();
  if (trimmed.startsWith("#")) return "";
  const comment = trimmed.indexOf(" #");
  if (comment === -1) return trimmed;
  if (/["']/.test(trimmed)) throw new NotPlain();
  return trimmed.slice(0, comment).trimEnd();
}

function scalarOrFlow(text: string): Json {
  if (text.startsWith("{") || text.startsWith("[")) {
    const flow = new Flow(text);
    const value = flow.value(0);
    if (!flow.isAtEnd) throw new NotPlain();
    return value;
  }
  const quoted = /^(?:"([^"\\]*)"|'([^']*)')$/.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
  return plainScalar(text);
}

const NUMBER = /^(?:0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,9})\.[0-9]{1,5})$/;
/** What some schema may read as a number, or as a time. */
const NUMBERISH = /^[-+.]*(?:[0-9][0-9_,]*\.?[0-9_]*(?:e[-+]?[0-9]+)?|0[xob][0-9a-f_]+|inf|nan)$|^[0-9]{4}-[0-9]/i;
/** Begins as text does, and holds nothing that would end it or make a key of it. */
const TEXT = /^[A-Za-z0-9_\/.+(^$=<;\\][^#]*$/;

function plainScalar(text: string): Json {
  if (NUMBER.test(text) && text !== "-0" && !/^-0\.0+$/.test(text)) return Number(text);
  switch (text) {
    case "true":
      return true;
    case "false":
      return false;
    case "null":
      return null;
  }
  const isText = TEXT.test(text) && !NUMBERISH.test(text) && !WORD.test(text) && !/: |:$|^\.{3}|^<</.test(text);
  if (!isText) throw new NotPlain();
  return text;
}

/** A flow collection on one line, of words, simple quotes and collections. */
class Flow {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  value(depth: number): Json {
    if (depth > DEPTH_MAX) throw new NotPlain();
    if (this.#takes("{")) return this.#map(depth);
    if (this.#takes("[")) return this.#list(depth);
    const quoted = this.#match(/"([^"\\]*)"|'([^']*)'/y);
    if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
    const word = this.#match(/[A-Za-z0-9_\/.][A-Za-z0-9_\/.+@:=-]*/y)?.[0];
    if (word === undefined || word.endsWith(":")) throw new NotPlain();
    return plainScalar(word);
  }

  #map(depth: number): Json {
    const map: Record<string, Json> = {};
    this.#space();
    if (this.#takes("}")) return map;
    do {
      this.#space();
      const key = this.#match(/([A-Za-z_][A-Za-z0-9_.\/-]*): /y)?.[1];
      if (key === undefined || WORD.test(key) || Object.hasOwn(map, key)) throw new NotPlain();
      this.#space();
      map[key] = this.value(depth + 1);
      this.#space();
    } while (this.#takes(","));
    if (!this.#takes("}")) throw new NotPlain();
    return map;
  }

  #list(depth: number): Json {
    const items: Json[] = [];
    this.#space();
    if (this.#takes("]")) return items;
    do {
      this.#space();
      const item = this.value(depth + 1);
      this.#space();
      // A pair without braces, as in [a: b].
      if (this.#text[this.#at] === ":") throw new NotPlain();
      items.push(item);
    } while (this.#takes(","));
    if (!this.#takes("]")) throw new NotPlain();
    return items;
  }

  #takes(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    this.#match(/ */y);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

/** For ledger files: the one document of a text, where it is a map. */
export function readPlainObject(content: string): { readonly [key: string]: Json } | null {
  const [first, second] = readPlainYaml(content) ?? [];
  return first !== undefined && second === undefined && isJsonObject(first.value) ? first.value : null;
}
