/** The files at one commit, read from memory. Everything it needs was checked to be there before it was made. */
import { BugError } from "../../../src/errors.ts";
import type { CommitInfo, Oid, Snapshot, TreeEntry } from "../../../src/ports/git.ts";
import { parseCommit, type ParsedCommit } from "./commit.ts";
import type { ObjectStore } from "./object_store.ts";
import { AnswerFault } from "./pkt_line.ts";
import { kindOf } from "./tree.ts";
import { TreeCursor } from "./tree_cursor.ts";
import { diffTrees, listFiles, type PathChange } from "./tree_walk.ts";
import { Turns } from "./turns.ts";

export class StoredSnapshot implements Snapshot {
  readonly commit: Oid;
  /** Keeps what this snapshot needs, also when the remote has started over with another store. */
  readonly store: ObjectStore;
  #parsed: ParsedCommit | undefined;
  #cursor: TreeCursor | undefined;
  readonly #turns = new Turns();

  constructor(store: ObjectStore, commit: Oid) {
    this.store = store;
    this.commit = commit;
  }

  files(under = ""): Promise<readonly TreeEntry[]> {
    return this.#local(() => listFiles(this.store, this.parsed().tree, under));
  }

  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#local(async () => {
      this.#cursor ??= new TreeCursor(this.store, this.parsed().tree);
      const entry = this.#cursor.find(path);
      if (entry === undefined || kindOf(entry.mode) !== "file") return undefined;
      const bytes = this.store.get(entry.oid)?.bytes;
      // Who reads one file after the other waits for nothing, and would leave nobody else a turn.
      if (this.#turns.isDue(bytes?.length ?? 0)) await this.#turns.next();
      return bytes;
    });
  }

  changed(since: Snapshot): Promise<readonly PathChange[]> {
    return this.#local(async () => {
      const was = storedSnapshot(since);
      const changes = await diffTrees(
        { source: was.store, tree: was.parsed().tree },
        { source: this.store, tree: this.parsed().tree },
      );
      // Held until here: what nobody holds may be swept between two turns.
      was.parsed();
      return changes;
    });
  }

  info(): Promise<CommitInfo> {
    return this.#local(() => {
      const { oid, tree, parents, author, message } = this.parsed();
      return { oid, tree, parents, author, message };
    });
  }

  parsed(): ParsedCommit {
    return this.#parsed ??= this.#parse();
  }

  #parse(): ParsedCommit {
    const object = this.store.get(this.commit);
    if (object === undefined) throw new BugError(`Cannot read commit ${this.commit}: it is no longer in memory`);
    return parseCommit(this.commit, object);
  }

  async #local<T>(read: () => T | Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if (!(cause instanceof AnswerFault)) throw cause;
      throw new BugError(`Cannot read commit ${this.commit}: ${cause.message}`, { cause });
    }
  }
}

/** A snapshot as one of ours. Throws BugError for one that another implementation made. */
export function storedSnapshot(snapshot: Snapshot): StoredSnapshot {
  if (snapshot instanceof StoredSnapshot) return snapshot;
  throw new BugError(`Cannot use snapshot ${snapshot.commit}: it was not made by this Git adapter`);
}
