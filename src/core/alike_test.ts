/** Texts that are like another come back as they were, and take a fraction of their room. */
import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Alike } from "./alike.ts";

function service(name: string, more = ""): string {
  const labels = { app: name, "app.kubernetes.io/managed-by": "serin", "serin.dev/canary-name": name };
  const ports = [{ name: "http", protocol: "TCP", port: 80, targetPort: 9898 }];
  return JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name, labels }, spec: { ports }, more });
}

Deno.test("whatever texts there are, each comes back as it was", () => {
  const any = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ minLength: 200, maxLength: 4_000 }));
  const like = fc.tuple(fc.string({ unit: "grapheme", maxLength: 20 }), any).map(([name, more]) => service(name, more));
  fc.assert(fc.property(fc.array(fc.oneof(any, like), { maxLength: 40 }), (texts) => {
    const alike = new Alike();
    const packed = texts.map((text) => alike.pack(text));
    packed.forEach((one, index) => equal(alike.unpack(one), texts[index]));
  }));
});

Deno.test("a text like an earlier one takes a fraction of its room, whichever of several it is like", () => {
  const alike = new Alike();
  const other = (name: string) => `kind: Primary\nmetadata: ${"a b c d ".repeat(40)}\nname: ${name}\n`;
  for (const first of [service("shop-00000"), other("shop-00000")]) alike.pack(first);
  for (const text of [service("shop-00731"), other("shop-00731"), service("shop-00732")]) {
    const packed = alike.pack(text);
    ok(packed.length * 4 < text.length, `${packed.length} of ${text.length}`);
    equal(alike.unpack(packed), text);
  }
});

Deno.test("a text too long for an example, and one with long pieces in common, come back as they were", () => {
  const alike = new Alike();
  const long = "0123456789abcdef".repeat(4_000);
  for (const text of [`${long}${long}`, long, `${long}${long}x`, `${long}y`]) {
    equal(alike.unpack(alike.pack(text)), text);
  }
});
