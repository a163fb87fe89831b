/** A bounded memory: what was asked for lately, and nothing else. A value that is gone is made again by who wants it. */

/** Forgets what was used longest ago as soon as it holds more than its bound. */
export class Recent<K, V> {
  readonly #max: number;
  readonly #values = new Map<K, V>();
  readonly #forgotten: (key: K, value: V) => void;

  /** @param forgotten told of each that is pushed out by others; not of those taken out by `delete` or `clear` */
  constructor(max: number, forgotten: (key: K, value: V) => void = () => {}) {
    this.#max = max;
    this.#forgotten = forgotten;
  }

  get(key: K): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    while (this.#values.size > this.#max) {
      const [oldest] = this.#values;
      if (oldest === undefined) return;
      this.#values.delete(oldest[0]);
      this.#forgotten(...oldest);
    }
  }

  delete(key: K): void {
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
