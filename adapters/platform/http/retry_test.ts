import assert from "node:assert/strict";
import { isRetried, nextWaitMs, RETRIES_MAX } from "./retry.ts";

Deno.test("isRetried() is 429 and 5xx but 501", () => {
  const retried = [200, 202, 302, 400, 403, 408, 429, 500, 501, 502, 503, 599].filter(isRetried);
  assert.deepEqual(retried, [429, 500, 502, 503, 599]);
});

const WAITS:
  readonly (readonly [failed: number, retries: number, wishMs: number | undefined, waitMs: number | null])[] = [
    [1, 0, undefined, null],
    [1, 1, undefined, 1_000],
    [2, 1, undefined, null],
    [2, 9, undefined, 2_000],
    [3, 9, undefined, 4_000],
    [5, 9, undefined, 16_000],
    [6, 9, undefined, 30_000],
    [9, 9, undefined, 30_000],
    [1, 1, 0, 0],
    [1, 1, 7_000, 7_000],
    [1, 1, 60_000, 60_000],
    [1, 1, 60_001, null],
    [1, 0, 1_000, null],
    [RETRIES_MAX + 1, 1_000_000, undefined, null],
  ];

for (const [failed, retries, wishMs, waitMs] of WAITS) {
  Deno.test(`nextWaitMs() after ${failed} of ${retries} retries, wish ${wishMs}, is ${waitMs}`, () => {
    assert.equal(nextWaitMs(failed, retries, wishMs), waitMs);
  });
}
