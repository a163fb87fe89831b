import assert from "node:assert/strict";
import { parseRetryAfter, statusError } from "./http_status.ts";

const NOW_MS = 1_767_225_600_000;

Deno.test("statuses say whether another try is worth it", () => {
  const rows: readonly (readonly [status: number, disposition: string, headers?: Record<string, string>])[] = [
    [301, "retry"],
    [400, "reject"],
    [401, "reject"],
    [403, "reject"],
    [403, "retry", { "retry-after": "3" }],
    [404, "reject"],
    [408, "retry"],
    [413, "reject"],
    [429, "retry"],
    [500, "retry"],
    [503, "retry"],
  ];
  for (const [status, disposition, headers] of rows) {
    const answer = { status, headers: new Headers(headers), words: "", url: "https://git.example.com/a", now: NOW_MS };
    assert.equal(statusError(answer).disposition, disposition, String(status));
  }
});

Deno.test("Retry-After is read as seconds or a date, and bounded", () => {
  assert.equal(parseRetryAfter("5", NOW_MS), 5000);
  assert.equal(parseRetryAfter("Thu, 01 Jan 2026 00:01:00 GMT", NOW_MS), 60_000);
  assert.equal(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", NOW_MS), 0);
  assert.equal(parseRetryAfter("999999999", NOW_MS), 3_600_000);
  assert.equal(parseRetryAfter("soon", NOW_MS), undefined);
  assert.equal(parseRetryAfter(null, NOW_MS), undefined);
});
