/** SSH keys made on the spot, in the formats of ssh-keygen, so that no private key lies in a fixture. */
import { concatBytes } from "../../adapters/platform/git/pkt_line.ts";
import { armour, sshString } from "../../adapters/platform/git/ssh_wire.ts";

export interface MadeKey {
  /** As in a file of a private key. */
  readonly privateText: string;
  /** As in a file of a public key, without comment: kind and base64. */
  readonly publicText: string;
  /** The private key itself, 32 bytes. */
  readonly seed: Uint8Array<ArrayBuffer>;
  readonly publicBytes: Uint8Array<ArrayBuffer>;
}

/** A new Ed25519 key without passphrase. */
export async function makeSshKey(comment = "test"): Promise<MadeKey> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new TypeError("an Ed25519 key is a pair");
  // PKCS #8 ends in the key.
  const seed = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).slice(-32);
  const publicBytes = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const publicText = `ssh-ed25519 ${concatBytes([sshString("ssh-ed25519"), sshString(publicBytes)]).toBase64()}`;
  return { privateText: privateFile(seed, publicBytes, comment), publicText, seed, publicBytes };
}

/** @see OpenSSH, PROTOCOL.key */
function privateFile(seed: Uint8Array, publicBytes: Uint8Array, comment: string): string {
  const publicKey = concatBytes([sshString("ssh-ed25519"), sshString(publicBytes)]);
  const check = crypto.getRandomValues(new Uint8Array(4));
  const pair = sshString(concatBytes([seed, publicBytes]));
  const inner = concatBytes([check, check, publicKey, pair, sshString(comment)]);
  const padding = Uint8Array.from({ length: (8 - inner.length % 8) % 8 }, (_, index) => index + 1);
  const head = new TextEncoder().encode("openssh-key-v1\0");
  const one = Uint8Array.of(0, 0, 0, 1);
  const parts = [head, sshString("none"), sshString("none"), sshString(""), one, sshString(publicKey)];
  return armour(concatBytes([...parts, sshString(concatBytes([inner, padding]))]), "OPENSSH PRIVATE KEY");
}
