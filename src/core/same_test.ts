/** Equality without text: held to what the canonical JSON of both says. */
import { strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { canonicalJson } from "./digest.ts";
import { isSame } from "./same.ts";

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, 0, 1, -1.5, "", "a", "1"),
    fc.constant(undefined),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__", "length", "0"), tie("value"), { maxKeys: 3 }),
  ),
})).value;

Deno.test("isSame() agrees with canonical JSON", () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      strictEqual(isSame(a, b), canonicalJson(a) === canonicalJson(b));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("isSame() sees a copy as the same, and any one change in it", () => {
  fc.assert(fc.property(value, (a) => {
    strictEqual(isSame(a, structuredClone(a)), true);
    strictEqual(isSame({ a }, { a: [a] }), canonicalJson({ a }) === canonicalJson({ a: [a] }));
    strictEqual(isSame([a, 1], [a, 2]), false);
  }));
});

const ROWS: readonly (readonly [unknown, unknown, boolean])[] = [
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: undefined }, {}, true],
  [{}, { a: undefined }, true],
  [{ a: null }, {}, false],
  [[undefined], [null], true],
  [undefined, null, true],
  [[], {}, false],
  ["1", 1, false],
  [{ toString: 1 }, {}, false],
  [{}, { valueOf: 1 }, false],
];

for (const [a, b, same] of ROWS) {
  Deno.test(`isSame() of ${Deno.inspect(a)} and ${Deno.inspect(b)} is ${same}`, () => {
    strictEqual(isSame(a, b), same);
    strictEqual(isSame(a, b), canonicalJson(a) === canonicalJson(b));
  });
}
