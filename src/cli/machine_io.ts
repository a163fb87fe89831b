/** This machine as the command line sees it. Only the program imports it; tests hand in their own. */
import type { Clock } from "../ports/clock.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";

/** Standard output and error, files, environment and network, each under the permissions that the program was given. */
export function machineIo(clock: Clock): CliIo {
  return {
    stdout: (text) => writeAll(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
    env(name) {
      try {
        return Deno.env.get(name);
      } catch (error) {
        if (error instanceof Deno.errors.NotCapable) return undefined;
        throw error;
      }
    },
    readTextFile: (path) => Deno.readTextFile(path),
    readFile: (path) => Deno.readFile(path),
    async readDirectory(path) {
      const entries = [];
      for await (const { name, isFile, isDirectory } of Deno.readDir(path)) entries.push({ name, isFile, isDirectory });
      return entries;
    },
    isDirectory: async (path) => (await Deno.stat(path).catch(() => null))?.isDirectory ?? false,
    git: runGit,
    fetch: (url, init) => fetch(url, init),
    clock,
    isTerminal: Deno.stdout.isTerminal(),
  };
}

/** A reader that went away ("serin status | head") is no failure of ours. */
function writeAll(out: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.byteLength > 0) bytes = bytes.subarray(out.writeSync(bytes));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** A partial clone would fetch what it lacks; `protocol.allow` forbids it that. */
async function runGit(folder: string, args: readonly string[], input?: string): Promise<Uint8Array> {
  try {
    const child = new Deno.Command("git", {
      args: ["-c", "protocol.allow=never", ...args],
      cwd: folder,
      env: { GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0" },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    // Both ends at once: git answers while it is still being asked.
    const [answer] = await Promise.all([child.output(), feed(child, input)]);
    if (answer.success) return answer.stdout;
    throw new Error(new TextDecoder().decode(answer.stderr).trim() || `git ended with ${answer.code}`);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable;
    if (!isMissing) throw error;
    const fix = "Install git, and allow it (--allow-run=git); or check the commit out and plan the working tree.";
    throw new CliFailure(EXIT.usage, "Cannot read a commit: git cannot be run here", fix);
  }
}

async function feed(child: Deno.ChildProcess, input: string | undefined): Promise<void> {
  if (input === undefined) return;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch (error) {
    // git went away; what it says about that is in its answer.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
