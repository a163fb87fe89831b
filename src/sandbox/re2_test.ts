/** Patterns mean the same as in RE2, or are refused. */
import { equal, throws } from "node:assert/strict";
import { compileRe2, PatternError } from "./re2.ts";

const ROWS: readonly (readonly [pattern: string, text: string, fits: boolean])[] = [
  ["a|bc", "a", true],
  ["a|bc", "abc", false],
  ["(?i)ABC", "abc", true],
  ["(?P<x>a)b", "ab", true],
  ["shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", "shop-6d4f-x1", true],
  ["shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", "shop-primary-6d4f-x1", false],
  [String.raw`a\\1`, String.raw`a\1`, true],
  ["", "", true],
];

for (const [pattern, text, fits] of ROWS) {
  Deno.test(`compileRe2 ${JSON.stringify(pattern)} ${fits ? "fits" : "does not fit"} ${JSON.stringify(text)}`, () => {
    equal(compileRe2(pattern).test(text), fits);
  });
}

Deno.test("compileRe2 refuses what the engines do not share, and what is broken", () => {
  for (const pattern of ["(?=a)", "(?<!a)b", String.raw`(a)\1`, String.raw`\Aa`, "[[:alpha:]]", "(", "a**"]) {
    throws(() => compileRe2(pattern), PatternError, pattern);
  }
});
