/**
 * The facts of a decision at the end of its commit message, one line each, in Git's trailer form. Text from outside is
 * put on one line here, so that no reason, name or image can make up a trailer of its own.
 */

/** Every key the agent writes, sorted. */
export const TRAILER_KEYS = [
  "Serin-Approved-By",
  "Serin-Canary",
  "Serin-Cluster",
  "Serin-Decision",
  "Serin-Evidence",
  "Serin-Image",
  "Serin-Rejected-By",
  "Serin-Revision",
  "Serin-Run",
] as const;

export type TrailerKey = typeof TRAILER_KEYS[number];

export interface Trailer {
  readonly key: TrailerKey;
  readonly value: string;
}

/** Characters of a value; what is longer is cut and ends in "...". */
const VALUE_LENGTH_MAX = 300;

/** White space and control characters of any kind become single spaces; long texts are cut. */
export function oneLine(text: string, lengthMax: number = VALUE_LENGTH_MAX): string {
  const flat = text.replace(/[\s\p{C}\u2028\u2029]+/gu, " ").trim();
  return flat.length <= lengthMax ? flat : `${flat.slice(0, lengthMax - 3).trimEnd()}...`;
}

/** The last paragraph of a message, without a line break at its end; trailers with an empty value are left out. */
export function renderTrailers(trailers: readonly Trailer[]): string {
  return trailers
    .map(({ key, value }) => ({ key, value: oneLine(value) }))
    .filter(({ value }) => value !== "")
    .map(({ key, value }) => `${key}: ${value}`)
    .join("\n");
}

/** The values of one of our trailers in a commit message, in order; only its last paragraph counts, as in Git. */
export function trailerValues(message: string, key: TrailerKey): readonly string[] {
  const paragraphs = message.replaceAll("\r\n", "\n").trimEnd().split(/\n[ \t]*\n/);
  const last = paragraphs.at(-1);
  if (last === undefined || paragraphs.length < 2) return [];
  const prefix = `${key}:`.toLowerCase();
  return last.split("\n")
    .filter((line) => line.toLowerCase().startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim());
}
