/** A packed text comes back as it was, and a long one takes less room. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { packBytes, packText, unpackBytes, unpackText } from "./packed.ts";

Deno.test("any text comes back as it was", () => {
  const texts = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ minLength: 2_000, maxLength: 5_000 }));
  fc.assert(fc.property(texts, (text) => equal(unpackText(packText(text)), text)));
});

Deno.test("any bytes come back as they were, whatever their number", () => {
  const bytes = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 350, maxLength: 600 }));
  fc.assert(fc.property(bytes, (given) => {
    deepEqual([...unpackBytes(packBytes(given))], [...given]);
  }));
});

Deno.test("a long text of a few words takes a fraction of its room", () => {
  const text = "kind: Deployment, replicas: 1\n".repeat(200);
  const packed = packText(text);
  ok(packed.length * 10 < text.length);
});
