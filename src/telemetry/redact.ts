/**
 * Takes what looks like a credential out of text and fields before they are written anywhere. A last line of defence:
 * code that holds a secret keeps it out of messages in the first place.
 */

const HIDDEN = "[redacted]";
const DEPTH_MAX = 6;
const ITEMS_MAX = 100;
const TEXT_CHARS_MAX = 8_192;

/** Patterns of text that is or carries a credential, with what stays of each match. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, HIDDEN],
  // Userinfo of a URL, with or without a password.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/gi, `$1${HIDDEN}@`],
  [/\b(bearer)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  // Long enough not to be a word: "basic authentication" and "token verification" may stay.
  [/\b(basic|token)\s+[A-Za-z0-9._~+/=-]{16,}/gi, `$1 ${HIDDEN}`],
  [/\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*["']?)[^"'\r\n,}]+/gi, `$1$2${HIDDEN}`],
  [
    /\b([a-z0-9_-]*(?:token|secret|passw(?:or)?d|api[_-]?key|private[_-]?key|signature))(["']?\s*=\s*["']?|["']\s*:\s*["'])(?!\[)[^\s"'&,;}]+/gi,
    `$1$2${HIDDEN}`,
  ],
  // Tokens of forges, chats and clouds, and JSON Web Tokens, whatever they stand in.
  [/\b(?:gh[opusr]_|github_pat_|glpat-|gldt-|xox[abeprs]-|AKIA|ASIA)[A-Za-z0-9_-]{10,}/g, HIDDEN],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g, HIDDEN],
  // An incoming webhook's path is its credential.
  [/(hooks\.slack\.com\/services\/)[^\s"'<>]+/gi, `$1${HIDDEN}`],
];

/** Fields whose whole value is a credential, unless their name says that it only names one. */
const SECRET_KEY = /(token|secret|passw(or)?d|authorization|cookie|credential|api[-_]?key|private[-_]?key)s?$/i;

/** The text without what looks like a credential, cut at 8,192 characters. */
export function redactText(text: string): string {
  let clean = text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text;
  for (const [pattern, kept] of PATTERNS) clean = clean.replace(pattern, kept);
  return clean;
}

/**
 * A value made fit for JSON: text redacted, errors as their message and fix, bounded in depth and length.
 *
 * @param key the field it stands under, which alone may say that it is a secret
 */
export function redactValue(value: unknown, key = "", depth = 0): unknown {
  if (SECRET_KEY.test(key) && value !== null && value !== undefined) return HIDDEN;
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value;
  if (typeof value !== "object") return undefined;
  if (depth >= DEPTH_MAX) return "…";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => redactValue(item, "", depth + 1));
  const entries = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(entries.map(([name, inner]) => [name, redactValue(inner, name, depth + 1)]));
}

function redactError(error: Error, depth: number): unknown {
  const fix = "fix" in error && typeof error.fix === "string" ? { fix: redactText(error.fix) } : {};
  const cause = error.cause === undefined ? {} : { cause: redactValue(error.cause, "", depth + 1) };
  return { name: error.name, message: redactText(error.message), ...fix, ...cause };
}
