/** Objects that nobody else has seen yet, over those of a store. */
import type { Oid } from "../../../src/ports/git.ts";
import { type GitObject, type ObjectSource, oidOf } from "./objects.ts";

/** New objects in front of a source that is left as it is, so a failed fetch or push leaves no trace. */
export class Overlay implements ObjectSource {
  readonly fresh = new Map<Oid, GitObject>();
  readonly #under: ObjectSource;

  constructor(under: ObjectSource) {
    this.#under = under;
  }

  get(oid: Oid): GitObject | undefined {
    return this.fresh.get(oid) ?? this.#under.get(oid);
  }

  /** Adds an object unless it is there already; returns its id. */
  put(object: GitObject): Oid {
    const oid = oidOf(object);
    if (this.get(oid) === undefined) this.fresh.set(oid, object);
    return oid;
  }
}
