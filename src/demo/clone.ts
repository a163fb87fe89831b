/** A person's clone of the demo's repository, worked on with stock git. */
import { UnavailableError } from "../errors.ts";

export interface Clone {
  readonly dir: string;
  /** Replaces a text in a file, commits and pushes. Returns the commit's id. */
  bump(file: string, change: { readonly from: string; readonly to: string; readonly message: string }): Promise<string>;
  pull(): Promise<void>;
  git(...args: readonly string[]): Promise<string>;
}

const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

/** Runs stock git; its complaint becomes the error. */
export async function runGit(dir: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command("git", {
    args: [...args],
    cwd: dir,
    env: { GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_GLOBAL: "/dev/null" },
    stdin: "null",
  });
  const { success, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  if (!success) throw new UnavailableError(`Cannot run git ${args.join(" ")}: ${text.decode(stderr).trim()}`);
  return text.decode(stdout);
}

export async function cloneRepository(url: string, dir: string): Promise<Clone> {
  await Deno.mkdir(dir, { recursive: true });
  await runGit(dir, ["clone", "--quiet", url, "."]);
  const git = (...args: readonly string[]): Promise<string> => runGit(dir, args);
  return {
    dir,
    git,
    async pull() {
      await git("pull", "--quiet", "--ff-only");
    },
    async bump(file, change) {
      await git("pull", "--quiet", "--ff-only");
      const path = `${dir}/${file}`;
      const before = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, before.replace(change.from, change.to));
      await git(...PERSON, "commit", "--quiet", "--all", "--message", change.message);
      await git("push", "--quiet", "origin", "HEAD:main");
      return (await git("rev-parse", "HEAD")).trim();
    },
  };
}
