/** Reads route objects strictly: a field that this mesh does not act on stops the route, and says its path. */
import { isJsonObject, type JsonObject } from "../../core/kube_object.ts";
import { compileRe2, PatternError } from "../re2.ts";

/** Why a route cannot be programmed; `path` names the field, as "spec.rules[0].filters[1]". */
export class RouteProblem extends Error {
  readonly path: string;

  constructor(path: string, why: string) {
    super(`${path}: ${why}`);
    this.path = path;
  }
}

/** An object whose keys are all known; undefined reads as empty. */
export function objectOf(value: unknown, path: string, known: readonly string[]): JsonObject {
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw new RouteProblem(path, "must be an object");
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new RouteProblem(
      `${path}.${unknown}`,
      `the sandbox's mesh does not know this field (it knows ${known.join(", ")})`,
    );
  }
  return value;
}

export interface Item {
  readonly value: unknown;
  readonly path: string;
}

/** A list's items with their paths; undefined reads as empty. */
export function itemsOf(value: unknown, path: string): readonly Item[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new RouteProblem(path, "must be a list");
  return value.map((item: unknown, index) => ({ value: item, path: `${path}[${index}]` }));
}

/** Names and values of an object that may hold any key: header matches, header edits. */
export function entriesOf(value: unknown, path: string): readonly (Item & { readonly name: string })[] {
  if (value === undefined) return [];
  if (!isJsonObject(value)) throw new RouteProblem(path, "must be an object");
  return Object.entries(value).map(([name, item]) => ({ name, value: item, path: `${path}.${name}` }));
}

export function textOf(value: unknown, path: string): string {
  if (typeof value !== "string") throw new RouteProblem(path, "must be a string");
  return value;
}

export function optionalText(value: unknown, path: string): string | undefined {
  return value === undefined ? undefined : textOf(value, path);
}

export function optionalNumber(value: unknown, path: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) throw new RouteProblem(path, "must be a number");
  return value;
}

/** One of the words; `fallback` where the field is absent. */
export function wordOf<Word extends string>(
  value: unknown,
  path: string,
  words: readonly Word[],
  fallback?: Word,
): Word {
  const found = words.find((word) => word === (value ?? fallback));
  if (found === undefined) {
    throw new RouteProblem(
      path,
      `the sandbox's mesh knows ${words.join(", ")} here: current value is ${JSON.stringify(value)}`,
    );
  }
  return found;
}

/** A test that a whole text fits an RE2 pattern. */
export function patternOf(pattern: string, path: string): (text: string) => boolean {
  try {
    const regex = compileRe2(pattern);
    return (text) => regex.test(text);
  } catch (error) {
    if (error instanceof PatternError) throw new RouteProblem(path, error.message);
    throw error;
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of "1h30m", "10s", "500ms", "0.5s"; undefined where it is absent or zero, which both APIs read as none. */
export function durationOf(value: unknown, path: string): number | undefined {
  if (value === undefined) return undefined;
  const text = textOf(value, path);
  if (!/^(\d+(\.\d+)?(ms|[hms]))+$/.test(text)) {
    throw new RouteProblem(path, `must be a duration: current value is "${text}"`);
  }
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/g)) {
    ms += Number(count) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return ms === 0 ? undefined : ms;
}
