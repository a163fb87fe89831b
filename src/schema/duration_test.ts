/** Durations in Go's notation. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

Deno.test("parseDuration() reads Go's notation", () => {
  const rows = [["1m", 60_000], ["90s", 90_000], ["1m30s", 90_000], ["500ms", 500], ["1.5h", 5_400_000], ["0", 0], [
    "0s",
    0,
  ], ["1us", 0]] as const;
  for (const [text, want] of rows) assert.equal(parseDuration(text), want, text);
});

Deno.test("parseDuration() refuses what is not a duration", () => {
  for (const text of ["", "1", "m", "1 m", "1d", "-1s", "1m30", "1min", "١s", "1e3s", `${"9".repeat(400)}h`]) {
    assert.equal(parseDuration(text), null, text);
  }
});

Deno.test("formatDuration() is read back by parseDuration()", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 1e12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
});
