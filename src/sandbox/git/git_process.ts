/**
 * Runs stock git for the sandbox's Git server. Needs `--allow-run=git` and nothing else: repositories are made and
 * read by git itself. No configuration of the machine or its user takes part.
 */

/** Settings that every hosted Git has: partial clones, and commits by hash as far as a branch reaches them. */
const SETTINGS = [
  "uploadpack.allowFilter=true",
  "uploadpack.allowReachableSHA1InWant=true",
  "http.receivepack=true",
  "gc.auto=0",
  "receive.autogc=false",
  "safe.directory=*",
].flatMap((setting) => ["-c", setting]);

const ENVIRONMENT = { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" };

/** Starts git with both ends piped; `protocol` is the client's Git-Protocol header. */
export function spawnGit(args: readonly string[], protocol?: string): Deno.ChildProcess {
  const command = new Deno.Command("git", {
    args: [...SETTINGS, ...args],
    env: { ...ENVIRONMENT, ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  });
  return command.spawn();
}

/**
 * Runs git to its end and gives what it printed.
 *
 * @throws {Error} it failed, with what it said
 */
export async function runGit(
  args: readonly string[],
  input?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const command = new Deno.Command("git", {
    args: [...SETTINGS, ...args],
    env: ENVIRONMENT,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const output = child.output();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    // A git that died has closed its end; its exit code and words say more than a broken pipe.
    await writer.write(input).then(() => writer.close()).catch(() => {});
  }
  const { success, stdout, stderr } = await output;
  if (!success) throw new Error(`Cannot run git ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return stdout;
}
