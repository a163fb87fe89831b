/** The program. What a command does not need is not loaded for it; nothing imports this file. */
import { machineClock } from "../adapters/platform/clock.ts";
import { runCli } from "./cli/cli.ts";
import { machineIo } from "./cli/machine_io.ts";
import { capabilitiesOf } from "./compose.ts";
import { run } from "./run.ts";
import { VERSION } from "./version.ts";

if (import.meta.main) {
  const status = await runCli(Deno.args, machineIo(machineClock), {
    version: VERSION,
    run,
    demo: {
      summary: "Watch a promotion and a revert on the embedded sandbox",
      run: async (args, io) => (await import("./demo/command.ts")).demo.run(args, io),
    },
    capabilities: () =>
      capabilitiesOf({ provider: "istio", metricsServer: "http://prometheus:9090", profiles: new Map() }),
  });
  Deno.exit(status);
}
