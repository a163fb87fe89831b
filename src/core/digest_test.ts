/** Canonical JSON: one text for one content. */
import { equal, match, notEqual } from "node:assert/strict";
import fc from "fast-check";
import { canonicalJson, digestOf, digestText } from "./digest.ts";

for (
  const [name, value, text] of [
    ["sorts keys", { b: 1, a: { d: 2, c: 3 } }, '{"a":{"c":3,"d":2},"b":1}'],
    ["leaves undefined out of maps", { a: undefined, b: null }, '{"b":null}'],
    ["keeps null, empty maps and empty lists", [null, {}, []], "[null,{},[]]"],
    ["keeps a list's order", [2, 1], "[2,1]"],
    ["writes an undefined item as null", [undefined, 1], "[null,1]"],
    ["escapes as JSON does", { 'a"b': "ä\n" }, '{"a\\"b":"ä\\n"}'],
  ] as const
) {
  Deno.test(`canonicalJson() ${name}`, () => equal(canonicalJson(value), text));
}

Deno.test("canonicalJson() is JSON of the same value", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const plain: unknown = JSON.parse(JSON.stringify(value));
    equal(canonicalJson(JSON.parse(canonicalJson(plain))), canonicalJson(plain));
  }));
});

Deno.test("digestOf() tells contents apart, and is as long as asked", () => {
  equal(digestOf({ a: 1, b: 2 }), digestOf({ b: 2, a: 1 }));
  notEqual(digestOf({ a: 1 }), digestOf({ a: "1" }));
  match(digestOf({ a: 1 }, 40), /^[0-9a-f]{40}$/);
  equal(digestText("abc", 8), "ba7816bf");
});
