/** Makes a metric ready to send: which provider is asked, where, and with what query. Pure; Secrets come later. */
import type { Canary, MetricSpec, MetricTemplate } from "../../src/core/canary.ts";
import { namesOf } from "../../src/core/names.ts";
import { InvalidSpecError } from "../../src/errors.ts";
import type { MetricLabels, PlannedQuery } from "../../src/ports/metrics.ts";
import { builtinQuery, builtinSeries } from "./builtin_queries.ts";
import { metricsAdapter } from "./mod.ts";
import { renderTemplate, type TemplateWords } from "./template.ts";

/** What is known only while a rollout runs. */
export interface RolloutWords {
  /** Knative: the revision that is the canary. */
  readonly route?: string;
}

/**
 * A `PlanQuery`. Built-in metrics and inline queries go to the canary's metrics server, templates to their provider.
 * A template whose metric names no interval gets its assumed window, where Flagger renders nothing.
 *
 * @throws {InvalidSpecError} the query cannot be rendered, the provider has no row, or lacks the address it needs
 */
export function planQuery(
  canary: Canary,
  metric: MetricSpec,
  labels: MetricLabels,
  rollout: RolloutWords = {},
): PlannedQuery {
  const { source } = metric;
  const window = metric.interval ?? durationText(metric.windowMs);
  switch (source.type) {
    case "builtin": {
      const { query, factor } = builtinQuery(canary, source.name, { window, labels, ...rollout });
      const series = builtinSeries(canary.provider, source.name, labels);
      return fromMetricsServer(canary, metric, { query, factor, series });
    }
    case "inline": {
      const where = `metric "${metric.name}" of canary "${canary.id.namespace}/${canary.id.name}"`;
      const query = renderTemplate(source.query, wordsOf(canary, metric, { window, ...rollout }), where).trim();
      return fromMetricsServer(canary, metric, { query, factor: 1, series: null });
    }
    case "template":
      return fromTemplate(source.template, metric, wordsOf(canary, metric, { window, ...rollout }));
  }
}

function fromMetricsServer(
  canary: Canary,
  metric: MetricSpec,
  { query, factor, series }: { readonly query: string; readonly factor: number; readonly series: string | null },
): PlannedQuery {
  return {
    metric,
    provider: "prometheus",
    query: {
      address: canary.metricsServer,
      query,
      windowMs: metric.windowMs,
      headers: {},
      insecureSkipVerify: false,
      region: null,
    },
    factor,
    series,
    secret: null,
  };
}

function fromTemplate(template: MetricTemplate, metric: MetricSpec, words: TemplateWords): PlannedQuery {
  const { provider, id } = template;
  const where = `MetricTemplate "${id.namespace}/${id.name}"`;
  if (metricsAdapter(provider.type).needsAddress && provider.address === null) {
    throw new InvalidSpecError(`Cannot query ${where}: its provider "${provider.type}" has no address`, {
      fix: "Give spec.provider.address.",
    });
  }
  return {
    metric,
    provider: provider.type,
    query: {
      // Empty: the provider's own, public address.
      address: provider.address ?? "",
      query: renderTemplate(template.query, words, where).trim(),
      windowMs: metric.windowMs,
      headers: provider.headers,
      insecureSkipVerify: provider.insecureSkipVerify,
      region: provider.region,
    },
    factor: 1,
    series: null,
    secret: provider.secretName === null ? null : { namespace: id.namespace, name: provider.secretName },
  };
}

function wordsOf(
  canary: Canary,
  metric: MetricSpec,
  { window, route }: { readonly window: string; readonly route?: string },
): TemplateWords {
  const { target } = namesOf(canary);
  const { ingressRef, routeRef, name: service } = canary.service;
  return {
    name: canary.id.name,
    namespace: canary.id.namespace,
    target,
    service,
    ingress: ingressRef?.name ?? target,
    route: route ?? routeRef?.name ?? target,
    interval: window,
    variables: metric.variables,
  };
}

/** "1m", "90s", "500ms": whole, in the largest unit that fits. */
function durationText(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${Math.ceil(ms)}ms`;
}
