/**
 * Parts that many values have in common, kept once: what a thousand manifests say alike (ports, resources, an analysis) is
 * one object. For values that nobody changes. Does no I/O.
 */
import { Alike } from "./alike.ts";
import { exact } from "./exact.ts";
import { Recent } from "./recent.ts";

/** Parts that are remembered; what is unlike all others is soon pushed out by what comes again and again. */
const PARTS_MAX = 1024;

export class Shared {
  readonly #parts = new Recent<string, object>(PARTS_MAX, (_key, part) => this.#numbers.delete(part));
  /** Of parts that are remembered. */
  readonly #numbers = new WeakMap<object, number>();
  readonly #texts = new Alike();
  #next = 0;

  /** The same value, made of parts that were met before where there are such. Keys keep their order. */
  of<T>(value: T): T;
  of(value: unknown): unknown {
    if (!isPlain(value)) return value;
    const shared = this.#ofParts(value);
    const key = this.#keyOf(shared);
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    this.#parts.set(key, shared);
    return shared;
  }

  /** A text for later, which takes little room when it is like others. */
  text(text: string): () => string {
    const packed = this.#texts.pack(text);
    return () => this.#texts.unpack(packed);
  }

  /** The value itself where all of its parts stay as they are, else a copy of the same shape; lists without spare room. */
  #ofParts(value: Readonly<Record<string, unknown>> | readonly unknown[]): object {
    if (Array.isArray(value)) {
      const parts = value.map((part) => this.of(part));
      return exact(parts);
    }
    const fields = Object.entries(value).map(([name, part]) => [name, part, this.of(part)] as const);
    const changed = fields.filter(([, part, shared]) => part !== shared);
    return changed.length === 0
      ? value
      : Object.assign({ ...value }, ...changed.map(([name, , shared]) => ({ [name]: shared })));
  }

  /** Equal for two values of the same fields in the same order; parts are told by their identity. */
  #keyOf(value: object): string {
    const isList = Array.isArray(value);
    const parts = Object.entries(value).map(([name, part]) =>
      `${isList ? "" : JSON.stringify(name)}:${this.#tagOf(part)}`
    );
    return `${isList ? "[" : "{"}${parts.join()}`;
  }

  #tagOf(part: unknown): string {
    if (typeof part === "string") return JSON.stringify(part);
    if (typeof part !== "object" && typeof part !== "function" || part === null) {
      return `${typeof part} ${String(part)}`;
    }
    const number = this.#numbers.get(part) ?? this.#next++;
    this.#numbers.set(part, number);
    return `#${number}`;
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> | readonly unknown[] {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) ||
    Object.getPrototypeOf(value) === Object.prototype && !Object.hasOwn(value, "__proto__");
}
