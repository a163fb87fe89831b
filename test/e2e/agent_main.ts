/**
 * The agent as it is installed, under the same Deno flags, composed with two adapters that a suite can turn: its clock,
 * which can be set, and the wire to the API server and Git, on which a chosen request is held until the process was
 * frozen and woken. The product has no such switches; this program is not part of it.
 *
 *     agent_main.ts run --config=<file>      orders are read from <file>.orders.json, again and again
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { inClusterEndpoint } from "../../adapters/platform/kube/config.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { startProgram } from "../../src/program.ts";
import { sentence } from "../../src/shell/views.ts";
import { VERSION } from "../../src/version.ts";

/** What a suite wants of the agent. */
export interface AgentOrders {
  /** How far its wall clock is off, milliseconds. */
  readonly offsetMs?: number;
  /** Requests that are held, each the next time it comes: regular expressions over "METHOD /path". */
  readonly hold?: readonly string[];
}

/** Said by the held request, with the expression that held it. */
export const HELD = "request-held";

const LOOK_EVERY_MS = 20;
/** A look that comes so late comes after a freeze. */
const FROZEN_MS_MIN = 5_000;

function say(event: string, fields: Readonly<Record<string, string>>): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ event, ...fields })}\n`));
}

function ordersOf(file: string): AgentOrders {
  try {
    return JSON.parse(Deno.readTextFileSync(file));
  } catch {
    // None yet, or just being written.
    return {};
  }
}

function settableClock(file: string): Clock {
  let offsetMs = 0;
  const follow = async (): Promise<void> => {
    for (;;) {
      offsetMs = ordersOf(file).offsetMs ?? offsetMs;
      await machineClock.sleep(LOOK_EVERY_MS);
    }
  };
  void follow();
  return { ...machineClock, now: () => machineClock.now() + offsetMs };
}

/** Below everything that checks the Lease, for the API server and for Git: what is held here is past all checks. */
function holdRequests(file: string): void {
  const send = globalThis.fetch;
  const held = new Set<string>();
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = init?.method ?? (input instanceof Request ? input.method : "GET");
    const called = `${method} ${url.pathname}`;
    const order = ordersOf(file).hold?.find((text) => !held.has(text) && new RegExp(text).test(called));
    if (order === undefined) return await send(input, init);
    held.add(order);
    say(HELD, { order, called });
    for (let last = machineClock.monotonic(), late = 0; late < FROZEN_MS_MIN;) {
      await machineClock.sleep(LOOK_EVERY_MS);
      late = machineClock.monotonic() - last;
      last = machineClock.monotonic();
    }
    // Its sender gave up long ago: as with a packet that the kernel had already, that changes nothing.
    return await send(input, { ...init, signal: null });
  };
}

async function main(configFile: string): Promise<void> {
  const orders = `${configFile}.orders.json`;
  const clock = settableClock(orders);
  holdRequests(orders);
  const text = await Deno.readTextFile(configFile);
  const { config, complaints } = loadConfig({ text, file: configFile, flags: new Map(), env: {} });
  if (config === null) throw new Error(complaints.map(sentence).join("\n"));
  const encoder = new TextEncoder();
  const program = await startProgram({
    config,
    clock,
    endpoint: await inClusterEndpoint({ clock }),
    identity: Deno.env.get("POD_NAME") ?? "serin-0",
    version: VERSION,
    readText: (path) => Deno.readTextFile(path),
    write: (line) => void Deno.stdout.writeSync(encoder.encode(line)),
  });
  await program.finished;
}

if (import.meta.main) await main(Deno.args.at(-1)?.replace("--config=", "") ?? "");
