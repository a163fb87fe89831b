/**
 * Signs our commits with an SSH key or an OpenPGP key, whichever lies there now. The key is read again for each push, so
 * that a rotated one is used at once.
 */
import { InvalidSpecError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { OpenPgpKeyring } from "./openpgp.ts";
import { readSigningKey } from "./ssh_keys.ts";
import { signWithSsh } from "./sshsig.ts";

/** The text of a private key: OpenSSH's format, or armoured OpenPGP. */
export type SigningKeySource = (signal?: AbortSignal) => Promise<string>;

/** Our public key, for whoever checks signatures: what we signed ourselves is always allowed. */
export type OwnKey =
  | { readonly type: "ssh"; readonly key: string }
  | { readonly type: "openpgp"; readonly armoured: string };

/** A key that signs. */
export interface CommitSigner {
  readonly own: OwnKey;
  sign(payload: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<string>;
}

interface Loaded {
  readonly text: string;
  readonly signer: CommitSigner;
  close(): Promise<void>;
}

export class Signing {
  readonly #source: SigningKeySource;
  readonly #clock: Clock;
  #loaded: Loaded | undefined;

  constructor(source: SigningKeySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** @throws {InvalidSpecError} the key cannot be used */
  async signer(signal?: AbortSignal): Promise<CommitSigner> {
    const text = await this.#source(signal);
    if (this.#loaded?.text !== text) {
      await this.close();
      this.#loaded = await load(text, this.#clock, signal);
    }
    return this.#loaded.signer;
  }

  async close(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.close();
  }
}

async function load(text: string, clock: Clock, signal: AbortSignal | undefined): Promise<Loaded> {
  if (text.includes("-----BEGIN OPENSSH PRIVATE KEY-----")) {
    const key = await readSigningKey(text);
    const own: OwnKey = { type: "ssh", key: key.publicKey.toBase64() };
    return { text, signer: { own, sign: (payload) => signWithSsh(key, payload) }, close: () => Promise.resolve() };
  }
  if (text.includes("-----BEGIN PGP PRIVATE KEY BLOCK-----")) {
    const keyring = new OpenPgpKeyring(text, clock);
    try {
      const own: OwnKey = { type: "openpgp", armoured: await keyring.publicKeys(signal) };
      const sign: CommitSigner["sign"] = (payload, given) => keyring.sign(payload, given);
      return { text, signer: { own, sign }, close: () => keyring.close() };
    } catch (error) {
      await keyring.close();
      throw error;
    }
  }
  throw new InvalidSpecError("Cannot use the key that commits are to be signed with: it is of no known format", {
    fix:
      "Give an SSH key as ssh-keygen -t ed25519 writes it, or a secret key as gpg --armor --export-secret-keys does.",
  });
}
