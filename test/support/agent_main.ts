/**
 * The agent as a process of its own, for tests of its permissions: as `serin run` in a pod, but that the folder of the
 * service account is an argument, since a test cannot write to the one that Kubernetes mounts.
 *
 *     agent_main.ts run --config=<file> --service-account=<folder>
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { inClusterEndpoint } from "../../adapters/platform/kube/config.ts";
import { configSchema } from "../../src/config/config_schema.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { parseFlags } from "../../src/config/parse_flags.ts";
import { startProgram } from "../../src/program.ts";
import { sentence } from "../../src/shell/views.ts";
import { VERSION } from "../../src/version.ts";

const OWN_FLAGS = ["config", "service-account"];

async function main(): Promise<void> {
  const { flags } = parseFlags(Deno.args, configSchema, OWN_FLAGS);
  const file = flags.get("config") ?? "/etc/serin/serin.yaml";
  const fields = new Map([...flags].filter(([name]) => !OWN_FLAGS.includes(name)));
  const text = await Deno.readTextFile(file);
  const { config, complaints } = loadConfig({ text, file, flags: fields, env: Deno.env.toObject() });
  if (config === null) throw new Error(complaints.map(sentence).join("\n"));
  const directory = flags.get("service-account");
  const endpoint = await inClusterEndpoint({
    clock: machineClock,
    ...(directory === undefined ? {} : { directory }),
  });
  const program = await startProgram({
    config,
    clock: machineClock,
    endpoint,
    identity: Deno.env.get("POD_NAME") ?? "serin",
    version: VERSION,
    readText: (path) => Deno.readTextFile(path),
    write: (line) => void Deno.stdout.writeSync(new TextEncoder().encode(line)),
  });
  Deno.addSignalListener("SIGTERM", () => {
    program.stop().then(() => Deno.exit(0), () => Deno.exit(1));
  });
  await program.finished;
}

if (import.meta.main) await main();
