/** Repositories in a temporary folder, made and questioned with the stock git binary: what our Git code is measured by. */
const AUTHOR_ENV = {
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.com",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.com",
};

/** 2026-01-01T00:00:00Z, seconds: the date of the first commit; each later one comes a minute after. */
const FIRST_COMMIT_S = 1_767_225_600;

export interface GitRun {
  readonly stdin?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs stock git without the machine's configuration. Throws with its words when it fails. */
export async function runGit(
  folder: string,
  args: readonly string[],
  run: GitRun = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command("git", {
    args: [...args],
    cwd: folder,
    clearEnv: true,
    env: { ...gitEnv(), ...run.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const stdin = typeof run.stdin === "string" ? new TextEncoder().encode(run.stdin) : run.stdin;
  const written = (stdin === undefined ? Promise.resolve() : writer.write(stdin)).then(() => writer.close());
  // A command that does not read its input closes it, which is no failure of its own.
  const [output] = await Promise.all([child.output(), written.catch(() => undefined)]);
  if (output.success) return output.stdout;
  throw new Error(`git ${args.join(" ")} failed: ${new TextDecoder().decode(output.stderr)}`);
}

/** The environment that stock git gets in tests. */
export function gitEnv(): Readonly<Record<string, string>> {
  return {
    PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    ...AUTHOR_ENV,
  };
}

/** A file's content; null deletes it. Keys may be bytes for names that are not UTF-8. */
export type FileContents = Readonly<Record<string, string | null>>;

/** One bare repository; commits are made with plumbing, so no work tree is needed. */
export class BareRepository {
  readonly folder: string;
  #commits = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @param folder does not exist yet */
  static async create(folder: string, options: readonly string[] = []): Promise<BareRepository> {
    await Deno.mkdir(folder, { recursive: true });
    await runGit(folder, ["init", "-q", "--bare", "-b", "main", ...options]);
    const repository = new BareRepository(folder);
    for (const [key, value] of [["http.receivepack", "true"], ["uploadpack.allowFilter", "true"], ["gc.auto", "0"]]) {
      await repository.git("config", key ?? "", value ?? "");
    }
    return repository;
  }

  /** Runs git in the repository and returns its output without the newline at its end. */
  async git(...args: string[]): Promise<string> {
    return new TextDecoder().decode(await runGit(this.folder, args)).replace(/\n$/, "");
  }

  /**
   * Commits files on top of a branch (or of `parents`) and moves the branch there, also backwards.
   *
   * @returns the commit's id
   */
  async commit(
    files: FileContents,
    options: { branch?: string; parents?: readonly string[]; message?: string } = {},
  ): Promise<string> {
    const branch = options.branch ?? "main";
    const tip = await this.git("for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`);
    const parents = options.parents ?? (tip === "" ? [] : [tip]);
    const index = { env: { GIT_INDEX_FILE: `${this.folder}/test-index` } };
    const from = parents[0];
    await runGit(this.folder, from === undefined ? ["read-tree", "--empty"] : ["read-tree", from], index);
    const lines = await Promise.all(
      Object.entries(files).map(async ([path, content]) => {
        if (content === null) return `0 ${"0".repeat(40)}\t${path}\0`;
        const oid = new TextDecoder().decode(
          await runGit(this.folder, ["hash-object", "-w", "--stdin"], { stdin: content }),
        );
        return `100644 ${oid.trim()}\t${path}\0`;
      }),
    );
    await runGit(this.folder, ["update-index", "-z", "--index-info"], { ...index, stdin: lines.join("") });
    const tree = new TextDecoder().decode(await runGit(this.folder, ["write-tree"], index)).trim();
    return await this.commitTree(tree, { branch, parents, message: options.message ?? `Commit ${this.#commits}` });
  }

  /** Commits a tree that exists and moves the branch there. */
  async commitTree(
    tree: string,
    options: { branch: string; parents: readonly string[]; message: string },
  ): Promise<string> {
    const date = `${FIRST_COMMIT_S + 60 * this.#commits++} +0000`;
    const args = ["commit-tree", tree, ...options.parents.flatMap((parent) => ["-p", parent])];
    const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
    const oid = new TextDecoder().decode(await runGit(this.folder, args, { stdin: options.message, env })).trim();
    await this.git("update-ref", `refs/heads/${options.branch}`, oid);
    return oid;
  }

  /** Installs a pre-receive hook, a shell script. */
  async installPreReceive(script: string): Promise<void> {
    await Deno.writeTextFile(`${this.folder}/hooks/pre-receive`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
}
