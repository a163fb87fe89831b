/**
 * SSH keys with the runtime's own cryptography: private Ed25519 keys in OpenSSH's format, and public keys of the kinds that
 * people sign with. Verifies signatures of SSH's kinds; knows nothing of what is signed.
 *
 * @see OpenSSH, PROTOCOL.key and PROTOCOL.u2f; RFC 8709, RFC 8332, RFC 5656
 */
import { createHash } from "node:crypto";
import { InvalidSpecError } from "../../../src/errors.ts";
import { concatBytes } from "./pkt_line.ts";
import { SshFormatError, SshReader, unarmour } from "./ssh_wire.ts";

const MAGIC = "openssh-key-v1\0";
const PRIVATE_KEY = "OPENSSH PRIVATE KEY";
/** PKCS #8 in front of the 32 bytes of an Ed25519 key. */
const PKCS8_ED25519 = Uint8Array.fromHex("302e020100300506032b657004220420");

export interface SshSigningKey {
  /** As in SSH's own format: kind and key. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** Whether a private key cannot be used without somebody who types. */
export function isKeyWithPassphrase(text: string): boolean {
  if (/^(Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY-----)/m.test(text)) return true;
  try {
    return openKey(text).text() !== "none";
  } catch (error) {
    if (!(error instanceof SshFormatError)) throw error;
    return false;
  }
}

/**
 * Reads a private key that signs.
 *
 * @param text of a file as ssh-keygen writes it
 * @throws {InvalidSpecError} it has a passphrase, is of another kind, or cannot be read
 */
export async function readSigningKey(text: string): Promise<SshSigningKey> {
  if (isKeyWithPassphrase(text)) throw unusable("it has a passphrase");
  try {
    const reader = openKey(text);
    for (let skipped = 0; skipped < 3; skipped++) reader.bytes();
    if (reader.number() !== 1) throw unusable("the file holds several keys");
    const publicKey = reader.bytes().slice();
    const inner = new SshReader(reader.bytes());
    if (inner.number() !== inner.number()) throw unusable("its two check numbers differ");
    const kind = inner.text();
    if (kind !== "ssh-ed25519") throw unusable(`it is of kind ${JSON.stringify(kind)}`);
    inner.bytes();
    const seed = inner.bytes().subarray(0, 32);
    const pkcs8 = concatBytes([PKCS8_ED25519, seed]);
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
    return {
      publicKey,
      sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes)),
    };
  } catch (error) {
    if (!(error instanceof SshFormatError)) throw error;
    throw unusable(error.message);
  }
}

function openKey(text: string): SshReader {
  const reader = new SshReader(unarmour(text.replaceAll("\r", ""), PRIVATE_KEY));
  if (new TextDecoder().decode(reader.take(MAGIC.length)) !== MAGIC) {
    throw new SshFormatError("it is of another version");
  }
  return reader;
}

/** The words hold nothing of the key. */
function unusable(why: string): InvalidSpecError {
  return new InvalidSpecError(`Cannot use the SSH key that commits are to be signed with: ${why}`, {
    fix: "Make one of kind ed25519 without a passphrase: ssh-keygen -t ed25519 -N '' -C serin.",
  });
}

/**
 * Whether a signature is of a key over bytes.
 *
 * @param publicKey in SSH's format
 * @param signature in SSH's format: kind and signature
 * @throws {SshFormatError} either cannot be read, or is of a kind that is not supported
 */
export async function verifySignature(
  publicKey: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = new SshReader(publicKey);
  const kind = key.text();
  const reader = new SshReader(signature);
  const algorithm = reader.text();
  const given = reader.bytes();
  switch (kind) {
    case "ssh-ed25519":
      if (algorithm !== kind) throw unsupported(kind, algorithm);
      return await verifyEd25519(key.bytes(), given, signed);
    case "sk-ssh-ed25519@openssh.com": {
      if (algorithm !== kind) throw unsupported(kind, algorithm);
      const point = key.bytes();
      const application = createHash("sha256").update(key.bytes()).digest();
      // Flags and a counter stand behind the signature, and are signed; bit 0 says that somebody was there.
      const [flags, counter] = [reader.take(1), reader.take(4)];
      const digest = createHash("sha256").update(signed).digest();
      const isTouched = ((flags[0] ?? 0) & 1) === 1;
      return isTouched && await verifyEd25519(point, given, concatBytes([application, flags, counter, digest]));
    }
    case "ssh-rsa":
      return await verifyRsa(key, { algorithm, given, signed });
    default:
      return await verifyEcdsa(key, { kind, algorithm, given, signed });
  }
}

async function verifyEd25519(
  point: Uint8Array<ArrayBuffer>,
  given: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (point.length !== 32 || given.length !== 64) throw new SshFormatError("a key or signature has a wrong length");
  const key = await crypto.subtle.importKey("raw", point, "Ed25519", false, ["verify"]);
  return await crypto.subtle.verify("Ed25519", key, given, signed);
}

interface Given {
  readonly algorithm: string;
  readonly given: Uint8Array<ArrayBuffer>;
  readonly signed: Uint8Array<ArrayBuffer>;
}

const RSA_HASHES: Readonly<Record<string, string>> = { "rsa-sha2-256": "SHA-256", "rsa-sha2-512": "SHA-512" };

async function verifyRsa(key: SshReader, { algorithm, given, signed }: Given): Promise<boolean> {
  const hash = RSA_HASHES[algorithm];
  if (hash === undefined) throw unsupported("ssh-rsa", algorithm);
  const [e, n] = [withoutZeros(key.bytes()), withoutZeros(key.bytes())];
  if (n.length < 256) throw new SshFormatError("an RSA key has fewer than 2048 bits");
  const jwk = { kty: "RSA", e: base64url(e), n: base64url(n) };
  const imported = await crypto.subtle.importKey("jwk", jwk, { name: "RSASSA-PKCS1-v1_5", hash }, false, ["verify"]);
  return await crypto.subtle.verify("RSASSA-PKCS1-v1_5", imported, padded(given, n.length), signed);
}

const CURVES: Readonly<Record<string, { readonly curve: string; readonly bytes: number; readonly hash: string }>> = {
  "ecdsa-sha2-nistp256": { curve: "P-256", bytes: 32, hash: "SHA-256" },
  "ecdsa-sha2-nistp384": { curve: "P-384", bytes: 48, hash: "SHA-384" },
};

async function verifyEcdsa(key: SshReader, { kind, algorithm, given, signed }: Given & { readonly kind: string }) {
  const curve = CURVES[kind];
  if (curve === undefined || algorithm !== kind) throw unsupported(kind, algorithm);
  key.bytes();
  const algorithmOf = { name: "ECDSA", namedCurve: curve.curve };
  const imported = await crypto.subtle.importKey("raw", key.bytes(), algorithmOf, false, ["verify"]);
  const numbers = new SshReader(given);
  const [r, s] = [numbers.bytes(), numbers.bytes()].map((one) => padded(withoutZeros(one), curve.bytes));
  const plain = concatBytes([r ?? new Uint8Array(0), s ?? new Uint8Array(0)]);
  return await crypto.subtle.verify({ name: "ECDSA", hash: curve.hash }, imported, plain, signed);
}

function withoutZeros(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array(0) : bytes.subarray(first);
}

function padded(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (bytes.length > length) throw new SshFormatError("a number in a signature is too long");
  return concatBytes([new Uint8Array(length - bytes.length), bytes]);
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function unsupported(kind: string, algorithm: string): SshFormatError {
  return new SshFormatError(`a key of kind ${JSON.stringify(kind)} with ${JSON.stringify(algorithm)} is not supported`);
}
