/**
 * Gauges that say where each canary is, written anew from the list of canaries at each scrape, so that they can be
 * neither stale nor left over; and the counters and values that stand beside them.
 */
import { Counter, Gauge, type Registry } from "./prom_client.ts";
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { CanaryReading, RolloutEnd } from "./canary_reading.ts";
import { type FlaggerMetrics, registerFlaggerMetrics } from "./flagger_metrics.ts";
import { OwnedSeries } from "./series.ts";

export interface CanaryMetrics {
  /** Where the canaries are read from at each scrape. */
  follow(readings: () => readonly CanaryReading[]): void;
  rolloutEnded(end: RolloutEnd): void;
  /** The last value of a metric of the analysis; null (no value) leaves the earlier one. */
  check(canary: { readonly id: CanaryId; readonly targetName: string }, metric: string, value: number | null): void;
}

/** Registers the series of canaries, and Flagger's when they are asked for. */
export function registerCanaryMetrics(
  registry: Registry,
  options: { readonly flagger: boolean; readonly version: string; readonly provider: string },
): { readonly canaries: CanaryMetrics; readonly flagger: FlaggerMetrics | null } {
  let readings: () => readonly CanaryReading[] = () => [];
  const owned = new OwnedSeries();
  const labelNames = ["namespace", "name"];
  const registers = [registry];
  // Metrics are collected in the order of registration: this one comes first, and writes all that follow.
  new Gauge({
    name: "serin_canaries",
    help: "Canaries that this agent looks after.",
    registers,
    collect() {
      const all = readings();
      this.set(all.length);
      for (const gauge of [phase, weight, failed]) gauge.reset();
      for (const reading of all) {
        const labels = { namespace: reading.namespace, name: reading.name };
        phase.set({ ...labels, phase: reading.phase }, 1);
        weight.set(labels, reading.weight);
        failed.set(labels, reading.failedChecks);
      }
      flagger?.observe(all);
      owned.keepOnly(new Set(all.map((reading) => canaryKey(reading))));
    },
  });
  const gauge = (name: string, help: string, more: readonly string[] = []) =>
    new Gauge({ name, help, labelNames: [...labelNames, ...more], registers });
  const phase = gauge("serin_canary_phase", "1 for the phase that the canary is in.", ["phase"]);
  const weight = gauge("serin_canary_weight_percent", "Share of traffic that the canary is to have.");
  const failed = gauge("serin_canary_failed_checks", "Failed checks of the rollout on its way.");
  const values = gauge("serin_check_value", "Last value of a metric of the analysis.", ["metric"]);
  const flagger = options.flagger ? registerFlaggerMetrics(registry, options) : null;
  const rollouts = new Counter({
    name: "serin_rollouts_total",
    help: "Rollouts that ended, by outcome.",
    labelNames: [...labelNames, "outcome"],
    registers,
  });
  const canaries: CanaryMetrics = {
    follow(source) {
      readings = source;
    },
    rolloutEnded(end) {
      const labels = { namespace: end.id.namespace, name: end.id.name, outcome: end.outcome };
      rollouts.inc(labels);
      owned.own(canaryKey(end.id), rollouts, { metric: "rollouts", labels });
      flagger?.rolloutEnded(end);
    },
    check(canary, metric, value) {
      if (value === null) return;
      const labels = { namespace: canary.id.namespace, name: canary.id.name, metric };
      values.set(labels, value);
      owned.own(canaryKey(canary.id), values, { metric: "values", labels });
      flagger?.check(canary, metric, value);
    },
  };
  return { canaries, flagger };
}
