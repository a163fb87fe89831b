/**
 * Tree objects and the commit's two links that matter for reading. Entries keep their name and mode byte for byte, odd
 * modes too, so a tree that is rewritten differs from the old one only where it was meant to.
 */
import { Buffer } from "node:buffer";
import type { Oid } from "../../../src/ports/git.ts";
import { AnswerFault, concatBytes } from "./pkt_line.ts";

/** The empty tree, which a commit may have as root. */
export const EMPTY_TREE: Oid = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

export interface RawEntry {
  /** As written in the tree, without padding: "40000", "100644", also "100664". */
  readonly mode: string;
  readonly name: Uint8Array<ArrayBuffer>;
  readonly oid: Oid;
}

export type EntryKind = "folder" | "file" | "link" | "submodule";

/** What an entry is, by the file type bits of its mode. */
export function kindOf(mode: string): EntryKind {
  let bits = 0;
  for (let at = 0; at < mode.length; at++) bits = withDigit(bits, mode.charCodeAt(at));
  return kindOfType(bits);
}

/** One rule for all readers, also for what is no digit: who walks trees and who reads files must see the same. */
function withDigit(bits: number, character: number): number {
  return (bits << 3 | (character & 7)) & 0o777777;
}

function kindOfType(mode: number): EntryKind {
  const type = mode & 0o170000;
  if (type === 0o040000) return "folder";
  if (type === 0o120000) return "link";
  return type === 0o160000 ? "submodule" : "file";
}

/**
 * Reads a tree's entries in its own order.
 *
 * @throws {AnswerFault} "broken" when the bytes are no tree
 */
export function parseTree(bytes: Uint8Array<ArrayBuffer>): readonly RawEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: RawEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const nul = space < 0 ? -1 : bytes.indexOf(0, space);
    if (nul < 0 || nul + 21 > bytes.length) throw new AnswerFault("broken", "a tree object ends inside an entry");
    entries.push({
      mode: modeText(buffer, at, space),
      name: bytes.subarray(space + 1, nul),
      oid: buffer.toString("hex", nul + 1, nul + 21),
    });
    at = nul + 21;
  }
  return entries;
}

/** Nearly all modes are one of two, and a text of its own for each entry takes longer than the rest of it. */
function modeText(buffer: Buffer, at: number, space: number): string {
  const length = space - at;
  if (length === 5 && buffer.readUInt32BE(at) === 0x34303030 && buffer[at + 4] === 0x30) return "40000";
  if (length === 6 && buffer.readUInt32BE(at) === 0x31303036 && buffer.readUInt16BE(at + 4) === 0x3434) return "100644";
  return buffer.toString("latin1", at, space);
}

/** What `eachEntry` says of an entry: its kind, and where in the tree's bytes its id of 20 bytes begins. */
export type EntryVisit = (kind: EntryKind, oidAt: number) => void;

/**
 * Goes over a tree's entries without making anything of them, for whoever walks all trees there are.
 *
 * @throws {AnswerFault} "broken" when the bytes are no tree
 */
export function eachEntry(bytes: Uint8Array, visit: EntryVisit): void {
  let at = 0;
  while (at < bytes.length) {
    let mode = 0;
    let byte = bytes[at++] ?? -1;
    for (; byte !== 0x20 && byte >= 0; byte = bytes[at++] ?? -1) mode = withDigit(mode, byte);
    const nul = bytes.indexOf(0, at);
    if (byte < 0 || nul < 0 || nul + 21 > bytes.length) {
      throw new AnswerFault("broken", "a tree object ends inside an entry");
    }
    visit(kindOfType(mode), nul + 1);
    at = nul + 21;
  }
}

/** The bytes of a tree; entries are written in the order given. */
export function encodeTree(entries: readonly RawEntry[]): Uint8Array<ArrayBuffer> {
  return concatBytes(entries.flatMap((entry) => [
    Buffer.from(`${entry.mode} `, "latin1"),
    entry.name,
    Uint8Array.of(0),
    Buffer.from(entry.oid, "hex"),
  ]));
}

/** Git's order of entries: by bytes, a folder's name as if it ended in "/". Zero only for the same name and kind. */
export function compareEntries(left: RawEntry, right: RawEntry): number {
  const shorter = Math.min(left.name.length, right.name.length);
  for (let index = 0; index < shorter; index++) {
    const difference = (left.name[index] ?? 0) - (right.name[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return byteAfter(left, shorter) - byteAfter(right, shorter) || left.name.length - right.name.length;
}

/** Whether two names are the same bytes. */
export function sameName(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function byteAfter(entry: RawEntry, index: number): number {
  return entry.name[index] ?? (kindOf(entry.mode) === "folder" ? 0x2f : 0);
}
