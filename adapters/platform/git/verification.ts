/**
 * Whether a commit is signed by somebody who may. A signature vouches for the commit and for everything below it, as with
 * Flux and Argo CD. What cannot be checked does not count as signed.
 */
import { SerinError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { findSigner, parseAllowedSigners } from "./allowed_signers.ts";
import { parseCommit } from "./commit.ts";
import type { GitObject } from "./objects.ts";
import { OpenPgpKeyring } from "./openpgp.ts";
import { splitSignature } from "./signed_commit.ts";
import type { OwnKey } from "./signing.ts";
import { verifySshSignature } from "./sshsig.ts";
import { SshFormatError } from "./ssh_wire.ts";

/** Who may sign. */
export interface SignaturePolicy {
  /** A file of allowed signers. */
  readonly ssh?: { readonly text: string; readonly name: string } | undefined;
  /** Armoured public keys. */
  readonly openpgp?: string | undefined;
}

/** Asked at each look, so that a key that is taken away does not count any more. */
export type PolicySource = (signal?: AbortSignal) => Promise<SignaturePolicy>;

export class Verification {
  readonly #source: PolicySource;
  readonly #clock: Clock;
  #keyring: { readonly armoured: string; readonly ring: OpenPgpKeyring } | undefined;

  constructor(source: PolicySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /**
   * Why a commit does not count as signed; undefined when it does.
   *
   * @param own our own key, which is allowed
   * @throws {InvalidSpecError} the policy cannot be read
   */
  async complaint(
    oid: string,
    commit: GitObject,
    with_: { readonly own: OwnKey | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<string | undefined> {
    const { own, signal } = with_;
    const policy = await this.#source(signal);
    const { payload, signature } = splitSignature(commit.bytes);
    if (signature === undefined) return "it is not signed";
    if (signature.startsWith("-----BEGIN SSH SIGNATURE-----")) {
      const { committedMs } = parseCommit(oid, commit);
      return await sshComplaint(signature, payload, { policy, own, committedMs });
    }
    if (/^-----BEGIN PGP (SIGNATURE|MESSAGE)-----/.test(signature)) {
      const keys = [policy.openpgp ?? "", own?.type === "openpgp" ? own.armoured : ""].filter((text) => text !== "");
      if (keys.length === 0) return "it is signed with OpenPGP, and no OpenPGP key is allowed";
      return await (await this.#ringOf(keys.join("\n"))).complaint(signature, payload, signal);
    }
    return "its signature is neither SSH's nor OpenPGP's";
  }

  async close(): Promise<void> {
    const keyring = this.#keyring;
    this.#keyring = undefined;
    await keyring?.ring.close();
  }

  async #ringOf(armoured: string): Promise<OpenPgpKeyring> {
    if (this.#keyring?.armoured !== armoured) {
      await this.close();
      this.#keyring = { armoured, ring: new OpenPgpKeyring(armoured, this.#clock) };
    }
    return this.#keyring.ring;
  }
}

async function sshComplaint(
  signature: string,
  payload: Uint8Array<ArrayBuffer>,
  with_: { readonly policy: SignaturePolicy; readonly own: OwnKey | undefined; readonly committedMs: number },
): Promise<string | undefined> {
  const { policy, own, committedMs } = with_;
  const signers = policy.ssh === undefined ? [] : parseAllowedSigners(policy.ssh.text, policy.ssh.name);
  try {
    const { publicKey, isGood } = await verifySshSignature(signature, payload);
    if (!isGood) return "its SSH signature is not right";
    const key = publicKey.toBase64();
    if (own?.type === "ssh" && own.key === key) return undefined;
    const signer = findSigner(signers, key, committedMs);
    return typeof signer === "string" ? signer : undefined;
  } catch (error) {
    if (error instanceof SerinError) throw error;
    if (error instanceof SshFormatError) return `its SSH signature cannot be checked: ${error.message}`;
    // The runtime refuses keys that lie on no curve with an error of its own.
    if (error instanceof DOMException) return "its SSH signature cannot be checked: its key is no key";
    throw error;
  }
}
