/** `serin run`: reads the configuration, starts the agent, and stops it when the machine asks for it. */
import { machineClock } from "../adapters/platform/clock.ts";
import { inClusterEndpoint, type KubeEndpoint } from "../adapters/platform/kube/config.ts";
import type { ProgramCommand } from "./cli/cli.ts";
import { CliFailure, type CliIo, EXIT } from "./cli/io.ts";
import type { AgentConfig } from "./config/agent_config.ts";
import { configSchema } from "./config/config_schema.ts";
import { loadConfig } from "./config/load_config.ts";
import { flagNames } from "./config/overrides.ts";
import { parseFlags } from "./config/parse_flags.ts";
import { SerinError } from "./errors.ts";
import { startProgram } from "./program.ts";
import { sentence } from "./shell/views.ts";
import { VERSION } from "./version.ts";

const DEFAULT_FILE = "/etc/serin/serin.yaml";

export const run: ProgramCommand = {
  summary: "Run the agent",
  async run(args, io) {
    if (args.includes("--help") || args.includes("-h")) {
      io.stdout(help());
      return EXIT.ok;
    }
    const config = await readConfiguration(args, io);
    if (config === null) return EXIT.usage;
    try {
      return await serveUntilStopped(config, io);
    } catch (error) {
      if (!(error instanceof SerinError)) throw error;
      io.stderr(`error: ${error.message}\n${error.fix === undefined ? "" : `${error.fix}\n`}`);
      return error.disposition === "retry" ? EXIT.unreachable : EXIT.refused;
    }
  },
};

function help(): string {
  return `Usage: serin run [--config FILE] [--FIELD VALUE ...]

Runs the agent until it gets SIGTERM or SIGINT.

Options:
  --config FILE   Configuration (default ${DEFAULT_FILE}, or SERIN_CONFIG)
${flagNames(configSchema).map((name) => `  --${name}`).join("\n")}

Each field is also a variable: --metricsServer is SERIN_METRICS_SERVER. A flag wins over a variable, and a variable over
the file. docs/configuration.md has every field.
`;
}

async function readConfiguration(args: readonly string[], io: CliIo): Promise<AgentConfig | null> {
  const { flags, rest } = parseFlags(args, configSchema, ["config"]);
  if (rest.length > 0) {
    io.stderr(`error: "${rest[0]}" is not understood: options start with --\n`);
    return null;
  }
  const file = flags.get("config") ?? io.env("SERIN_CONFIG") ?? DEFAULT_FILE;
  const text = await io.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound && !flags.has("config")) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new CliFailure(EXIT.usage, `Cannot read the configuration "${file}": ${why}`, "Name a file with --config");
  });
  const { config, complaints } = loadConfig({ text, file, flags, env: environment() });
  for (const complaint of complaints) io.stderr(`${complaint.severity}: ${sentence(complaint)}\n`);
  return config;
}

/** Our own variables; under least permissions only those may be read that were allowed. */
function environment(): Readonly<Record<string, string>> {
  try {
    return Deno.env.toObject();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return {};
    throw error;
  }
}

async function endpointOf(config: AgentConfig): Promise<KubeEndpoint> {
  const { kubeconfig, context } = config.kubernetes;
  if (kubeconfig === null) return await inClusterEndpoint({ clock: machineClock });
  const { loadKubeconfig } = await import("../adapters/platform/kube/kubeconfig.ts");
  return await loadKubeconfig(kubeconfig, context ?? undefined, machineClock);
}

async function serveUntilStopped(config: AgentConfig, io: CliIo): Promise<number> {
  const program = await startProgram({
    config,
    clock: machineClock,
    endpoint: await endpointOf(config),
    identity: io.env("POD_NAME") ?? `serin-${crypto.randomUUID().slice(0, 8)}`,
    version: VERSION,
    readText: (path) => Deno.readTextFile(path),
    write: (line) => io.stdout(line),
  });
  const stop = (): void => void program.stop();
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
  try {
    await program.finished;
    return EXIT.ok;
  } finally {
    Deno.removeSignalListener("SIGTERM", stop);
    Deno.removeSignalListener("SIGINT", stop);
  }
}
