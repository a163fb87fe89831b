/**
 * An agent as a process of its own against a sandbox, for tests that kill or freeze it. All that it is told comes as
 * one JSON argument; its log lines go to stdout. It ends by being killed.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { startProgram } from "../../src/program.ts";
import { sentence } from "../../src/shell/views.ts";
import { fastClock } from "./fast_clock.ts";

/** What the process is given. */
export interface KillableOrders {
  readonly configFile: string;
  readonly apiUrl: string;
  readonly identity: string;
  readonly speed: number;
  readonly originMs: number;
}

async function main(orders: KillableOrders): Promise<void> {
  const text = await Deno.readTextFile(orders.configFile);
  const { config, complaints } = loadConfig({ text, file: orders.configFile, flags: new Map(), env: {} });
  if (config === null) throw new Error(complaints.map(sentence).join("\n"));
  const encoder = new TextEncoder();
  const program = await startProgram({
    config,
    clock: orders.speed === 1 ? machineClock : fastClock(orders.speed, orders.originMs),
    endpoint: { baseUrl: orders.apiUrl, namespace: "serin-system", token: () => Promise.resolve(undefined) },
    identity: orders.identity,
    version: "0.0.0-test",
    readText: (path) => Deno.readTextFile(path),
    write: (line) => void Deno.stdout.writeSync(encoder.encode(line)),
  });
  await program.finished;
}

if (import.meta.main) await main(JSON.parse(Deno.args[0] ?? "{}"));
