/** Runs the command line with everything it touches in memory, but for what a test hands in. */
import { type CliParts, runCli } from "../../src/cli/cli.ts";
import { CliFailure, type CliIo, EXIT } from "../../src/cli/io.ts";
import { testCapabilities } from "./capabilities.ts";
import { ManualClock } from "./manual_clock.ts";

export interface CliRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliWorld {
  /** Content by path; folders follow from the paths. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
  readonly fetch?: CliIo["fetch"];
  readonly git?: CliIo["git"];
  readonly clock?: CliIo["clock"];
}

const PARTS: CliParts = {
  version: "1.0.0",
  run: {
    summary: "Run the agent.",
    run: (args, io) => {
      io.stdout(`run ${args.join(" ")}\n`);
      return Promise.resolve(0);
    },
  },
  demo: { summary: "Show a rollout in a sandbox.", run: () => Promise.resolve(7) },
  capabilities: testCapabilities,
};

export async function cli(args: readonly string[], world: CliWorld = {}): Promise<CliRun> {
  const { files = {}, env = {} } = world;
  let stdout = "";
  let stderr = "";
  const missing = (path: string) => Promise.reject(new Error(`no such file: ${path}`));
  const text = (path: string) => files[path] === undefined ? missing(path) : Promise.resolve(files[path]);
  const under = (path: string) => Object.keys(files).filter((file) => path === "." || file.startsWith(`${path}/`));
  const io: CliIo = {
    stdout: (part) => void (stdout += part),
    stderr: (part) => void (stderr += part),
    env: (name) => env[name],
    readTextFile: text,
    readFile: async (path) => new TextEncoder().encode(await text(path)),
    isDirectory: (path) => Promise.resolve(under(path).length > 0),
    readDirectory(path) {
      const rest = under(path).map((file) => (path === "." ? file : file.slice(path.length + 1)));
      const names = new Set(rest.map((file) => file.split("/")[0] ?? ""));
      return Promise.resolve([...names].map((name) => {
        const isFile = rest.includes(name);
        return { name, isFile, isDirectory: !isFile };
      }));
    },
    git: world.git ?? (() => Promise.reject(new CliFailure(EXIT.usage, "no git in this test"))),
    fetch: world.fetch ?? (() => Promise.reject(new Error("no network in this test"))),
    clock: world.clock ?? new ManualClock(),
    isTerminal: world.isTerminal ?? false,
  };
  const status = await runCli(args, io, PARTS);
  return { status, stdout, stderr };
}
