/** Numbers, durations and quoted strings of PromQL, from text to value. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** Milliseconds of "1h30m", "90s" or a plain number of seconds; undefined when it is neither. */
export function parseDurationMs(text: string): number | undefined {
  const seconds = parseNumber(text);
  return seconds === undefined || !Number.isFinite(seconds) ? undefined : Math.round(seconds * 1000);
}

/** A number literal: decimal, hexadecimal, Inf, NaN, or a duration, which counts in seconds; undefined if none. */
export function parseNumber(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const bare = text.replace(/^[+-]\s*/, "").toLowerCase();
  if (bare === "inf") return sign * Infinity;
  if (bare === "nan") return NaN;
  if (/^0x[0-9a-f]+$/.test(bare)) return sign * Number(bare);
  if (/^(\d+(_\d+)*)?(\.\d+(_\d+)*)?(e[+-]?\d+(_\d+)*)?$/.test(bare) && bare !== "") {
    return sign * Number(bare.replaceAll("_", ""));
  }
  if (!/^(\d+(ms|[smhdwy]))+$/.test(bare)) return undefined;
  let ms = 0;
  for (const [, count, unit] of bare.matchAll(/(\d+)(ms|[smhdwy])/g)) ms += Number(count) * (UNIT_MS[unit ?? ""] ?? 0);
  return sign * ms / 1000;
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};

/** The value of a quoted literal, by Go's rules; undefined when it is not closed or holds an unknown escape. */
export function unquote(literal: string): string | undefined {
  const quote = literal[0];
  if (quote === undefined || literal.length < 2 || !literal.endsWith(quote)) return undefined;
  const inner = literal.slice(1, -1);
  if (quote === "`") return inner;
  let known = true;
  const escape = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]?))/g;
  const value = inner.replace(escape, (_all, hex, short, long, octal, single: string | undefined) => {
    const code: string | undefined = hex ?? short ?? long;
    if (code !== undefined) return String.fromCodePoint(Math.min(parseInt(code, 16), 0x10ffff));
    if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
    if (single === quote) return quote;
    const simple = single === undefined ? undefined : SIMPLE_ESCAPES[single];
    known = known && simple !== undefined;
    return simple ?? "";
  });
  return known ? value : undefined;
}
