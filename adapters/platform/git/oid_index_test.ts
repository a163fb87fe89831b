/** The index against a map of texts, over whatever is added and let go. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { NumberSet, OidIndex } from "./oid_index.ts";

/** Few different words, so that ids collide in their beginnings, as only somebody's on purpose would. */
const oids = fc.array(fc.constantFrom("00000000", "00000010", "ffffffff", "7fffffff", "80000000"), {
  minLength: 5,
  maxLength: 5,
}).map((words) => words.join(""));

Deno.test("an id has one number as long as it is held, and numbers are used again", () => {
  fc.assert(fc.property(fc.array(fc.tuple(oids, fc.boolean()), { maxLength: 200 }), (steps) => {
    const index = new OidIndex();
    const held = new Map<string, number>();
    for (const [oid, isAdded] of steps) {
      assert.equal(index.find(oid), held.get(oid) ?? -1);
      if (isAdded && !held.has(oid)) held.set(oid, index.add(oid));
      if (!isAdded && held.delete(oid)) {
        const kept = new Set(held.values());
        index.retain((number) => kept.has(number));
      }
      assert.equal(index.size, held.size);
    }
    assert.equal(new Set(held.values()).size, held.size);
    for (const [oid, number] of held) {
      assert.equal(index.findBytes(Uint8Array.fromHex(`abcd${oid}`), 2), number);
      assert.equal(index.oidOf(number), oid);
      assert.ok(index.holds(number) && number < index.end);
    }
    assert.ok(index.end <= steps.length);
  }));
});

Deno.test("what is no id is not found", () => {
  const index = new OidIndex();
  const oid = "0".repeat(40);
  for (const text of ["", oid]) assert.equal(index.find(text), -1);
  index.add(oid);
  for (const text of ["", "0".repeat(39), "0".repeat(41), `${"0".repeat(39)}g`, `${"0".repeat(39)}é`, "A".repeat(40)]) {
    assert.equal(index.find(text), -1, text);
  }
  assert.equal(index.find(oid), 0);
});

Deno.test("a set of numbers grows with them and lists them in order", () => {
  fc.assert(fc.property(fc.array(fc.nat(3000)), fc.nat(40), (numbers, end) => {
    const set = new NumberSet(end);
    const wanted = new Set<number>();
    for (const number of numbers) {
      assert.equal(set.add(number), !wanted.has(number));
      wanted.add(number);
    }
    assert.deepEqual([...set], [...wanted].sort((a, b) => a - b));
    assert.equal(set.size, wanted.size);
    assert.ok(!set.has(-1));
  }));
});
