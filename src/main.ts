/** The program. Everything else is wired together in the files that this one calls; nothing imports it. */
import { machineClock } from "../adapters/platform/clock.ts";
import { runDemo } from "./demo/demo.ts";

if (import.meta.main) {
  const interrupted = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", () => interrupted.resolve());
  const status = await runDemo({
    clock: machineClock,
    dir: null,
    keep: Deno.args.includes("--keep"),
    colour: Deno.stdout.isTerminal(),
    print: (line) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`)),
    interrupted: interrupted.promise,
  });
  Deno.exit(status);
}
