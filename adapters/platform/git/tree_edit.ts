/**
 * Applies file edits to a tree without a work tree. Only the trees on an edited path are rewritten, and in them only the
 * entries that were edited: names that are not UTF-8, odd modes and even a wrong order elsewhere stay byte for byte.
 */
import { InvalidSpecError } from "../../../src/errors.ts";
import type { FileEdit, Oid } from "../../../src/ports/git.ts";
import { encodeName } from "./entry_name.ts";
import type { Overlay } from "./overlay.ts";
import { compareEntries, EMPTY_TREE, encodeTree, kindOf, type RawEntry, sameName } from "./tree.ts";
import { readTree } from "./tree_walk.ts";

const NEW_FILE_MODE = "100644";
const FOLDER_MODE = "40000";
/** Characters that HFS+ ignores in names, so that ".g\u200cit" is ".git" there; stock Git refuses such names too. */
const IGNORED_BY_HFS = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

interface PendingEdit {
  readonly edit: FileEdit;
  /** The parts of the path below the tree at hand. */
  readonly parts: readonly string[];
}

/**
 * Writes the trees and blobs of the edits into `objects`; returns the id of the new root tree, which is `root` when
 * nothing differs. Files keep their mode; new ones get 100644; folders that become empty go.
 *
 * @throws {InvalidSpecError} when a path leaves the repository, names Git's own folder, or meets a link, a submodule, or
 *   a file where a folder is needed
 */
export function editTree(objects: Overlay, root: Oid, edits: readonly FileEdit[]): Oid {
  const pending = edits.map((edit) => ({ edit, parts: checkedParts(edit.path) }));
  return editFolder(objects, root, pending) ?? objects.put({ type: "tree", bytes: new Uint8Array(0) });
}

/** @returns undefined when the folder is empty now */
function editFolder(objects: Overlay, tree: Oid | undefined, edits: readonly PendingEdit[]): Oid | undefined {
  const isEmptyRoot = tree === EMPTY_TREE && objects.get(EMPTY_TREE) === undefined;
  let entries = tree === undefined || isEmptyRoot ? [] : readTree(objects, tree);
  const before = entries;
  for (const [name, inner] of groupByFirstPart(edits)) {
    const bytes = encodeName(name);
    const old = entries.find((entry) => sameName(entry.name, bytes));
    entries = replaceEntry(entries, old, newEntry(objects, { name: bytes, old, inner }));
  }
  if (entries === before) return tree;
  return entries.length === 0 ? undefined : objects.put({ type: "tree", bytes: encodeTree(entries) });
}

interface EntryPlan {
  readonly name: Uint8Array<ArrayBuffer>;
  readonly old: RawEntry | undefined;
  readonly inner: readonly PendingEdit[];
}

function newEntry(objects: Overlay, plan: EntryPlan): RawEntry | undefined {
  const { name, old, inner } = plan;
  const last = inner.at(-1);
  if (last === undefined) return old;
  const kind = old === undefined ? undefined : kindOf(old.mode);
  const isFile = inner.every((pending) => pending.parts.length === 1);
  if (!isFile) {
    if (inner.some((pending) => pending.parts.length === 1)) throw conflict(last, "another edit makes it a file");
    if (kind !== undefined && kind !== "folder") throw conflict(last, `part of its path is a ${kind}`);
    const below = inner.map((pending) => ({ ...pending, parts: pending.parts.slice(1) }));
    const oid = editFolder(objects, old?.oid, below);
    return oid === undefined ? undefined : { mode: old?.mode ?? FOLDER_MODE, name, oid };
  }
  if (kind !== undefined && kind !== "file") throw conflict(last, `it is a ${kind}`);
  if (last.edit.content === null) return undefined;
  const oid = objects.put({ type: "blob", bytes: last.edit.content.slice() });
  return { mode: old?.mode ?? NEW_FILE_MODE, name, oid };
}

/** The same array when nothing changes, which is how a caller sees that. */
function replaceEntry(entries: readonly RawEntry[], old: RawEntry | undefined, now: RawEntry | undefined) {
  if (old?.oid === now?.oid) return entries;
  if (old !== undefined) return entries.flatMap((entry) => entry !== old ? [entry] : now === undefined ? [] : [now]);
  if (now === undefined) return entries;
  const after = entries.findIndex((entry) => compareEntries(entry, now) > 0);
  const at = after < 0 ? entries.length : after;
  return [...entries.slice(0, at), now, ...entries.slice(at)];
}

function groupByFirstPart(edits: readonly PendingEdit[]): ReadonlyMap<string, readonly PendingEdit[]> {
  return Map.groupBy(edits, (pending) => pending.parts[0] ?? "");
}

function checkedParts(path: string): readonly string[] {
  const parts = path.split("/");
  const bad = parts.find((part) =>
    part === "" || part === "." || part === ".." || part.includes("\0") || isGitFolder(part)
  );
  if (bad === undefined) return parts;
  throw new InvalidSpecError(
    `Cannot write file ${JSON.stringify(path)}: its path may not hold the part ${JSON.stringify(bad)}`,
    { fix: "Use a path relative to the root of the repository, outside of Git's own folder.", data: { path } },
  );
}

/** Names that some file system takes for ".git", where a commit could plant a hook. */
function isGitFolder(part: string): boolean {
  const plain = part.replace(IGNORED_BY_HFS, "").toLowerCase();
  return /^(\.git|git~1)[. ]*(:.*)?$/.test(plain) || plain.includes("\\");
}

function conflict(pending: PendingEdit, why: string): InvalidSpecError {
  const path = pending.edit.path;
  return new InvalidSpecError(`Cannot write file ${JSON.stringify(path)}: ${why}`, {
    fix: "Name a regular file, or a path at which nothing stands yet.",
    data: { path },
  });
}
