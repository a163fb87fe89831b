/**
 * The program as a process of its own, for tests of its permissions: `serin run` as in a pod, but that the folder of the
 * service account lies elsewhere, since a test cannot write to the one that Kubernetes mounts.
 *
 *     agent_main.ts <folder of the service account> run --config=<file>
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { SERVICE_ACCOUNT_DIRECTORY } from "../../adapters/platform/kube/config.ts";
import { runCli } from "../../src/cli/cli.ts";
import { machineIo } from "../../src/cli/machine_io.ts";
import { capabilitiesOf } from "../../src/compose.ts";
import { run } from "../../src/run.ts";
import { VERSION } from "../../src/version.ts";

if (import.meta.main) {
  const [folder = "", ...args] = Deno.args;
  const readTextFile = Deno.readTextFile;
  Object.defineProperty(Deno, "readTextFile", {
    value: (path: string | URL, options?: Deno.ReadFileOptions) =>
      readTextFile(String(path).replace(SERVICE_ACCOUNT_DIRECTORY, folder), options),
  });
  const status = await runCli(args, machineIo(machineClock), {
    version: VERSION,
    run,
    demo: { summary: "Not for tests", run: () => Promise.resolve(2) },
    capabilities: () =>
      capabilitiesOf({ provider: "istio", metricsServer: "http://prometheus:9090", profiles: new Map() }),
  });
  Deno.exit(status);
}
