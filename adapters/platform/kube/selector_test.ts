/** Label selectors, one requirement a row. */
import { equal, throws } from "node:assert/strict";
import { InvalidSpecError } from "../../../src/errors.ts";
import { parseSelector } from "./selector.ts";

const labels = { "app": "web", "tier": "", "example.com/part-of": "shop" };

const rows: readonly (readonly [string, boolean])[] = [
  ["", true],
  ["app", true],
  ["nope", false],
  ["!nope", true],
  ["!app", false],
  ["app=web", true],
  ["app==web", true],
  ["app = web", true],
  ["app=db", false],
  ["app!=db", true],
  ["app!=web", false],
  ["nope!=web", true],
  ["tier=", true],
  ["example.com/part-of=shop", true],
  ["app in (db, web)", true],
  ["app in (db)", false],
  ["nope in (web)", false],
  ["app notin (db)", true],
  ["app notin (db,web)", false],
  ["nope notin (web)", true],
  ["app in (web,db),tier,!nope", true],
  ["app=web,tier=x", false],
];
for (const [selector, expected] of rows) {
  Deno.test(`"${selector}" ${expected ? "selects" : "does not select"}`, () => {
    equal(parseSelector(selector)(labels), expected);
  });
}

Deno.test("anything else is refused, naming the part", () => {
  for (const selector of ["app~web", "app in web", "a=b=c", "app>1"]) {
    throws(() => parseSelector(`ok,${selector}`), InvalidSpecError);
  }
});
