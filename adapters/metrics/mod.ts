/** The table of metric providers: a row each, ordered by id. */
import { InvalidSpecError } from "../../src/errors.ts";
import type { MetricsAdapter } from "../../src/ports/metrics.ts";
import { prometheus } from "./prometheus.ts";

const ROWS: readonly MetricsAdapter[] = [prometheus];

/** Metric providers by `provider.type` of a MetricTemplate. */
export const metrics: ReadonlyMap<string, MetricsAdapter> = new Map(ROWS.map((row) => [row.id, row]));

/** Every `provider.type` that is understood, with a row or not: those of Flagger's CRD, and `web` and `kubernetes`. */
export const knownMetricProviders: readonly string[] = [
  "cloudwatch",
  "datadog",
  "dynatrace",
  "externalmetrics",
  "graphite",
  "influxdb",
  "keptn",
  "kubernetes",
  "newrelic",
  "prometheus",
  "splunk",
  "stackdriver",
  "web",
];

/**
 * The row of a `provider.type`.
 *
 * @throws {InvalidSpecError} there is none; the message tells an unknown one from one that is not supported yet
 */
export function metricsAdapter(id: string): MetricsAdapter {
  const found = metrics.get(id);
  if (found !== undefined) return found;
  const why = knownMetricProviders.includes(id) ? "is not supported yet" : "is not known";
  throw new InvalidSpecError(`Cannot query metric provider "${id}": it ${why}`, {
    fix: `Use one of: ${[...metrics.keys()].join(", ")}.`,
  });
}
