/**
 * Reading trees: listing, looking up a path, the difference of two trees, and the closure of a commit. Equal ids are equal
 * content, so subtrees that did not change are never visited.
 */
import type { Oid, TreeEntry } from "../../../src/ports/git.ts";
import { parseCommit } from "./commit.ts";
import { decodeName, encodeName } from "./entry_name.ts";
import { ObjectStore } from "./object_store.ts";
import type { ObjectSource, ObjectType } from "./objects.ts";
import type { NumberSet } from "./oid_index.ts";
import { AnswerFault } from "./pkt_line.ts";
import { StorePart } from "./store_part.ts";
import { eachEntry, kindOf, parseTree, type RawEntry, sameName } from "./tree.ts";
import { Turns } from "./turns.ts";

/** Bound on nested folders; deeper trees only come from somebody who wants to break readers. */
const DEPTH_MAX = 256;

/** A path that differs between two trees. */
export interface PathChange {
  readonly path: string;
  readonly was?: Oid;
  readonly is?: Oid;
}

/**
 * The entries of a tree.
 *
 * @throws {AnswerFault} "incomplete" when the tree is not there
 */
export function readTree(source: ObjectSource, oid: Oid): readonly RawEntry[] {
  const object = source.get(oid);
  if (object === undefined) throw new AnswerFault("incomplete", `tree ${oid} is missing`);
  if (object.type !== "tree") throw new AnswerFault("broken", `object ${oid} is a ${object.type} and not a tree`);
  return parseTree(object.bytes);
}

/** The entry at a path, or undefined; "" has none. */
export function findEntry(source: ObjectSource, root: Oid, path: string): RawEntry | undefined {
  let tree: Oid | undefined = root;
  let found: RawEntry | undefined;
  for (const part of path.split("/")) {
    if (tree === undefined) return undefined;
    const name = encodeName(part);
    found = readTree(source, tree).find((entry) => sameName(entry.name, name));
    tree = found !== undefined && kindOf(found.mode) === "folder" ? found.oid : undefined;
  }
  return found;
}

/** Files below a folder ("" for all), in path order by bytes; links and submodules left out. */
export async function listFiles(source: ObjectSource, root: Oid, under: string): Promise<readonly TreeEntry[]> {
  const folder = under.replace(/\/+$/, "");
  const start = folder === "" ? { mode: "40000", oid: root } : findEntry(source, root, folder);
  const files: TreeEntry[] = [];
  if (start === undefined) return files;
  if (kindOf(start.mode) === "file") return [{ path: folder, oid: start.oid, mode: start.mode }];
  if (kindOf(start.mode) !== "folder") return files;
  const turns = new Turns();
  // The next one on top, so that a folder's files stand where the folder stands.
  const stack: { mode: string; oid: Oid; path: string; depth: number }[] = [{ ...start, path: folder, depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { mode, oid, path, depth } = next;
    const kind = kindOf(mode);
    if (kind === "file") files.push({ path, oid, mode });
    if (kind !== "folder") continue;
    refuseDepth(depth);
    const prefix = path === "" ? "" : `${path}/`;
    for (const entry of readTree(source, oid).toReversed()) {
      stack.push({ mode: entry.mode, oid: entry.oid, path: prefix + decodeName(entry.name), depth: depth + 1 });
    }
    if (turns.isDue(0)) await turns.next();
  }
  return files;
}

/** One side of a comparison: a tree and where it is kept; without `tree`, nothing. */
export interface TreeSide {
  readonly source: ObjectSource;
  readonly tree: Oid | undefined;
}

/**
 * Files that differ in content or mode, in path order. A file that became a folder, a link or a submodule counts as gone.
 */
export async function diffTrees(was: TreeSide, is: TreeSide): Promise<readonly PathChange[]> {
  const changes: PathChange[] = [];
  const turns = new Turns();
  const pending = [{ was, is, prefix: "", depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.was.tree === next.is.tree) continue;
    refuseDepth(next.depth);
    const before = entriesByName(next.was);
    const after = entriesByName(next.is);
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      const old = before.get(name);
      const now = after.get(name);
      if (old !== undefined && now !== undefined && old.oid === now.oid && old.mode === now.mode) continue;
      const path = next.prefix + name;
      const [wasFile, isFile] = [oidIf(old, "file"), oidIf(now, "file")];
      if (wasFile !== undefined || isFile !== undefined) {
        changes.push({
          path,
          ...(wasFile === undefined ? {} : { was: wasFile }),
          ...(isFile === undefined ? {} : { is: isFile }),
        });
      }
      pending.push({
        was: { ...next.was, tree: oidIf(old, "folder") },
        is: { ...next.is, tree: oidIf(now, "folder") },
        prefix: `${path}/`,
        depth: next.depth + 1,
      });
      if (turns.isDue(0)) await turns.next();
    }
  }
  return changes.sort((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0));
}

