/**
 * Looks paths up in a tree and keeps the folders on the way to the last one, since who reads many files reads them folder
 * by folder: taking every tree on the way apart again for each of 50,000 files takes longer than fetching them.
 */
import type { Oid } from "../../../src/ports/git.ts";
import { decodeName } from "./entry_name.ts";
import type { ObjectSource } from "./objects.ts";
import { kindOf, type RawEntry } from "./tree.ts";
import { readTree } from "./tree_walk.ts";

interface Level {
  /** "" for the root. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, RawEntry>;
}

export class TreeCursor {
  readonly #source: ObjectSource;
  /** The root, then a folder each, down to the one that was looked into last. */
  #levels: readonly Level[];

  /** @throws {AnswerFault} "incomplete" when the tree is not there, also later for trees below it */
  constructor(source: ObjectSource, root: Oid) {
    this.#source = source;
    this.#levels = [{ name: "", entries: entriesOf(source, root) }];
  }

  /** The entry at a path, or undefined; "" has none. */
  find(path: string): RawEntry | undefined {
    const folders = path.split("/");
    const name = folders.pop() ?? "";
    return this.#enter(folders)?.get(name);
  }

  #enter(folders: readonly string[]): ReadonlyMap<string, RawEntry> | undefined {
    const isKept = (name: string, index: number) => this.#levels[index + 1]?.name === name;
    const differs = folders.findIndex((name, index) => !isKept(name, index));
    const kept = differs === -1 ? folders.length : differs;
    if (kept === folders.length) return this.#levels[kept]?.entries;
    const levels = this.#levels.slice(0, kept + 1);
    for (const name of folders.slice(kept)) {
      const entry = levels.at(-1)?.entries.get(name);
      if (entry === undefined || kindOf(entry.mode) !== "folder") return undefined;
      levels.push({ name, entries: entriesOf(this.#source, entry.oid) });
    }
    this.#levels = levels;
    return levels.at(-1)?.entries;
  }
}

/** By name; of a name that a broken tree has twice, the first counts. */
function entriesOf(source: ObjectSource, tree: Oid): ReadonlyMap<string, RawEntry> {
  const entries = new Map<string, RawEntry>();
  for (const entry of readTree(source, tree)) {
    const name = decodeName(entry.name);
    if (!entries.has(name)) entries.set(name, entry);
  }
  return entries;
}
