import assert from "node:assert/strict";
import { RejectedError, UnavailableError } from "../src/errors.ts";
import { errorOfStatus, originOf, quoteWords, retryAfterMs } from "./http_status.ts";

const NOW = Date.UTC(2026, 0, 1);

const WISHES: readonly (readonly [header: string | undefined, wishMs: number | undefined])[] = [
  [undefined, undefined],
  ["", undefined],
  ["0", 0],
  [" 120 ", 120_000],
  ["-5", undefined],
  ["1.5", undefined],
  ["99999999999999999999", undefined],
  ["Thu, 01 Jan 2026 00:00:07 GMT", 7_000],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["soon", undefined],
];

for (const [header, wishMs] of WISHES) {
  Deno.test(`retryAfterMs() of ${JSON.stringify(header)} is ${wishMs}`, () => {
    assert.equal(retryAfterMs(header === undefined ? {} : { "retry-after": header }, NOW), wishMs);
  });
}

const STATUSES: readonly (readonly [status: number, isTransient: boolean, fix: string | undefined])[] = [
  [302, false, "look"],
  [400, false, "look"],
  [401, false, "log in"],
  [403, false, "log in"],
  [404, false, "look"],
  [408, true, undefined],
  [429, true, undefined],
  [500, true, undefined],
  [501, false, "look"],
  [503, true, undefined],
];

for (const [status, isTransient, fix] of STATUSES) {
  Deno.test(`errorOfStatus() takes ${status} for ${isTransient ? "not now" : "no for good"}`, () => {
    const answer = { status, headers: {}, body: "" };
    const error = errorOfStatus(answer, { what: "Cannot ask", words: "why", credentialsFix: "log in", fix: "look" });
    assert.ok(error instanceof (isTransient ? UnavailableError : RejectedError));
    assert.equal(error.message, `Cannot ask: it answers ${status}: why`);
    assert.equal(error.fix, fix);
  });
}

Deno.test("originOf() leaves out whatever may be a secret", () => {
  assert.equal(
    originOf("https://user:geheim@x.example.com:8443/geheim?key=geheim#geheim"),
    "https://x.example.com:8443",
  );
  assert.equal(originOf("geheim"), "an address that is not a URL");
  assert.equal(originOf("mailto:geheim"), "an address that is not a URL");
});

Deno.test("quoteWords() gives one bounded line without secrets", () => {
  assert.equal(quoteWords(" a\n\tb  c "), "a b c");
  assert.equal(quoteWords("token geheim, again geheim", ["geheim\n", "", " "]), "token [redacted], again [redacted]");
  assert.equal(quoteWords("x".repeat(1000)).length, 301);
});