function entriesByName(side: TreeSide): ReadonlyMap<string, RawEntry> {
  if (side.tree === undefined) return new Map();
  return new Map(readTree(side.source, side.tree).map((entry) => [decodeName(entry.name), entry]));
}

function oidIf(entry: RawEntry | undefined, kind: "file" | "folder"): Oid | undefined {
  return entry !== undefined && kindOf(entry.mode) === kind ? entry.oid : undefined;
}

/**
 * Everything of a commit that the store does not have yet. Subtrees in the store are complete by its own rule, so only
 * what is new is visited.
 *
 * @throws {AnswerFault} "incomplete" when anything that the commit needs is in neither
 */
export async function newClosure(store: ObjectStore, arrived: ObjectSource, commit: Oid): Promise<StorePart> {
  const pool = arrived instanceof ObjectStore ? arrived : new ObjectStore();
  const fresh = new StorePart(pool, pool.marks());
  /** Takes what is at a number of the pool, or is to be had elsewhere. @returns its number where it is news, or -1 */
  const take = (found: number, what: ObjectType, oidOf: () => Oid): number => {
    const number = found >= 0 ? found : pull(pool, arrived, oidOf(), what);
    if (!fresh.numbers.add(number)) return -1;
    refuseType(pool, number, what);
    return number;
  };
  const takeAt = (bytes: Uint8Array, at: number, what: ObjectType): number => {
    const held = store.findBytes(bytes, at);
    if (held < 0) return take(pool.findBytes(bytes, at), what, () => bytes.subarray(at, at + 20).toHex());
    refuseType(store, held, what);
    return -1;
  };
  if (store.has(commit)) return fresh;
  const { tree } = parseCommit(commit, pool.read(take(pool.find(commit), "commit", () => commit)));
  const turns = new Turns();
  const trees: { readonly number: number; readonly depth: number }[] = [];
  const descend = (number: number, depth: number): void => {
    refuseDepth(depth);
    if (number >= 0) trees.push({ number, depth });
  };
  if (!store.has(tree)) descend(take(pool.find(tree), "tree", () => tree), 0);
  for (let next = trees.pop(); next !== undefined; next = trees.pop()) {
    const { number, depth } = next;
    const bytes = pool.look(number);
    eachEntry(bytes, (kind, at) => {
      if (kind === "folder") descend(takeAt(bytes, at, "tree"), depth + 1);
      else if (kind !== "submodule") takeAt(bytes, at, "blob");
    });
    if (turns.isDue(bytes.length)) await turns.next();
  }
  return fresh;
}

function refuseType(store: ObjectStore, number: number, what: ObjectType): void {
  const type = store.typeAt(number);
  if (type === what) return;
  throw new AnswerFault("broken", `object ${store.oidAt(number)} is a ${type} and not a ${what}`);
}

function pull(pool: ObjectStore, arrived: ObjectSource, oid: Oid, what: ObjectType): number {
  const object = pool === arrived ? undefined : arrived.get(oid);
  if (object === undefined) throw new AnswerFault("incomplete", `${what} ${oid} is missing`);
  return pool.add(oid, object);
}

/** Marks everything that the commits need; what is not marked can go. */
export async function markReachable(store: ObjectStore, commits: Iterable<Oid>): Promise<NumberSet> {
  const marked = store.marks();
  const turns = new Turns();
  const trees: number[] = [];
  const markTree = (number: number): void => {
    if (number >= 0 && marked.add(number)) trees.push(number);
  };
  for (const commit of commits) {
    const number = store.find(commit);
    if (number < 0 || !marked.add(number)) continue;
    markTree(store.find(parseCommit(commit, store.read(number)).tree));
    for (let tree = trees.pop(); tree !== undefined; tree = trees.pop()) {
      const bytes = store.look(tree);
      eachEntry(bytes, (kind, at) => {
        if (kind === "submodule") return;
        const entry = store.findBytes(bytes, at);
        if (kind === "folder") markTree(entry);
        else if (entry >= 0) marked.add(entry);
      });
      if (turns.isDue(bytes.length)) await turns.next();
    }
  }
  return marked;
}

function refuseDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw new AnswerFault("broken", `a tree is nested more than ${DEPTH_MAX} folders deep`);
}
