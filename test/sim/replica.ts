/** One replica of the real agent in the fake world: real shell, source, ledger, state store and adapters. */
import { tables } from "../../src/compose.ts";
import type { Announcement } from "../../src/core/action.ts";
import { canonicalJson } from "../../src/core/digest.ts";
import type { State } from "../../src/core/state.ts";
import { createLedger } from "../../src/ledger/writer.ts";
import { ServingAgent } from "../../src/shell/agent.ts";
import { createSource } from "../../src/shell/source.ts";
import { createStateStore, STATE_SELECTOR, type StateStore } from "../../src/shell/store.ts";
import type { Telling } from "../../src/shell/telling.ts";
import { capabilitiesOf } from "../../src/compose.ts";
import { AgentCluster } from "./agent_cluster.ts";
import { gitOf, httpOf } from "./agent_ports.ts";
import type { Dice } from "./dice.ts";
import { clockOf, Process } from "./process.ts";
import { CLUSTER } from "./shop.ts";
import type { World } from "./world.ts";

const POLL_MS = 5_000;

export interface Told {
  readonly canary: string;
  readonly phase: string;
  readonly run: string | null;
  readonly announcement: Announcement;
}

export interface ReplicaOptions {
  readonly world: World;
  readonly process: Process;
  readonly dice: Dice;
  readonly election: { isLeader(): boolean; epoch(): number };
  readonly told: (told: Told) => void;
}

export interface Replica {
  readonly process: Process;
  /** Undefined until it has started. */
  agent(): ServingAgent | undefined;
  /** It leads from now on, as soon as it has started. */
  lead(): void;
}

/** Starts a replica; it runs until its process is killed. */
export function startReplica(options: ReplicaOptions): Replica {
  const { world, process, dice } = options;
  const clock = clockOf(process, {
    timeline: world.timeline,
    dice,
    runaway: () => world.violate("A turn that changes nothing is not repeated at once", `${process.name} never sleeps`),
  });
  const cluster = new AgentCluster({
    process,
    server: world.server,
    timeline: world.timeline,
    dice,
    lagMs: () => world.mood.lagMs,
  });
  const remote = gitOf(world, process);
  const source = createSource({
    name: "fleet",
    remote,
    clock,
    pollMs: POLL_MS,
    paths: [],
    cluster: CLUSTER.name,
    capabilities: capabilitiesOf({
      provider: "gatewayapi:v1",
      metricsServer: "http://prometheus:9090",
      profiles: new Map(),
    }),
  });
  const ledger = createLedger({
    remote,
    reader: source,
    cluster: CLUSTER,
    clock,
    author: { name: "Serin", email: "serin@example.com" },
    isLeader: () => options.election.isLeader(),
  });
  const signal = new AbortController().signal;
  let agent: ServingAgent | undefined;
  let leads = false;
  const start = async (): Promise<void> => {
    await cluster.watch({ apiVersion: "v1", kind: "ConfigMap", labelSelector: STATE_SELECTOR });
    agent = new ServingAgent({
      clock,
      cluster,
      http: httpOf(world, process),
      tables,
      identity: CLUSTER,
      branches: [{ source, ledger, url: remote.url, branch: remote.branch, cannotPush: () => null }],
      store: checked(createStateStore({ cluster, epoch: () => options.election.epoch() }), world),
      telling: tellingOf(options),
      election: { ...options.election, leader: () => null },
      metricLabels: { pod: "pod", namespace: "namespace", service: "service" },
      defaultEngine: "self",
      secretKey: null,
      promotionDeadlineMs: 10 * 60_000,
      namespaces: [],
      mode: "run",
      parallel: 4,
    });
    const running = Promise.all([agent.run(signal), source.run(signal), ledger.run(signal)]);
    if (leads) agent.lead();
    await running;
  };
  const begin = (): void => {
    start().catch((error) => {
      if (process.isDead) return;
      // A process that cannot start is started again, as a kubelet would.
      world.trace(process.name, `cannot start: ${String(error)}`);
      if (agent === undefined) world.timeline.after(1_000, () => process.run(begin));
      else world.violate("An agent never ends by itself", `${process.name}: ${String(error?.stack ?? error)}`);
    });
  };
  begin();
  return {
    process,
    agent: () => agent,
    lead() {
      leads = true;
      agent?.lead();
    },
  };
}

/** State is small plain JSON: what is saved reads back the same. Asked once for each place that a rollout comes to. */
function checked(store: StateStore, world: World): StateStore {
  let last = "";
  return {
    ...store,
    save(state, signal) {
      const { phase, run, decision } = state;
      const place = [state.id.name, phase, run?.id, run?.stage, decision?.id].join("/");
      if (place !== last && canonicalJson(JSON.parse(JSON.stringify(state))) !== canonicalJson(state)) {
        world.violate("State survives JSON", `${place}: ${JSON.stringify(state).slice(0, 300)}`);
      }
      last = place;
      return store.save(state, signal);
    },
  };
}

function tellingOf({ world, process, told }: ReplicaOptions): Telling {
  return {
    async announce(canary, state: State, announcement) {
      await process.pause(1);
      world.trace(process.name, `tells "${announcement.kind}": ${announcement.message}`);
      told({
        canary: canary.id.name,
        phase: state.phase,
        run: announcement.id.split("/")[2] ?? null,
        announcement,
      });
    },
    measured: () => undefined,
    turned: () => undefined,
    fetched: () => undefined,
    pushed: () => undefined,
    forgotten: () => undefined,
    recent: () => [],
    log(level, event, fields) {
      if (event !== "turn-again") {
        world.trace(process.name, `${level} ${event} ${JSON.stringify(fields).slice(0, 400)}`);
      }
      if (event === "turn-stopped") {
        world.violate("A canary is never stopped by a mistake of ours", `${JSON.stringify(fields)}`);
      }
    },
  };
}
