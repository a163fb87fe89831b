/** This machine as the command line sees it. Only the program imports it; tests hand in their own. */
import type { Clock } from "../ports/clock.ts";
import type { CliIo } from "./io.ts";

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
