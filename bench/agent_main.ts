/**
 * The agent as a process of its own, as a pod runs it: configuration from a file, credentials from a service account's
 * folder (token, CA, namespace), the API server from the environment. Arguments: the configuration, the folder.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { inClusterEndpoint } from "../adapters/platform/kube/config.ts";
import { loadConfig } from "../src/config/load_config.ts";
import { startProgram } from "../src/program.ts";

const [file = "", directory = ""] = Deno.args;
const { config, complaints } = loadConfig({
  text: await Deno.readTextFile(file),
  file,
  flags: new Map(),
  env: {},
});
if (config === null) throw new Error(complaints.map(({ message }) => message).join("\n"));
const encoder = new TextEncoder();
const program = await startProgram({
  config,
  clock: machineClock,
  endpoint: await inClusterEndpoint({ clock: machineClock, directory }),
  identity: `bench-${Deno.pid}`,
  version: "bench",
  readText: (path) => Deno.readTextFile(path),
  write: (line) => void Deno.stdout.writeSync(encoder.encode(line)),
});
Deno.addSignalListener("SIGTERM", () => void program.stop());
await program.finished;
Deno.exit(0);
