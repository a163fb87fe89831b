/** Names that were probably meant. */
import assert from "node:assert/strict";
import { editDistance, listed, nearest } from "./nearest.ts";

Deno.test("editDistance() counts insertions, deletions, replacements and swaps of neighbours", () => {
  const rows = [["", "", 0], ["abc", "abc", 0], ["abc", "", 3], ["abc", "abx", 1], ["abc", "acb", 1], [
    "stepWeigth",
    "stepWeight",
    1,
  ], [
    "kitten",
    "sitting",
    3,
  ]] as const;
  for (const [a, b, want] of rows) assert.equal(editDistance(a, b), want, `${a} ${b}`);
});

Deno.test("nearest() names what was probably meant, and nothing when nothing is near", () => {
  const known = ["threshold", "thresholdRange", "stepWeight", "stepWeights", "interval"];
  const rows = [
    ["treshold", "threshold"],
    ["thresholdrange", "thresholdRange"],
    ["threshold-range", "thresholdRange"],
    ["stepWeigths", "stepWeights"],
    ["banana", undefined],
    ["x".repeat(1000), undefined],
  ] as const;
  for (const [name, want] of rows) assert.equal(nearest(name, known), want, name);
});

Deno.test("listed() quotes names and cuts long lists", () => {
  assert.equal(listed([]), "none");
  assert.equal(listed(["a"]), '"a"');
  assert.equal(listed(["a", "b", "c"]), '"a", "b" or "c"');
  assert.match(listed(Array.from({ length: 15 }, (_, index) => `n${index}`)), /and 3 more$/);
});
