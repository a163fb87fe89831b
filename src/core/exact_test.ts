/** A list for keeping says what was given, is nobody's to change, and an empty one takes no room. */
import { deepStrictEqual, equal, notEqual } from "node:assert/strict";
import { exact } from "./exact.ts";

Deno.test("a kept list has what was given, and does not follow who goes on with it", () => {
  const given = ["a", "b"];
  const kept = exact(given);
  given.push("c");
  deepStrictEqual(kept, ["a", "b"]);
  notEqual(kept, exact(kept));
});

Deno.test("all empty lists are one", () => equal(exact([]), exact<string>([])));
