/** The programs that people sign with: ssh-keygen, gpg, and stock git that checks with them. In folders of a test's own. */
import { onPath } from "../servers/commands.ts";
import { type BareRepository, runGit } from "./git_repository.ts";

/** Runs a program; throws with its words when it fails. */
export async function runTool(
  program: string,
  args: readonly string[],
  more: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: Uint8Array<ArrayBuffer> } = {},
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    ...(more.env === undefined ? {} : { env: more.env }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = (more.stdin === undefined ? Promise.resolve() : writer.write(more.stdin)).then(() => writer.close());
  const [output] = await Promise.all([child.output(), written.catch(() => undefined)]);
  const words = new TextDecoder();
  if (!output.success) throw new Error(`${program} ${args.join(" ")}: ${words.decode(output.stderr)}`);
  return words.decode(output.stdout);
}

/** Which of the programs this machine lacks. */
export async function missingTools(...programs: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(programs.map(async (program) => ({ program, path: await onPath(program) })));
  return found.filter(({ path }) => path === undefined).map(({ program }) => program);
}

/** A key that ssh-keygen makes: "ed25519", "rsa", "ecdsa". */
export async function keygen(folder: string, kind: string): Promise<{ readonly file: string; readonly line: string }> {
  const file = `${folder}/id_${kind}`;
  await runTool("ssh-keygen", ["-q", "-t", kind, "-N", "", "-C", `${kind}@example.com`, "-f", file]);
  const [type, key] = (await Deno.readTextFile(`${file}.pub`)).split(" ");
  return { file, line: `${type} ${key}` };
}

/** An OpenPGP home with keys in it. */
export class GpgHome {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @param folder does not exist yet */
  static async create(folder: string): Promise<GpgHome> {
    await Deno.mkdir(folder, { mode: 0o700 });
    return new GpgHome(folder);
  }

  gpg(...args: readonly string[]): Promise<string> {
    return runTool("gpg", ["--homedir", this.path, "--batch", "--no-tty", ...args]);
  }

  /** A new signing key; `expires` as gpg takes it. */
  async addKey(user: string, options: { readonly expires?: string; readonly passphrase?: string } = {}): Promise<void> {
    const { expires = "never", passphrase = "" } = options;
    const how = ["--pinentry-mode", "loopback", "--passphrase", passphrase];
    await this.gpg(...how, "--quick-generate-key", user, "ed25519", "sign", expires);
  }

  publicKey(user: string): Promise<string> {
    return this.gpg("--armor", "--export", user);
  }

  secretKey(user: string, passphrase = ""): Promise<string> {
    return this.gpg("--pinentry-mode", "loopback", "--passphrase", passphrase, "--armor", "--export-secret-keys", user);
  }

  /** Ends the agent that gpg has started. */
  async close(): Promise<void> {
    await runTool("gpgconf", ["--homedir", this.path, "--kill", "all"]);
  }
}

/** How stock git is told to sign or to check. */
export interface GitSigning {
  readonly config: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Git with an SSH key that signs, or with a file of those that may. */
export function sshSigning(parts: { readonly keyFile?: string; readonly allowedSignersFile?: string }): GitSigning {
  const { keyFile, allowedSignersFile } = parts;
  return {
    config: [
      "gpg.format=ssh",
      ...(keyFile === undefined ? [] : [`user.signingKey=${keyFile}`]),
      ...(allowedSignersFile === undefined ? [] : [`gpg.ssh.allowedSignersFile=${allowedSignersFile}`]),
    ],
  };
}

/** Git with the keys of a home. */
export function gpgSigning(home: GpgHome, user?: string): GitSigning {
  return { config: user === undefined ? [] : [`user.signingKey=${user}`], env: { GNUPGHOME: home.path } };
}

function run(repository: BareRepository, { config, env = {} }: GitSigning, args: readonly string[], stdin?: string) {
  const options = config.flatMap((one) => ["-c", one]);
  return runGit(repository.folder, [...options, ...args], { env, ...(stdin === undefined ? {} : { stdin }) });
}

/** Commits an empty change on a branch, signed by stock git; returns its id. */
export async function commitSigned(
  repository: BareRepository,
  signing: GitSigning,
  options: { readonly message: string; readonly atS?: number; readonly parent?: string; readonly branch?: string },
): Promise<string> {
  const { message, atS = 1_767_300_000, branch = "main" } = options;
  const parent = options.parent ?? await repository.git("rev-parse", branch);
  const tree = await repository.git("rev-parse", `${parent}^{tree}`);
  const env = { GIT_AUTHOR_DATE: `${atS} +0000`, GIT_COMMITTER_DATE: `${atS} +0000`, ...signing.env };
  const args = ["commit-tree", "-S", tree, "-p", parent];
  const made = await run(repository, { config: signing.config, env }, args, message);
  const oid = new TextDecoder().decode(made).trim();
  await repository.git("update-ref", `refs/heads/${branch}`, oid);
  return oid;
}

/** Throws with git's words when it does not accept the signature. */
export async function verifyCommit(repository: BareRepository, signing: GitSigning, oid: string): Promise<void> {
  await run(repository, signing, ["verify-commit", "--raw", oid]);
}
