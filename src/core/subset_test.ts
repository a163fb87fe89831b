/** What a server added is not drift; what is missing or changed is. */
import { equal } from "node:assert/strict";
import fc from "fast-check";
import { isSubset } from "./subset.ts";

const container = { name: "app", image: "shop:1" };

for (
  const [name, want, live, is] of [
    ["equal maps", { a: 1 }, { a: 1 }, true],
    ["a field that a server added", { a: 1 }, { a: 1, b: 2 }, true],
    ["a missing field", { a: 1 }, {}, false],
    ["a changed field", { a: 1 }, { a: 2 }, false],
    ["an empty map where there is none", { a: {} }, {}, true],
    ["an empty list that a server left out", { a: [] }, {}, true],
    ["a null where there is nothing", { a: null }, {}, true],
    ["null against a value", { a: null }, { a: 1 }, false],
    ["a map against a text", { a: { b: 1 } }, { a: "b" }, false],
    ["a list against a map", { a: [1] }, { a: { 0: 1 } }, false],
    ["named items in another order", [container, { name: "side" }], [{ name: "side" }, container], true],
    ["a named item more", [container], [{ name: "injected" }, container], true],
    ["a named item less", [container, { name: "side" }], [container], false],
    ["a named item with a default", [container], [{ ...container, imagePullPolicy: "Always" }], true],
    ["a named item that changed", [container], [{ ...container, image: "shop:2" }], false],
    ["a plain list in another order", [1, 2], [2, 1], false],
    ["a plain list that grew", [1], [1, 2], false],
    ["half a core", "0.5", "500m", true],
    ["a whole core", 1, "1000m", true],
    ["a gibibyte", "1Gi", "1024Mi", true],
    ["other amounts", "1Gi", "1G", false],
    ["texts that are no quantities", "1.0.0", "1.0", false],
    ["a port as text is the number, as for quantities", "8080", 8080, true],
  ] as const
) {
  Deno.test(`isSubset() ${name}: ${is}`, () => equal(isSubset(want, live), is));
}

Deno.test("isSubset() every JSON value is a subset of itself", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => isSubset(value, value)));
});

Deno.test("isSubset() adding a field to a map never breaks it", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => isSubset(value, { ...value, "serin-test": 1 })),
  );
});
