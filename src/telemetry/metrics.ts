/** The registry behind `/metrics`: the agent's own series, its process, and Flagger's names when they are asked for. */
import { Counter, Gauge, Histogram, Registry } from "./prom_client.ts";
import type { CanaryId } from "../core/canary.ts";
import { type CanaryMetrics, registerCanaryMetrics } from "./canary_metrics.ts";
import type { LoopLag, ProcessReadings } from "./process.ts";

export interface MetricsOptions {
  readonly version: string;
  readonly cluster: string;
  /** The default router, for `flagger_info`. */
  readonly provider: string;
  /** Flagger's names too (`--flagger-metrics`). */
  readonly flagger: boolean;
  readonly process: ProcessReadings;
  readonly lag?: LoopLag;
  /** Requests by "verb resource", as `Cluster.requests` has them. */
  readonly kubeRequests?: () => ReadonlyMap<string, number>;
  readonly queueDepth?: () => number;
  readonly isLeader?: () => boolean;
}

export interface Metrics extends CanaryMetrics {
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  gitFetched(source: string, seconds: number): void;
  gitPushed(source: string, outcome: "pushed" | "conflict" | "refused" | "unavailable"): void;
  /** Wall time of one turn; `isAnalysis` when it judged, which is what Flagger counts. */
  turn(
    canary: { readonly id: CanaryId; readonly targetName: string },
    turn: { readonly seconds: number; readonly isAnalysis: boolean },
  ): void;
}

const TURN_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const FETCH_BUCKETS_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Makes the registry. Nothing runs in the background: what is not told is read at each scrape. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const info = new Gauge({
    name: "serin_info",
    help: "Version and cluster.",
    labelNames: ["version", "cluster"],
    registers,
  });
  info.set({ version: options.version, cluster: options.cluster }, 1);
  const { canaries, flagger } = registerCanaryMetrics(registry, options);
  const fetches = new Histogram({
    name: "serin_git_fetch_seconds",
    help: "Time that a fetch took.",
    labelNames: ["source"],
    buckets: FETCH_BUCKETS_SECONDS,
    registers,
  });
  const pushes = new Counter({
    name: "serin_git_pushes_total",
    help: "Pushes by how they ended.",
    labelNames: ["source", "outcome"],
    registers,
  });
  const turns = new Histogram({
    name: "serin_turn_duration_seconds",
    help: "Time that a turn of one canary took.",
    buckets: TURN_BUCKETS_SECONDS,
    registers,
  });
  registerReadings(registry, options);
  return {
    ...canaries,
    registry,
    gitFetched: (source, seconds) => fetches.observe({ source }, seconds),
    gitPushed: (source, outcome) => pushes.inc({ source, outcome }),
    turn(canary, { seconds, isAnalysis }) {
      turns.observe(seconds);
      if (isAnalysis) flagger?.turn(canary, seconds);
    },
  };
}

/** Series that are read at each scrape. */
function registerReadings(registry: Registry, options: MetricsOptions): void {
  const { kubeRequests, queueDepth, isLeader, lag, process } = options;
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("process_resident_memory_bytes", "Resident memory.", () => process.residentBytes());
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system time.",
    registers,
    collect() {
      this.reset();
      this.inc(process.cpuSeconds());
    },
  });
  if (lag !== undefined) {
    gauge("serin_event_loop_lag_seconds", "Greatest delay of the event loop since the last scrape.", () => lag.take());
  }
  if (queueDepth !== undefined) gauge("serin_queue_depth", "Canaries whose turn is due.", queueDepth);
  if (isLeader !== undefined) gauge("serin_leader", "1 when this replica leads.", () => (isLeader() ? 1 : 0));
  if (kubeRequests === undefined) return;
  new Counter({
    name: "serin_kube_requests_total",
    help: "Requests to the Kubernetes API server, watches included.",
    labelNames: ["verb", "resource"],
    registers,
    collect() {
      this.reset();
      for (const [counted, requests] of kubeRequests()) {
        const [verb = "", resource = ""] = counted.split(" ");
        this.inc({ verb, resource }, requests);
      }
    },
  });
}
