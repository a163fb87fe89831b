/**
 * Whether two values say the same, as their canonical JSON would: key order does not matter, and what is undefined is
 * not there. Parts that are one object cost nothing, so comparing a state with its successor costs what changed.
 */

export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isSame(item ?? null, b[index] ?? null));
  }
  if (!isMap(a) || !isMap(b)) return (a ?? null) === (b ?? null);
  for (const [key, value] of Object.entries(a)) {
    if (value !== undefined && !(Object.hasOwn(b, key) && b[key] !== undefined && isSame(value, b[key]))) return false;
  }
  return Object.entries(b).every(([key, value]) =>
    value === undefined || Object.hasOwn(a, key) && a[key] !== undefined
  );
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
