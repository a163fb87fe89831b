/** Some of the objects of a store, named by their numbers: what a commit needs of a pack, without copies of it. */
import type { Oid } from "../../../src/ports/git.ts";
import type { Chosen, ObjectStore } from "./object_store.ts";
import type { GitObject, GitObjects } from "./objects.ts";
import type { NumberSet } from "./oid_index.ts";

/** Valid as long as its store is neither swept nor moved into another. */
export class StorePart implements GitObjects, Chosen {
  readonly store: ObjectStore;
  readonly numbers: NumberSet;

  constructor(store: ObjectStore, numbers: NumberSet) {
    this.store = store;
    this.numbers = numbers;
  }

  get size(): number {
    return this.numbers.size;
  }

  get(oid: Oid): GitObject | undefined {
    return this.has(oid) ? this.store.get(oid) : undefined;
  }

  has(oid: Oid): boolean {
    return this.numbers.has(this.store.find(oid));
  }

  *keys(): Generator<Oid> {
    for (const number of this.numbers) yield this.store.oidAt(number);
  }

  *values(): Generator<GitObject> {
    for (const number of this.numbers) yield this.store.read(number);
  }

  *[Symbol.iterator](): Generator<readonly [Oid, GitObject]> {
    for (const number of this.numbers) yield [this.store.oidAt(number), this.store.read(number)];
  }
}
