/**
 * OpenPGP signatures through the gpg program, with a keyring of our own that holds nothing but the keys given here: not the
 * machine's, no trust database, no key server. Subkeys, expiry and revocation are gpg's to judge.
 */
import { InvalidSpecError, RejectedError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { PrivateFolder } from "./private_folder.ts";
import { type ProgramEnd, runProgram } from "./run_program.ts";

const TIMEOUT_MS = 20_000;
const OUTPUT_BYTES_MAX = 1_000_000;
/** What gpg says when a signature is not right, or not by a key that counts, and what that means. */
const COMPLAINTS: Readonly<Record<string, string>> = {
  BADSIG: "its OpenPGP signature is not right",
  EXPSIG: "its OpenPGP signature has expired",
  EXPKEYSIG: "its OpenPGP key has expired",
  REVKEYSIG: "its OpenPGP key was revoked",
  NO_PUBKEY: "its OpenPGP key is not among the allowed keys",
  ERRSIG: "its OpenPGP signature cannot be checked",
};

/** Keys in a keyring of their own. Made with the first use, removed by `close`. */
export class OpenPgpKeyring {
  readonly #armoured: string;
  readonly #clock: Clock;
  #home: Promise<PrivateFolder> | undefined;

  /** @param armoured public or secret keys */
  constructor(armoured: string, clock: Clock) {
    this.#armoured = armoured;
    this.#clock = clock;
  }

  /**
   * Signs with the one secret key.
   *
   * @returns armoured text
   * @throws {InvalidSpecError} there is none, or it has a passphrase
   */
  async sign(payload: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<string> {
    const ended = await this.#gpg(["--armor", "--detach-sign", "--output", "-"], payload, signal);
    if (ended.code === 0 && /SIG_CREATED/.test(ended.words)) return new TextDecoder().decode(ended.output);
    const hasPassphrase = /pinentry|passphrase|No pinentry|Operation cancelled/i.test(ended.words);
    throw new InvalidSpecError(
      `Cannot sign with OpenPGP: ${hasPassphrase ? "the key has a passphrase" : lastWords(ended)}`,
      {
        fix: "Give one secret key without a passphrase: gpg --armor --export-secret-keys KEY, after gpg --passwd KEY.",
      },
    );
  }

  /** The public keys, armoured. */
  async publicKeys(signal?: AbortSignal): Promise<string> {
    const { output } = await this.#gpg(["--armor", "--export"], new Uint8Array(0), signal);
    return new TextDecoder().decode(output);
  }

  /** Why a signature does not count; undefined when it is right and by one of the keys. */
  async complaint(
    signature: string,
    payload: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const home = await this.#ready(signal);
    const file = await home.write(`signature-${crypto.randomUUID()}`, signature);
    try {
      const args = ["--trust-model", "always", "--verify", file, "-"];
      return complaintOf((await this.#gpg(args, payload, signal)).words);
    } finally {
      await Deno.remove(file);
    }
  }

  async close(): Promise<void> {
    const home = await this.#home?.catch(() => undefined);
    this.#home = undefined;
    // The agent that gpg may have started ends when its folder is gone.
    await home?.remove();
  }

  async #ready(signal: AbortSignal | undefined): Promise<PrivateFolder> {
    this.#home ??= this.#import(signal);
    try {
      return await this.#home;
    } catch (error) {
      this.#home = undefined;
      throw error;
    }
  }

  async #import(signal: AbortSignal | undefined): Promise<PrivateFolder> {
    const home = await PrivateFolder.create("gpg");
    try {
      const keys = new TextEncoder().encode(this.#armoured);
      const ended = await this.#run(home, { args: ["--import"], stdin: keys, signal });
      if (ended.code === 0 && /IMPORT_OK/.test(ended.words)) return home;
      throw new InvalidSpecError(`Cannot use OpenPGP keys: ${lastWords(ended)}`, {
        fix: "Give armoured keys: gpg --armor --export KEY.",
      });
    } catch (error) {
      await home.remove();
      throw error;
    }
  }

  async #gpg(args: readonly string[], stdin: Uint8Array<ArrayBuffer>, signal: AbortSignal | undefined) {
    return await this.#run(await this.#ready(signal), { args, stdin, signal });
  }

  async #run(
    home: PrivateFolder,
    what: {
      readonly args: readonly string[];
      readonly stdin: Uint8Array<ArrayBuffer>;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<ProgramEnd> {
    const quiet = ["--batch", "--no-tty", "--no-options", "--disable-dirmngr", "--no-auto-key-retrieve"];
    const ended = await runProgram({
      program: "gpg",
      args: ["--homedir", home.path, ...quiet, "--pinentry-mode", "error", "--status-fd", "2", ...what.args],
      stdin: what.stdin,
      outputBytesMax: OUTPUT_BYTES_MAX,
      timeoutMs: TIMEOUT_MS,
      clock: this.#clock,
      signal: what.signal,
    });
    if (ended.cut === undefined) return ended;
    throw new RejectedError(`Cannot use gpg: ${ended.cut.why}`, { fix: "Look whether gpg works on this machine." });
  }
}

/** Reads what gpg says to programs; exported for tests. */
export function complaintOf(words: string): string | undefined {
  const said = [...words.matchAll(/^\[GNUPG:\] (\S+)/gm)].map((match) => match[1] ?? "");
  const bad = Object.keys(COMPLAINTS).find((word) => said.includes(word));
  if (bad !== undefined) return COMPLAINTS[bad];
  const count = (word: string) => said.filter((one) => one === word).length;
  if (count("NEWSIG") > 1 || count("GOODSIG") > 1) return "it has several OpenPGP signatures in one";
  const isGood = count("GOODSIG") === 1 && count("VALIDSIG") === 1;
  return isGood ? undefined : "its OpenPGP signature cannot be read";
}

/** gpg's last line for people. */
function lastWords({ code, words }: ProgramEnd): string {
  const lines = words.split("\n").filter((line) => !line.startsWith("[GNUPG:]") && line.trim() !== "");
  return lines.at(-1) ?? `gpg ended with status ${code}`;
}
