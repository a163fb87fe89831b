import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeName, encodeName } from "./entry_name.ts";

Deno.test("any bytes survive as a name", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert.deepEqual([...encodeName(decodeName(bytes))], [...bytes]);
  }));
});

Deno.test("names in UTF-8 read as what they are, others are told apart", () => {
  assert.equal(decodeName(new TextEncoder().encode("grün-😀.yaml")), "grün-😀.yaml");
  assert.notEqual(decodeName(Uint8Array.of(0x61, 0xff)), decodeName(Uint8Array.of(0x61, 0xfe)));
  assert.equal(decodeName(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
});
