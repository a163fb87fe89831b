/**
 * A sandbox in this process, and agents as processes of their own beside it, which a test kills, freezes and wakes.
 * What an agent is doing is read where it keeps it: in the canary's ConfigMap.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { stringAt } from "../../src/core/kube_object.ts";
import type { State } from "../../src/core/state.ts";
import { openSandbox, REPOSITORY } from "../../src/demo/stage.ts";
import { type Load, startLoad } from "../../src/sandbox/load/load_generator.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { type AppFiles, appFiles, hostOf, NAMESPACE } from "./app_files.ts";
import { fastClock } from "./fast_clock.ts";
import { HookReceiver } from "./hook_receiver.ts";
import type { KillableOrders } from "./killable_main.ts";
import { until } from "./until.ts";

export interface KillableAgent {
  readonly identity: string;
  readonly pid: number;
  /** Its log so far, as parsed lines. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  freeze(): void;
  wake(): void;
  /** Whether it has logged an event. */
  said(event: string): boolean;
}

export interface KillableStage {
  readonly sandbox: Sandbox;
  readonly hooks: HookReceiver;
  /** Starts an agent and waits until it says so. */
  start(identity: string): Promise<KillableAgent>;
  /** The remembered state of a canary, undefined before there is one. */
  state(name: string): State | undefined;
  /** Waits for what an agent remembers. */
  remembers(name: string, what: string, condition: (state: State) => boolean, timeoutMs?: number): Promise<State>;
  users(name: string, ratePerSecond?: number): Load;
}

export interface KillableOptions {
  readonly apps: (hooks: HookReceiver) => readonly AppFiles[];
  /** How much faster than the machine's all clocks run. */
  readonly speed: number;
  readonly election: boolean;
}

const MAIN = new URL("./killable_main.ts", import.meta.url);

export async function withKillable(
  options: KillableOptions,
  body: (stage: KillableStage) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const hooks = new HookReceiver();
  const originMs = machineClock.now();
  const clock = fastClock(options.speed, originMs);
  const sandbox = await openSandbox({ clock, dir, files: appFiles(...options.apps(hooks)) });
  const agents: KillableAgent[] = [];
  const loads: Load[] = [];
  const configFile = `${dir}/serin.yaml`;
  await Deno.writeTextFile(configFile, configText(sandbox, options.election));
  const state = (name: string) => stateOf(sandbox, name);
  try {
    await body({
      sandbox,
      hooks,
      state,
      async start(identity) {
        const agent = spawnAgent({ configFile, apiUrl: sandbox.api.url, identity, speed: options.speed, originMs });
        agents.push(agent);
        await until(`${identity} has started`, () => agent.said("started"), 30_000);
        return agent;
      },
      async remembers(name, what, condition, timeoutMs = 30_000) {
        const met = () => {
          const seen = state(name);
          return seen !== undefined && condition(seen);
        };
        await until(`${name} ${what}`, met, timeoutMs).catch((error) => {
          const lines = agents.flatMap(({ log, identity }) =>
            log.slice(-12).map((line) => `${identity}: ${JSON.stringify(line).slice(0, 300)}`)
          );
          throw new Error(`${error.message}; it is ${JSON.stringify(summary(state(name)))}\n${lines.join("\n")}`);
        });
        const seen = state(name);
        if (seen === undefined) throw new Error(`${name} has no state`);
        return seen;
      },
      users(name, ratePerSecond = 20) {
        const url = sandbox.mesh.gatewayUrl;
        const load = startLoad({ url, host: hostOf(name), ratePerSecond, clock: machineClock });
        loads.push(load);
        return load;
      },
    });
  } finally {
    for (const load of loads) await load.stop();
    sandbox.api.faults.clear();
    sandbox.git.faults.set({});
    for (const agent of agents) await agent.kill();
    await sandbox.stop();
    await hooks.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

function configText(sandbox: Sandbox, election: boolean): string {
  return `cluster: sandbox
provider: gatewayapi:v1
metricsServer: ${sandbox.metrics.url}
engine: self
listen: "127.0.0.1:0"
leaderElection: { enabled: ${election}, namespace: serin-system }
sources:
  - name: fleet
    url: ${sandbox.git.urlOf(REPOSITORY)}
    branch: main
    pollInterval: 1s
`;
}

function stateOf(sandbox: Sandbox, name: string): State | undefined {
  const ref = { apiVersion: "v1", kind: "ConfigMap", namespace: NAMESPACE, name: `serin-${name}` };
  const text = stringAt(sandbox.api.store.get(ref), "data", "state");
  return text === undefined ? undefined : JSON.parse(text);
}

function summary(state: State | undefined): unknown {
  if (state === undefined) return "unknown";
  const { phase, waitsFor, stalled, run, last, epoch } = state;
  return { phase, epoch, waitsFor, stalled, weight: run?.weight, stage: run?.stage, last: last?.outcome };
}

function spawnAgent(orders: KillableOrders): KillableAgent {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN.pathname, JSON.stringify(orders)],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const log: Record<string, unknown>[] = [];
  const reading = readLog(child.stdout, log);
  let ended: Promise<unknown> | undefined;
  return {
    identity: orders.identity,
    pid: child.pid,
    log,
    said: (event) => log.some((line) => line["event"] === event),
    freeze: () => child.kill("SIGSTOP"),
    wake: () => child.kill("SIGCONT"),
    async kill() {
      if (ended === undefined) {
        ended = Promise.all([child.status, reading]);
        try {
          child.kill("SIGKILL");
        } catch (error) {
          // It has ended by itself already.
          if (!(error instanceof TypeError)) throw error;
        }
      }
      await ended;
    },
  };
}

async function readLog(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  log: Record<string, unknown>[],
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) log.push(JSON.parse(line));
  }
}
