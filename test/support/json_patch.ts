/** Applies JSON patches with the operations that ours use, "add" and "test", as RFC 6902 has them. */
import { deepStrictEqual } from "node:assert/strict";

/** Whether a value is an object with keys. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A patched copy. Throws when an operation does not fit. */
export function patched(value: unknown, patch: readonly unknown[]): unknown {
  return patch.reduce((now, step) => {
    if (!isObject(step) || typeof step["path"] !== "string") throw new TypeError("a step of a patch has no path");
    const path = step["path"].split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    if (step["op"] === "test") {
      deepStrictEqual(path.reduce<unknown>(child, now), step["value"], step["path"]);
      return now;
    }
    if (step["op"] !== "add") throw new TypeError(`the operation ${step["op"]} is not known here`);
    return added(now, path, step["value"]);
  }, value);
}

function child(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  return isObject(value) ? value[key] : undefined;
}

function added(value: unknown, [key = "", ...rest]: readonly string[], what: unknown): unknown {
  const inner = rest.length === 0 ? what : added(child(value, key), rest, what);
  if (Array.isArray(value)) {
    const index = key === "-" ? value.length : Number(key);
    if (!Number.isInteger(index) || index > value.length) throw new TypeError(`there is no place ${key} in a list`);
    return value.toSpliced(index, rest.length === 0 ? 0 : 1, inner);
  }
  if (isObject(value)) return { ...value, [key]: inner };
  throw new TypeError(`there is nothing at ${key}`);
}
