import assert from "node:assert/strict";
import fc from "fast-check";
import { splitSignature, withSignature } from "./signed_commit.ts";

const text = new TextEncoder();
const COMMIT = "tree a\nparent b\nauthor A <a> 1 +0000\ncommitter C <c> 1 +0000\n\nSubject\n\ngpgsig in the message\n";
const SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nAAAA\n\nBBBB\n-----END SSH SIGNATURE-----\n";

Deno.test("a signature that was put in comes out again, and what it covers is the commit as it was", () => {
  const signed = withSignature(text.encode(COMMIT), SIGNATURE);
  assert.match(
    new TextDecoder().decode(signed),
    /\+0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n \n BBBB\n -----END SSH SIGNATURE-----\n\nSubject/,
  );
  const { payload, signature } = splitSignature(signed);
  assert.equal(new TextDecoder().decode(payload), COMMIT);
  assert.equal(signature, SIGNATURE);
});

Deno.test("a commit without a signature is taken apart as it is, whatever bytes it holds", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const commit = new Uint8Array([...text.encode(COMMIT), ...bytes]);
    assert.deepEqual(splitSignature(commit), { payload: commit, signature: undefined });
    assert.deepEqual(splitSignature(withSignature(commit, SIGNATURE)).payload, commit);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const { payload, signature } = splitSignature(new Uint8Array(bytes));
    if (signature === undefined) assert.ok(payload.length <= bytes.length);
  }));
});

Deno.test("of several signatures the first counts, and other headers are covered", () => {
  const odd =
    "tree a\ngpgsig ONE\n more\ngpgsig-sha256 X\n y\nencoding ISO-8859-1\ngpgsig TWO\nmergetag object\n z\n\nm\n";
  const { payload, signature } = splitSignature(text.encode(odd));
  assert.equal(signature, "ONE\nmore\n");
  assert.equal(new TextDecoder().decode(payload), "tree a\nencoding ISO-8859-1\nmergetag object\n z\n\nm\n");
});
