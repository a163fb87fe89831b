/**
 * Routing objects hold their rules in lists that are written whole. Here a new list is made from the live one: rules of
 * ours are replaced where they stand, all others stay, and what a person added to a rule of ours stays in it. To tell
 * that from what an earlier render left, an annotation holds a digest of each part that the last render wrote.
 */
import { digestOf } from "../../../src/core/digest.ts";
import { isSame } from "../../../src/core/same.ts";
import type { Json, JsonObject, KubeObject } from "../../../src/core/kube_object.ts";
import type { Ownership } from "../../derived.ts";

export const RENDERED_ANNOTATION = "serin.dev/rendered";

/** Whether an earlier render wrote a part. */
export type Written = (part: Json) => boolean;

/**
 * Flagger rewrites its routes whole, so nothing inside them is a person's; without a record nothing is ours.
 */
export function writtenBefore(live: KubeObject | undefined, ownership: Ownership): Written {
  const record = live?.metadata.annotations?.[RENDERED_ANNOTATION];
  if (record === undefined) return () => ownership === "new" || ownership === "flagger";
  const digests = new Set(record.split(" "));
  return (part) => digests.has(partDigest(part));
}

/** The record of a render, for the annotation. */
export function recordOf(parts: readonly Json[]): string {
  return [...new Set(parts.map(partDigest))].sort().join(" ");
}

function partDigest(part: Json): string {
  return digestOf(part, 8);
}

/** Items of a live list that a person added: neither wanted now nor written before. Each once, in order. */
export function addedItems(live: readonly Json[], wanted: readonly Json[], written: Written): readonly Json[] {
  const added: Json[] = [];
  for (const item of live) {
    const known = written(item) || wanted.some((ours) => isSame(item, ours));
    if (!known && !added.some((other) => isSame(other, item))) added.push(item);
  }
  return added;
}

/** Fields of a live rule that a person added, those in `owned` aside. */
export function addedFields(live: JsonObject, owned: readonly string[], written: Written): JsonObject {
  return Object.fromEntries(
    Object.entries(live).filter(([key, value]) => !owned.includes(key) && !written({ [key]: value })),
  );
}

/** Fields of a rule, one part each, for the record. */
export function fieldParts(rule: JsonObject, except: readonly string[]): readonly Json[] {
  return Object.entries(rule).filter(([key]) => !except.includes(key)).map(([key, value]) => ({ [key]: value }));
}

/**
 * The new list: the last of our rules takes the place of the last one that is ours in the live list, all before it
 * take the place of the first one, so that a foreign rule never moves behind our catch-all. Without a rule of ours they
 * go to the end.
 */
export function placeRules(
  live: readonly Json[],
  isOurs: (rule: Json) => boolean,
  ours: readonly JsonObject[],
): readonly Json[] {
  const first = live.findIndex(isOurs);
  const last = live.findLastIndex(isOurs);
  if (first < 0) return [...live, ...ours];
  return live.flatMap((rule, index): readonly Json[] => {
    if (!isOurs(rule)) return [rule];
    return [...(index === first ? ours.slice(0, -1) : []), ...(index === last ? ours.slice(-1) : [])];
  });
}
