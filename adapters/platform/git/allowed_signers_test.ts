import assert from "node:assert/strict";
import { findSigner, parseAllowedSigners } from "./allowed_signers.ts";

const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIA";
const parse = (text: string) => parseAllowedSigners(text, "signers");

Deno.test("allowed signers are read with their comments, options and times", () => {
  const signers = parse(
    `# people\n\nada@example.com ssh-ed25519 ${KEY} Ada's laptop\r\n` +
      `"bob@example.com,carl@example.com" namespaces="file,git",valid-after="20260101",valid-before="202606151200Z" ` +
      `ssh-rsa ${KEY}b\nrelease namespaces="file" ssh-ed25519 ${KEY}c\n* NAMESPACES="g?t" ssh-ed25519 ${KEY}d\n`,
  );
  assert.deepEqual(signers, [
    { principals: "ada@example.com", key: KEY, validAfterMs: null, validBeforeMs: null },
    {
      principals: '"bob@example.com,carl@example.com"',
      key: `${KEY}b`,
      validAfterMs: Date.UTC(2026, 0, 1),
      validBeforeMs: Date.UTC(2026, 5, 15, 12),
    },
    { principals: "*", key: `${KEY}d`, validAfterMs: null, validBeforeMs: null },
  ]);
});

Deno.test("a key counts from its first to its last day, and a strange one never", () => {
  const signers = parse(
    `ada valid-before="20260201" ssh-ed25519 ${KEY}\nada valid-after="20260301" ssh-ed25519 ${KEY}\n`,
  );
  const at = (month: number, day: number) => findSigner(signers, KEY, Date.UTC(2026, month, day));
  assert.equal(typeof at(0, 31), "object");
  assert.match(String(at(1, 1)), /key of ada was not valid at 2026-02-01/);
  assert.equal(typeof at(2, 1), "object");
  assert.match(String(findSigner(signers, "other", 0)), /not among the allowed signers/);
});

Deno.test("what is not understood is refused by line, since a restriction that is passed over would let somebody in", () => {
  const rows = [
    ["ada", /line 1: it is no signer/],
    [`\nssh-ed25519 ${KEY}`, /line 2: it is no signer/],
    [`ada ssh-dss ${KEY}`, /no signer/],
    [`ada cert-authority ssh-ed25519 ${KEY}`, /certificates are not supported/],
    [`ada verify-required ssh-ed25519 ${KEY}`, /option "verify-required" is not known/],
    [`ada valid-before="tomorrow" ssh-ed25519 ${KEY}`, /"tomorrow" is no time/],
    [`ada valid-before="20261301" ssh-ed25519 ${KEY}`, /is no time/],
    ["ada ssh-ed25519 !!!", /no base64/],
    ["# nobody\n", /allows nobody/],
  ] as const;
  for (const [text, message] of rows) {
    assert.throws(() => parse(text), (error) => {
      assert.ok(error instanceof Error && error.name === "InvalidSpecError", text);
      assert.match(error.message, message);
      assert.match(error.message, /^Cannot use signers/);
      return true;
    });
  }
});
