/**
 * Reads typed fields out of a parsed ledger file. A field that is missing or of the wrong type throws a `FieldProblem`,
 * which `readFields` turns into one sentence for people; nothing else may leave this module by a throw.
 */
import { isJsonObject, type Json, type JsonObject, type KubeObject } from "../core/kube_object.ts";
import type { FileView } from "../ports/source.ts";
import { timeOf } from "./file_text.ts";

class FieldProblem extends Error {}

/** A map of the file, with the path that leads to it, so that every complaint can say where. */
export class Fields {
  readonly #map: JsonObject;
  readonly #path: string;

  constructor(map: JsonObject, path = "") {
    this.#map = map;
    this.#path = path;
  }

  #pathOf(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }

  #wrong(key: string, wanted: string): never {
    const value = this.#map[key];
    const found = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
    throw new FieldProblem(`${this.#pathOf(key)} must be ${wanted}: found ${found}`);
  }

  /** The raw value; undefined when absent. */
  value(key: string): Json | undefined {
    return this.#map[key];
  }

  string(key: string): string {
    const value = this.#map[key];
    return typeof value === "string" ? value : this.#wrong(key, "a text");
  }

  number(key: string): number {
    const value = this.#map[key];
    return typeof value === "number" ? value : this.#wrong(key, "a number");
  }

  /** A time, as epoch milliseconds. */
  time(key: string): number {
    const value = this.#map[key];
    const ms = typeof value === "string" ? timeOf(value) : undefined;
    return ms ?? this.#wrong(key, "a time such as 2026-01-31T12:00:00Z");
  }

  /** A list of times, as epoch milliseconds. */
  times(key: string): readonly number[] {
    const value = this.#map[key];
    const wanted = "a list of times such as 2026-01-31T12:00:00Z";
    if (!Array.isArray(value)) return this.#wrong(key, wanted);
    return value.map((text: Json) => (typeof text === "string" ? timeOf(text) : undefined) ?? this.#wrong(key, wanted));
  }

  boolean(key: string): boolean {
    const value = this.#map[key];
    return typeof value === "boolean" ? value : this.#wrong(key, "true or false");
  }

  /** One of a fixed set of words. */
  word<T extends string>(key: string, words: readonly T[]): T {
    const value = this.#map[key];
    return words.find((word) => word === value) ?? this.#wrong(key, `one of ${words.join(", ")}`);
  }

  map(key: string): Fields {
    const value = this.#map[key];
    return isJsonObject(value) ? new Fields(value, this.#pathOf(key)) : this.#wrong(key, "a map");
  }

  /** A list of maps; absent or null is an empty one, so that a person may delete its last entry together with its key. */
  maps(key: string): readonly Fields[] {
    const value = this.#map[key] ?? [];
    if (!Array.isArray(value)) return this.#wrong(key, "a list");
    return value.map((item: Json, index) => {
      const path = `${this.#pathOf(key)}[${index}]`;
      if (!isJsonObject(item)) throw new FieldProblem(`${path} must be a map: found ${JSON.stringify(item)}`);
      return new Fields(item, path);
    });
  }

  /** A map of texts; absent is an empty one. */
  texts(key: string): Readonly<Record<string, string>> {
    const value = this.#map[key] ?? {};
    if (!isJsonObject(value)) return this.#wrong(key, "a map");
    const entries = Object.entries(value).map(([name, text]): [string, string] => {
      return typeof text === "string" ? [name, text] : this.#wrong(key, "a map of texts");
    });
    return Object.fromEntries(entries);
  }

  object(key: string): KubeObject {
    const value = this.#map[key];
    if (!isKubeObject(value)) return this.#wrong(key, "a Kubernetes object");
    return value;
  }

  objects(key: string): readonly KubeObject[] {
    const value = this.#map[key] ?? [];
    if (!Array.isArray(value)) return this.#wrong(key, "a list of Kubernetes objects");
    return value.map((item: unknown) => isKubeObject(item) ? item : this.#wrong(key, "a list of Kubernetes objects"));
  }

  /** As `read` gives it, or null where the field is null or absent. */
  orNull<T>(key: string, read: (fields: Fields) => T): T | null {
    const value = this.#map[key];
    return value === undefined || value === null ? null : read(this);
  }
}

function isKubeObject(value: unknown): value is KubeObject {
  if (!isJsonObject(value)) return false;
  const { apiVersion, kind, metadata } = value;
  const named = isJsonObject(metadata) && typeof metadata["name"] === "string";
  return typeof apiVersion === "string" && typeof kind === "string" && named;
}

/** Runs a reader over a file's object; a problem with a field becomes the reason why the file is broken. */
export function readFields<T>(object: JsonObject, read: (fields: Fields) => T): FileView<T> {
  try {
    return { type: "read", value: read(new Fields(object)) };
  } catch (error) {
    if (error instanceof FieldProblem) return { type: "broken", reason: error.message };
    throw error;
  }
}
