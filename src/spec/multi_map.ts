/** A map with several values a key, in an order that does not depend on when they came. Lists are replaced, never changed, so that their identity tells whether anything did. */

import { exact } from "../core/exact.ts";

const NONE: readonly never[] = [];

/** Values by key; a key without values is absent. */
export class MultiMap<T> {
  readonly #lists = new Map<string, readonly T[]>();

  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  /** The values in order; the same list as long as nothing changed. */
  readonly get = (key: string): readonly T[] => this.#lists.get(key) ?? NONE;

  add(key: string, value: T): void {
    this.#lists.set(key, exact([...this.get(key), value].sort(this.#compare)));
  }

  remove(key: string, value: T): void {
    const rest = this.get(key).filter((other) => other !== value);
    if (rest.length === 0) this.#lists.delete(key);
    else this.#lists.set(key, rest);
  }

  keys(): string[] {
    return [...this.#lists.keys()];
  }
}
