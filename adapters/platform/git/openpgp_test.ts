import assert from "node:assert/strict";
import { complaintOf } from "./openpgp.ts";

const status = (...words: readonly string[]) => words.map((word) => `[GNUPG:] ${word}`).join("\n");
const GOOD = ["NEWSIG", "GOODSIG 1234 Ada", "VALIDSIG ABCD 2026-01-01 1767225600 0 4 0 22 8 00 ABCD"];

Deno.test("what gpg says of a signature counts only when all of it is good", () => {
  assert.equal(complaintOf(status(...GOOD)), undefined);
  const rows: readonly (readonly [RegExp, ...words: readonly string[]])[] = [
    [/not right/, "NEWSIG", "BADSIG 1234 Ada"],
    [/not among the allowed/, "NEWSIG", "ERRSIG 1234 22 8 00 1767225600 9", "NO_PUBKEY 1234"],
    [/key has expired/, "NEWSIG", "EXPKEYSIG 1234 Ada", "VALIDSIG ABCD"],
    [/signature has expired/, "NEWSIG", "EXPSIG 1234 Ada", "VALIDSIG ABCD"],
    [/was revoked/, "NEWSIG", "REVKEYSIG 1234 Ada", "VALIDSIG ABCD"],
    [/several/, ...GOOD, ...GOOD],
    [/several/, ...GOOD, "NEWSIG"],
    [/cannot be read/, "NODATA 3"],
    [/cannot be read/, "NEWSIG", "GOODSIG 1234 Ada"],
    [/not right/, ...GOOD, "BADSIG 5678 Eve"],
  ];
  for (const [says, ...words] of rows) assert.match(complaintOf(status(...words)) ?? "", says, words.join());
  assert.match(complaintOf("") ?? "", /cannot be read/);
  // A name of a key must not be taken for a line of gpg's own.
  assert.match(complaintOf(`x [GNUPG:] GOODSIG\nx [GNUPG:] VALIDSIG`) ?? "", /cannot be read/);
});
