/** Whether a live object still has every field that was applied: what a server added is not drift. */

/**
 * True when every field of `want` is in `live` with the same value. Lists of objects that carry a `name` (containers,
 * ports, env) are matched by it, other lists by position and length.
 */
export function isSubset(want: unknown, live: unknown): boolean {
  // Servers leave empty lists out.
  if (Array.isArray(want)) {
    return Array.isArray(live) ? listIsSubset(want, live) : want.length === 0 && live === undefined;
  }
  if (typeof want === "object" && want !== null) {
    if (typeof live !== "object" || live === null) return Object.keys(want).length === 0;
    const there = live as Record<string, unknown>;
    return Object.entries(want).every(([key, value]) => isSubset(value, there[key]));
  }
  if (want === live) return true;
  // Nor do they tell most zero values: a minReadySeconds of 0 never comes back.
  if (live === undefined && (want === 0 || want === "" || want === false)) return true;
  return sameQuantity(want, live);
}

/** Servers write quantities in their canonical form: 0.5 is 500m, 1000m is 1. */
function sameQuantity(want: unknown, live: unknown): boolean {
  if (typeof want !== "string" && typeof want !== "number") {
    return want === undefined || (want === null && live === undefined);
  }
  if (typeof live !== "string" && typeof live !== "number") return false;
  const a = quantity(String(want));
  const b = quantity(String(live));
  return a !== null && b !== null && a === b;
}

const SUFFIXES: Readonly<Record<string, number>> = {
  m: 0.001,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

function quantity(text: string): number | null {
  const match = /^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti|)$/.exec(text);
  if (match === null) return null;
  const factor = SUFFIXES[match[2] ?? ""];
  return factor === undefined ? null : Number(match[1]) * factor;
}

function named(item: unknown): string | null {
  if (typeof item !== "object" || item === null || !("name" in item)) return null;
  return typeof item.name === "string" ? item.name : null;
}

function listIsSubset(want: readonly unknown[], live: readonly unknown[]): boolean {
  if (want.length > 0 && want.every((item) => named(item) !== null)) {
    return want.every((item) => isSubset(item, live.find((other) => named(other) === named(item))));
  }
  return want.length === live.length && want.every((item, index) => isSubset(item, live[index]));
}
