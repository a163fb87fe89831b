/**
 * RE2 patterns, as Prometheus, Envoy and Istio read them, on JavaScript's engine. Both agree on what is translated
 * here; syntax that only one of them knows is refused, so that a pattern never means something else than in the field.
 */

/** Constructs that JavaScript has and RE2 refuses: look-around, back-references, \c and \k escapes. */
const ONLY_IN_JAVASCRIPT = /\(\?(?:=|!|<=|<!)|\\(?:[1-9]|k<|c[A-Za-z]|u\{?[0-9a-fA-F])/;
/** Constructs of RE2 that JavaScript lacks or reads otherwise: \A, \z, \Q…\E, \C, POSIX classes, Unicode classes, ungreedy. */
const ONLY_IN_RE2 = /\\[AzQECpP]|\[\[:|\(\?[a-zA-Z]*U/;

/** What is wrong with a pattern, in RE2's manner: "missing argument to repetition operator" and the like. */
export class PatternError extends Error {}

/**
 * A regular expression that must match the whole text.
 *
 * @param pattern RE2 syntax; a leading `(?i)`, `(?s)` or `(?m)` is understood
 * @throws {PatternError} the pattern is broken, or uses syntax that the two engines do not share
 */
export function compileRe2(pattern: string): RegExp {
  const { flags, rest } = splitFlags(pattern);
  // Escaped backslashes are blanked first, so that "\\1" (a backslash and a digit) is no back-reference.
  const bare = rest.replaceAll("\\\\", "\u0000\u0000");
  const foreign = ONLY_IN_JAVASCRIPT.exec(bare) ?? ONLY_IN_RE2.exec(bare);
  if (foreign !== null) throw new PatternError(`invalid or unsupported Perl syntax: \`${foreign[0]}\``);
  try {
    return new RegExp(`^(?:${rest.replaceAll("(?P<", "(?<")})$`, flags);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PatternError(`error parsing regexp: ${why}`, { cause });
  }
}

function splitFlags(pattern: string): { readonly flags: string; readonly rest: string } {
  const found = /^\(\?([ims]+)\)/.exec(pattern);
  const letters = new Set(found?.[1] ?? "");
  return { flags: [...letters].join(""), rest: pattern.slice(found?.[0].length ?? 0) };
}
