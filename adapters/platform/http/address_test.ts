import assert from "node:assert/strict";
import { InvalidSpecError } from "../../../src/errors.ts";
import { basicOf, describeFailure, labelOf, parseAddress } from "./address.ts";

Deno.test("parseAddress() takes the userinfo out of the URL", () => {
  const { url, userinfo } = parseAddress("https://us%40er:p%C3%A4%3Ass@x.example.com/a?b=c#d");
  assert.equal(url.href, "https://x.example.com/a?b=c");
  assert.deepEqual(userinfo, { username: "us@er", password: "pä:ss" });
  assert.equal(parseAddress("http://x.example.com/").userinfo, null);
  assert.equal(parseAddress("http://100%@x.example.com/").userinfo?.username, "100%");
});

Deno.test("basicOf() encodes UTF-8", () => {
  assert.equal(basicOf({ username: "u", password: "ä" }), "Basic dTrDpA==");
});

for (
  const text of ["", "geheim", "http://", "ftp://x.example.com/geheim", "file:///geheim", "x.example.com:80/geheim"]
) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)} without repeating it`, () => {
    assert.throws(() => parseAddress(text), (error: unknown) => {
      return error instanceof InvalidSpecError && !`${error.message} ${error.fix}`.includes("geheim");
    });
  });
}

Deno.test("labelOf() tells where a URL leads, and only whether anything follows", () => {
  assert.equal(labelOf(new URL("https://x.example.com:8443/")), "https://x.example.com:8443");
  assert.equal(labelOf(new URL("https://x.example.com/geheim")), "https://x.example.com/…");
  assert.equal(labelOf(new URL("https://x.example.com/?geheim")), "https://x.example.com/…");
});

const FAILURES: readonly (readonly [cause: string, reason: string, isFinal: boolean])[] = [
  ["client error (Connect): tcp connect error: Connection refused (os error 111)", "the connection was refused", false],
  ["client error (Connect): dns error: failed to lookup address information", "its name cannot be resolved", false],
  ["client error (Connect): invalid peer certificate: UnknownIssuer", "its certificate is not trusted", true],
  ["client error (SendRequest): connection closed before message completed", "the answer was cut off", false],
  ["connection error: Connection reset by peer (os error 104)", "the connection was reset", false],
  ["something new", "the connection failed", false],
];

for (const [cause, reason, isFinal] of FAILURES) {
  Deno.test(`describeFailure() knows "${reason}", and keeps nothing of the URL`, () => {
    const url = "http://u:geheim@x.example.com/certificate?key=geheim";
    const error = new TypeError("fetch failed", {
      cause: new Error(`error sending request for url (${url}): ${cause}`),
    });
    const failure = describeFailure(error);
    assert.equal(failure.reason, reason);
    assert.equal(failure.isFinal, isFinal);
  });
}
