import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { makeSshKey } from "../../../test/support/ssh_keys.ts";
import { concatBytes } from "./pkt_line.ts";
import { isKeyWithPassphrase, readSigningKey } from "./ssh_keys.ts";
import { signWithSsh, verifySshSignature } from "./sshsig.ts";
import { armour, SshFormatError, sshNumber, sshString, unarmour } from "./ssh_wire.ts";

const PAYLOAD = new TextEncoder().encode("tree x\n\nmessage\n");
const ARMOUR = "SSH SIGNATURE";
const PRIVATE = "OPENSSH PRIVATE KEY";

Deno.test("a signature is right for its bytes and its key, and for nothing else", async () => {
  const made = await makeSshKey();
  const key = await readSigningKey(made.privateText);
  assert.equal(`ssh-ed25519 ${key.publicKey.toBase64()}`, made.publicText);
  const signature = await signWithSsh(key, PAYLOAD);
  const verdict = await verifySshSignature(signature, PAYLOAD);
  assert.deepEqual(verdict, { publicKey: key.publicKey, isGood: true });
  assert.equal((await verifySshSignature(signature, PAYLOAD.with(0, 0x54))).isGood, false);
  const crlf = await readSigningKey(made.privateText.replaceAll("\n", "\r\n"));
  assert.equal(await signWithSsh(crlf, PAYLOAD), signature);
});

Deno.test("no byte of a signature can be changed unnoticed", async () => {
  const signature = await signWithSsh(await readSigningKey((await makeSshKey()).privateText), PAYLOAD);
  const bytes = unarmour(signature, ARMOUR);
  for (let at = 0; at < bytes.length; at++) {
    const changed = armour(bytes.with(at, (bytes[at] ?? 0) ^ 1), ARMOUR);
    let isGood = false;
    try {
      isGood = (await verifySshSignature(changed, PAYLOAD)).isGood;
    } catch (error) {
      assert.ok(error instanceof SshFormatError || error instanceof DOMException, String(error));
    }
    assert.equal(isGood, false, `byte ${at}`);
  }
});

Deno.test("bytes that are no signature are refused in words, never with a crash", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
    const text = armour(concatBytes([new TextEncoder().encode("SSHSIG"), sshNumber(1), bytes]), ARMOUR);
    await assert.rejects(verifySshSignature(text, PAYLOAD), SshFormatError);
  }));
  await assert.rejects(verifySshSignature("nothing", PAYLOAD), /there is no SSH SIGNATURE/);
});

Deno.test("a signature made for files does not count for Git", async () => {
  const made = await makeSshKey();
  const key = await readSigningKey(made.privateText);
  const other = (namespace: string, hash: string) =>
    armour(
      concatBytes([
        new TextEncoder().encode("SSHSIG"),
        sshNumber(1),
        ...[key.publicKey, namespace, "", hash, ""].map((part) => sshString(part)),
      ]),
      ARMOUR,
    );
  await assert.rejects(verifySshSignature(other("file", "sha512"), PAYLOAD), /made for "file" and not for Git/);
  await assert.rejects(verifySshSignature(other("git", "sha1"), PAYLOAD), /hash "sha1" is not supported/);
});

Deno.test("a key on a security token counts only when somebody touched it", async () => {
  const made = await makeSshKey();
  const plain = await readSigningKey(made.privateText);
  const kind = "sk-ssh-ed25519@openssh.com";
  const publicKey = concatBytes([sshString(kind), sshString(made.publicBytes), sshString("ssh:")]);
  const hashOf = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest();
  const signedBy = async (flags: number) => {
    const digest = createHash("sha512").update(PAYLOAD).digest();
    const parts = ["git", "", "sha512"].map((part) => sshString(part));
    const signed = concatBytes([new TextEncoder().encode("SSHSIG"), ...parts, sshString(digest)]);
    const tail = concatBytes([Uint8Array.of(flags), sshNumber(7)]);
    const raw = await plain.sign(concatBytes([hashOf("ssh:"), tail, hashOf(signed)]));
    const signature = concatBytes([sshString(kind), sshString(raw), tail]);
    const whole = [publicKey, "git", "", "sha512", signature].map((part) => sshString(part));
    return armour(concatBytes([new TextEncoder().encode("SSHSIG"), sshNumber(1), ...whole]), ARMOUR);
  };
  assert.equal((await verifySshSignature(await signedBy(1), PAYLOAD)).isGood, true);
  assert.equal((await verifySshSignature(await signedBy(0), PAYLOAD)).isGood, false);
});

Deno.test("keys that cannot sign are refused with what to do, and are never shown", async () => {
  const made = await makeSshKey();
  const withPassphrase = armour(
    concatBytes([new TextEncoder().encode("openssh-key-v1\0"), sshString("aes256-ctr"), sshString("bcrypt")]),
    "OPENSSH PRIVATE KEY",
  );
  assert.equal(isKeyWithPassphrase(withPassphrase), true);
  assert.equal(isKeyWithPassphrase(made.privateText), false);
  assert.equal(isKeyWithPassphrase("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx"), true);
  const rows = [
    [withPassphrase, /it has a passphrase/],
    [armour(unarmour(made.privateText, PRIVATE).subarray(0, -60), PRIVATE), /it ends too early/],
    ["geheim", /there is no OPENSSH PRIVATE KEY/],
  ] as const;
  for (const [text, message] of rows) {
    await assert.rejects(readSigningKey(text), (error) => {
      assert.ok(error instanceof Error && error.name === "InvalidSpecError", String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes("geheim"));
      return true;
    });
  }
});
