/**
 * SSH signatures as Git has them: SSHSIG with the namespace "git". Signing is the key's; who may sign is said elsewhere.
 *
 * @see OpenSSH, PROTOCOL.sshsig
 */
import { createHash } from "node:crypto";
import { concatBytes } from "./pkt_line.ts";
import { type SshSigningKey, verifySignature } from "./ssh_keys.ts";
import { armour, SshFormatError, sshNumber, SshReader, sshString, unarmour } from "./ssh_wire.ts";

const MAGIC = new TextEncoder().encode("SSHSIG");
const ARMOUR = "SSH SIGNATURE";
const NAMESPACE = "git";
const VERSION = 1;
const HASHES: readonly string[] = ["sha256", "sha512"];

/** Signs bytes; returns armoured text that ends in a newline. */
export async function signWithSsh(key: SshSigningKey, payload: Uint8Array<ArrayBuffer>): Promise<string> {
  const signature = concatBytes([sshString("ssh-ed25519"), sshString(await key.sign(signedBytes("sha512", payload)))]);
  const parts = [key.publicKey, NAMESPACE, "", "sha512", signature].map((part) => sshString(part));
  return armour(concatBytes([MAGIC, sshNumber(VERSION), ...parts]), ARMOUR);
}

/** What a signature is made by, and whether it is right. */
export interface SshVerdict {
  /** In SSH's format. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly isGood: boolean;
}

/**
 * Checks a signature over bytes, whoever made it.
 *
 * @throws {SshFormatError} it cannot be read, is for something else than Git, or of a kind that is not supported
 */
export async function verifySshSignature(text: string, payload: Uint8Array<ArrayBuffer>): Promise<SshVerdict> {
  const reader = new SshReader(unarmour(text, ARMOUR));
  if (new TextDecoder().decode(reader.take(MAGIC.length)) !== "SSHSIG" || reader.number() !== VERSION) {
    throw new SshFormatError("it is of another version");
  }
  const publicKey = reader.bytes().slice();
  const namespace = reader.text();
  reader.bytes();
  const hash = reader.text();
  const signature = reader.bytes();
  reader.end();
  if (namespace !== NAMESPACE) throw new SshFormatError(`it is made for ${JSON.stringify(namespace)} and not for Git`);
  if (!HASHES.includes(hash)) throw new SshFormatError(`its hash ${JSON.stringify(hash)} is not supported`);
  return { publicKey, isGood: await verifySignature(publicKey, signature, signedBytes(hash, payload)) };
}

/** What the key really signs. */
function signedBytes(hash: string, payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const digest = createHash(hash).update(payload).digest();
  return concatBytes([MAGIC, ...[NAMESPACE, "", hash].map((part) => sshString(part)), sshString(digest)]);
}
