/** A bounded memory holds the latest, counts asking as use, and tells what it pushed out. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { Recent } from "./recent.ts";

Deno.test("what was used longest ago goes first, and is told", () => {
  const gone: string[] = [];
  const recent = new Recent<string, number>(2, (key) => gone.push(key));
  recent.set("a", 1);
  recent.set("b", 2);
  equal(recent.get("a"), 1);
  recent.set("c", 3);
  deepEqual(gone, ["b"]);
  equal(recent.get("b"), undefined);
  equal(recent.get("a"), 1);
});

Deno.test("it never gives a value that was not the last one set, and never holds more than its bound", () => {
  const uses = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.option(fc.nat(), { nil: null })));
  fc.assert(fc.property(fc.integer({ min: 1, max: 3 }), uses, (max, list) => {
    const set = new Map<string, number>();
    const held = new Set<string>();
    const recent = new Recent<string, number>(max, (key) => held.delete(key));
    for (const [key, value] of list) {
      if (value === null) {
        const found = recent.get(key);
        if (found !== undefined) equal(found, set.get(key));
        equal(found !== undefined, held.has(key));
      } else {
        held.add(key);
        set.set(key, value);
        recent.set(key, value);
      }
      equal(held.size <= max, true);
    }
  }));
});
