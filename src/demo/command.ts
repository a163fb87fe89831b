/** `serin demo` on the command line. */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { ProgramCommand } from "../cli/cli.ts";
import { EXIT } from "../cli/io.ts";
import { runDemo } from "./demo.ts";

const HELP = `Usage: serin demo [--keep] [--dir DIR]

Starts the embedded sandbox, pushes a good release and a bad one with stock git, and shows how they end: a promotion
commit and a revert commit. Takes about 25 seconds, needs git, and reaches nothing outside this machine.

Options:
  --keep      Leave it all running afterwards: push releases of your own, approve in the browser, break things
  --dir DIR   Folder for the repository and the logs (default: a new temporary one, which is named)
`;

export const demo: ProgramCommand = {
  summary: "Watch a promotion and a revert on the embedded sandbox",
  async run(args, io) {
    const { dir, unknown } = parse(args);
    if (args.includes("--help") || args.includes("-h")) {
      io.stdout(HELP);
      return EXIT.ok;
    }
    if (unknown !== null) {
      io.stderr(`error: "${unknown}" is not understood\n${HELP}`);
      return EXIT.usage;
    }
    const interrupted = Promise.withResolvers<void>();
    const interrupt = (): void => interrupted.resolve();
    Deno.addSignalListener("SIGINT", interrupt);
    Deno.addSignalListener("SIGTERM", interrupt);
    try {
      return await runDemo({
        clock: machineClock,
        dir,
        keep: args.includes("--keep"),
        colour: io.isTerminal && io.env("NO_COLOR") === undefined,
        print: (line) => io.stdout(`${line}\n`),
        interrupted: interrupted.promise,
      });
    } finally {
      Deno.removeSignalListener("SIGINT", interrupt);
      Deno.removeSignalListener("SIGTERM", interrupt);
    }
  },
};

/** The folder, and the first argument that makes no sense. */
function parse(args: readonly string[]): { readonly dir: string | null; readonly unknown: string | null } {
  const dirAt = args.indexOf("--dir");
  const dir = dirAt < 0 ? null : args[dirAt + 1] ?? null;
  if (dirAt >= 0 && dir === null) return { dir, unknown: "--dir" };
  const rest = dirAt < 0 ? args : [...args.slice(0, dirAt), ...args.slice(dirAt + 2)];
  return { dir, unknown: rest.find((arg) => !["--keep", "--help", "-h"].includes(arg)) ?? null };
}
