/** A map with several values a key. Lists are replaced, never changed, so that their identity tells whether anything did. */

const NONE: readonly never[] = [];

export class MultiMap<T> {
  readonly #lists = new Map<string, readonly T[]>();

  /** The values in the order they were added; the same list as long as nothing changed. */
  get(key: string): readonly T[] {
    return this.#lists.get(key) ?? NONE;
  }

  add(key: string, value: T): void {
    this.#lists.set(key, [...this.get(key), value]);
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
