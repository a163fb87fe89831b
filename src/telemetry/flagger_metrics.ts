/**
 * Flagger's series under Flagger's names, so that dashboards and alerts made for it go on working. As there, `name` and
 * `workload` are the target's name, not the Canary's.
 */
import { Counter, Gauge, Histogram, type Registry } from "./prom_client.ts";
import { type CanaryId, canaryKey, type Strategy } from "../core/canary.ts";
import { type CanaryReading, type RolloutEnd, targetNameOf } from "./canary_reading.ts";
import { OwnedSeries } from "./series.ts";

export interface FlaggerMetrics {
  /** Called at each scrape with all canaries. */
  observe(readings: readonly CanaryReading[]): void;
  rolloutEnded(end: RolloutEnd): void;
  check(canary: { readonly id: CanaryId; readonly targetName: string }, metric: string, value: number): void;
  /** Wall time of a turn that reached the analysis, seconds. */
  turn(canary: { readonly id: CanaryId; readonly targetName: string }, seconds: number): void;
}

/** Registers them. `provider` is the default router, `mesh_provider` of flagger_info. */
export function registerFlaggerMetrics(
  registry: Registry,
  about: { readonly version: string; readonly provider: string },
): FlaggerMetrics {
  const owned = new OwnedSeries();
  const series = seriesOf(registry);
  series.info.set({ version: about.version, mesh_provider: about.provider }, 1);
  return {
    observe(readings) {
      for (const gauge of [series.total, series.status, series.weight]) gauge.reset();
      for (const { namespace, target, flaggerPhase, weight } of readings) {
        const name = targetNameOf(target);
        series.total.inc({ namespace });
        series.status.set({ name, namespace }, statusOf(flaggerPhase));
        series.weight.set({ workload: `${name}-primary`, namespace }, 100 - weight);
        series.weight.set({ workload: name, namespace }, weight);
      }
      owned.keepOnly(new Set(readings.map((reading) => canaryKey(reading))));
    },
    rolloutEnded(end) {
      const counter = end.outcome === "succeeded"
        ? series.successes
        : end.outcome === "failed"
        ? series.failures
        : null;
      if (counter === null) return;
      const isSkipped = end.isSkipped && end.outcome === "succeeded";
      const labels = {
        name: end.targetName,
        namespace: end.id.namespace,
        deployment_strategy: strategyName(end.strategy),
        analysis_status: isSkipped ? "skipped" : "completed",
      };
      counter.inc(labels);
      owned.own(canaryKey(end.id), counter, { metric: end.outcome, labels });
    },
    check(canary, metric, value) {
      const labels = { name: canary.targetName, namespace: canary.id.namespace, metric };
      series.analysis.set(labels, value);
      owned.own(canaryKey(canary.id), series.analysis, { metric: "analysis", labels });
    },
    turn(canary, seconds) {
      const labels = { name: canary.targetName, namespace: canary.id.namespace };
      series.duration.observe(labels, seconds);
      owned.own(canaryKey(canary.id), series.duration, { metric: "duration", labels });
    },
  };
}

function seriesOf(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[]) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string) =>
    new Counter({
      name,
      help,
      labelNames: ["name", "namespace", "deployment_strategy", "analysis_status"],
      registers,
    });
  return {
    info: gauge("flagger_info", "Version and default router.", ["version", "mesh_provider"]),
    total: gauge("flagger_canary_total", "Canaries by namespace.", ["namespace"]),
    status: gauge("flagger_canary_status", "0 progressing, 1 successful, 2 failed.", ["name", "namespace"]),
    weight: gauge("flagger_canary_weight", "Traffic weight of a workload.", ["workload", "namespace"]),
    duration: new Histogram({
      name: "flagger_canary_duration_seconds",
      help: "Time that a turn of the analysis took.",
      labelNames: ["name", "namespace"],
      registers,
    }),
    analysis: gauge("flagger_canary_metric_analysis", "Last value of a metric of the analysis.", [
      "name",
      "namespace",
      "metric",
    ]),
    successes: counter("flagger_canary_successes_total", "Rollouts that succeeded."),
    failures: counter("flagger_canary_failures_total", "Rollouts that failed."),
  };
}

/** Flagger's three values: everything that is neither progressing nor failed counts as successful. */
function statusOf(flaggerPhase: string): number {
  switch (flaggerPhase) {
    case "Progressing":
      return 0;
    case "Failed":
      return 2;
    default:
      return 1;
  }
}

function strategyName(strategy: Strategy["type"]): string {
  switch (strategy) {
    case "weights":
      return "canary";
    case "ab":
      return "ab-testing";
    case "blue-green":
      return "blue-green";
  }
}
