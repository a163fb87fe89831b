/**
 * One measurement, inside a namespace of its own: `inside.ts <canaries> <file for the figures>`. Starts the agent on an
 * estate at rest, lets it idle, bumps a few canaries by hints, then a tenth of all at once.
 */
import { serverNamed } from "../../test/servers/catalogue.ts";
import { install } from "../../test/servers/install.ts";
import { Processes } from "../../test/e2e/processes.ts";
import { measure } from "./measure.ts";
import { openStand } from "./stand.ts";

export const SERVERS = ["etcd", "kubernetes", "prometheus", "router-crds"];

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`  ${line}`));
}

async function main([canaries = "500", file = ""]: readonly string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "serin-bench-scale-" });
  const processes = new Processes(folder);
  try {
    const programs = new Map<string, string>();
    for (const name of SERVERS) {
      for (const [program, path] of await install(serverNamed(name), { progress: say })) programs.set(program, path);
    }
    const options = { folder, programs, processes, canaries: Number(canaries), say };
    const stand = await openStand(options);
    try {
      const figures = await measure(stand, options);
      await Deno.writeTextFile(file, JSON.stringify(figures, null, 2));
    } finally {
      await stand.close();
    }
  } finally {
    await processes.killAll();
    if (Deno.env.get("BENCH_KEEP") === undefined) await Deno.remove(folder, { recursive: true });
    else say(`logs are in ${folder}\n`);
  }
}

if (import.meta.main) await main(Deno.args);
