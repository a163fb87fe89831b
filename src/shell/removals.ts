/**
 * Canaries that went from Git. One is believed at once; many at once, or all of a source, wait for a person: a broken
 * generator must not hand back a cluster.
 */
const WINDOW_MS = 3_600_000;
const FRACTION_MAX = 0.1;
const COUNT_MAX = 3;

export interface RemovalInput {
  /** Canaries of the source that have a state, or had one within the hour. */
  readonly known: readonly string[];
  readonly removed: readonly string[];
  /** By a clock that nobody sets, milliseconds. */
  readonly now: number;
}

export class Removals {
  /** When each canary was first seen to be gone. */
  readonly #since = new Map<string, number>();
  readonly #confirmed = new Set<string>();

  /** Keys of a source whose removal is held until somebody confirms it. */
  held(input: RemovalInput): ReadonlySet<string> {
    const { known, removed, now } = input;
    for (const key of removed) if (!this.#since.has(key)) this.#since.set(key, now);
    for (const key of known) if (!removed.includes(key)) this.#forget(key);
    const recent = [...this.#since].filter(([, since]) => now - since < WINDOW_MS).map(([key]) => key);
    const total = new Set([...known, ...recent]).size;
    const unconfirmed = removed.filter((key) => !this.#confirmed.has(key));
    const gone = new Set([...recent, ...removed]).size;
    const many = gone > COUNT_MAX && gone > total * FRACTION_MAX;
    const all = total > 0 && gone >= total;
    return new Set(many || all ? unconfirmed : []);
  }

  /** A person says that all that are gone now are really gone. */
  confirm(): number {
    const fresh = [...this.#since.keys()].filter((key) => !this.#confirmed.has(key));
    for (const key of fresh) this.#confirmed.add(key);
    return fresh.length;
  }

  #forget(key: string): void {
    this.#since.delete(key);
    this.#confirmed.delete(key);
  }
}
