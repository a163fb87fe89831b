/** What is shared is equal to what was given, and equal parts of two values are one. */
import { deepStrictEqual, equal, notEqual } from "node:assert/strict";
import fc from "fast-check";
import { Shared } from "./shared.ts";

Deno.test("whatever the values, each stays equal to itself, in its order of keys", () => {
  const some = fc.anything({ withMap: true, withDate: true, maxDepth: 4 });
  fc.assert(fc.property(fc.array(some), (values) => {
    const shared = new Shared();
    for (const value of values) {
      const before = structuredClone(value);
      const made = shared.of(value);
      deepStrictEqual(made, value);
      deepStrictEqual(value, before);
      if (isRecord(value) && isRecord(made)) deepStrictEqual(Object.keys(made), Object.keys(value));
    }
  }));
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

Deno.test("equal parts of different values are one object", () => {
  const shared = new Shared();
  const make = (name: string) => ({ name, ports: [{ port: 80, labels: {} }], limits: { memory: "64Mi" } });
  const [a, b] = [shared.of(make("a")), shared.of(make("b"))];
  deepStrictEqual([a, b], [make("a"), make("b")]);
  equal(a.ports, b.ports);
  equal(a.limits, b.limits);
  equal(shared.of(make("a")), a);
});

Deno.test("what only looks alike is not one", () => {
  const shared = new Shared();
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [{ a: 1 }, { a: "1" }],
    [{ a: null }, { a: undefined }],
    [{ a: Infinity }, { a: null }],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [["a,b"], ["a", "b"]],
    [{ 0: "a" }, ["a"]],
    [{}, { a: undefined }],
  ];
  for (const [left, right] of pairs) notEqual(shared.of(left), shared.of(right));
});

Deno.test("texts come back as they were, though only the difference from another is kept", () => {
  const shared = new Shared();
  const texts = ["a", "b"].map((name) => `kind: Canary\nname: ${name}\n${"analysis: { interval: 10s }\n".repeat(20)}`);
  deepStrictEqual(texts.map((text) => shared.text(text)).map((again) => again()), texts);
});
