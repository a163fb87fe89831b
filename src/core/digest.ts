/** Canonical JSON and its SHA-256: what makes a revision independent of key order, of servers and of versions of ours. */
import { createHash } from "node:crypto";
import type { Json } from "./kube_object.ts";

/** JSON with keys sorted and undefined left out; null, empty maps and empty lists stay as they are. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** The first `length` hex digits of the SHA-256 of a text. */
export function digestText(text: string, length = 12): string {
  return createHash("sha256").update(text, "utf8").digest("hex").slice(0, length);
}

export function digestOf(value: Json | unknown, length = 12): string {
  return digestText(canonicalJson(value), length);
}
