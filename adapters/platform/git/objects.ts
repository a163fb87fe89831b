/** Git objects and their ids, and where they are looked up: said once for maps, stores and what lies over a store. */
import { createHash } from "node:crypto";
import type { Oid } from "../../../src/ports/git.ts";

export type ObjectType = "commit" | "tree" | "blob" | "tag";

/** An object without its header. */
export interface GitObject {
  readonly type: ObjectType;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Where objects are looked up. */
export interface ObjectSource {
  get(oid: Oid): GitObject | undefined;
}

/** Objects by their ids: a map of them, a store or a part of one. */
export interface GitObjects extends ObjectSource, Iterable<readonly [Oid, GitObject]> {
  readonly size: number;
  has(oid: Oid): boolean;
  keys(): Iterable<Oid>;
  values(): Iterable<GitObject>;
}

/** The id of an object: SHA-1 over "type size NUL content", 40 lower-case hex digits. */
export function oidOf(object: GitObject): Oid {
  return createHash("sha1").update(`${object.type} ${object.bytes.length}\0`).update(object.bytes).digest("hex");
}

/** Whether a text is a full SHA-1 object id in lower-case hex. */
export function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
