/**
 * The built-in metrics `request-success-rate` and `request-duration`: one row of series and labels for each mesh or
 * ingress, and the two expressions that are built from a row. A router that has no row exports Istio's series.
 *
 * Differences to Flagger's queries, each for a case where its own measures the wrong thing: a canary without one good
 * request counts as 0 %, where Flagger's query finds no series; dots of names are escaped in patterns; pods of
 * DaemonSets and StatefulSets have patterns of their own; Gloo, Kuma, Traefik and APISIX are asked by the name of the
 * Service, which their objects carry; a target of kind Service uses its router's row.
 */
import type { Canary } from "../../src/core/canary.ts";
import { namesOf } from "../../src/core/names.ts";
import type { MetricLabels } from "../../src/ports/metrics.ts";

/** Labels as Flagger's own Prometheus relabels them. */
export const FLAGGER_LABELS: MetricLabels = {
  pod: "kubernetes_pod_name",
  namespace: "kubernetes_namespace",
  service: "service",
};

/** A label matcher; `<X>` in a value is a name of the canary, in a label one of `MetricLabels`. */
type Matcher = readonly [label: string, operator: "=" | "!=" | "=~" | "!~", value: string];

type Duration =
  /** The 99th percentile of a histogram; `series` is without "_bucket". */
  | { readonly type: "p99"; readonly series: string; readonly extra?: Matcher; readonly unit: "s" | "ms" }
  /** Where there is no histogram: a sum by a count, both in seconds; `series` is without "_sum". */
  | { readonly type: "mean"; readonly series: string };

interface BuiltinRow {
  /** Routers, exactly, or all that begin so where a "*" ends it. */
  readonly routers: readonly string[];
  readonly requests: string;
  readonly common: readonly Matcher[];
  /** Selects the series of a histogram that counts all; only in the success rate. */
  readonly counter?: Matcher;
  readonly good: Matcher;
  readonly duration: Duration;
}

const ENVOY_REQUESTS = "envoy_cluster_upstream_rq";
const ENVOY_GOOD: Matcher = ["envoy_response_code", "!~", "5.*"];
const ENVOY_DURATION: Duration = { type: "p99", series: "envoy_cluster_upstream_rq_time", unit: "ms" };
const OF_PODS: readonly Matcher[] = [["<namespace>", "=", "<NS>"], ["<pod>", "=~", "<PODS>"]];

const ISTIO: BuiltinRow = {
  routers: ["istio", "smi:*"],
  requests: "istio_requests_total",
  common: [
    ["reporter", "=", "destination"],
    ["destination_workload_namespace", "=", "<NS>"],
    ["destination_workload", "=~", "<T>"],
  ],
  good: ["response_code", "!~", "5.*"],
  duration: { type: "p99", series: "istio_request_duration_milliseconds", unit: "ms" },
};

/** One row a router; see metrics of each router's own documentation. */
const ROWS: readonly BuiltinRow[] = [
  {
    routers: ["apisix"],
    requests: "apisix_http_status",
    common: [["route", "=~", "<NS>_<RT>-<SVC>-canary_.+"]],
    good: ["code", "!~", "5.."],
    duration: { type: "p99", series: "apisix_http_latency", extra: ["type", "=~", "request"], unit: "ms" },
  },
  { routers: ["appmesh*"], requests: ENVOY_REQUESTS, common: OF_PODS, good: ENVOY_GOOD, duration: ENVOY_DURATION },
  {
    routers: ["contour"],
    requests: ENVOY_REQUESTS,
    common: [["envoy_cluster_name", "=~", "<NS>_<SVC>-canary_[0-9a-zA-Z-]+"]],
    good: ENVOY_GOOD,
    duration: ENVOY_DURATION,
  },
  {
    routers: ["gatewayapi*", "kubernetes"],
    requests: "http_request_duration_seconds_count",
    common: OF_PODS,
    good: ["status", "!~", "5.*"],
    duration: { type: "p99", series: "http_request_duration_seconds", unit: "s" },
  },
  {
    routers: ["gloo*"],
    requests: ENVOY_REQUESTS,
    common: [["envoy_cluster_name", "=~", "<NS>-<SVC>-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+"]],
    good: ENVOY_GOOD,
    duration: ENVOY_DURATION,
  },
  ISTIO,
  {
    routers: ["knative"],
    requests: ENVOY_REQUESTS,
    common: [["envoy_cluster_name", "=~", "<NS>/<RT>"]],
    good: ENVOY_GOOD,
    duration: ENVOY_DURATION,
  },
  {
    routers: ["kuma"],
    requests: ENVOY_REQUESTS,
    common: [["<service>", "=~", "<SVC>-canary_<NS>_svc_[0-9a-zA-Z-]+"]],
    good: ENVOY_GOOD,
    duration: ENVOY_DURATION,
  },
  {
    routers: ["linkerd", "smi:linkerd"],
    requests: "response_total",
    common: [["namespace", "=", "<NS>"], ["deployment", "=~", "<T>"], ["direction", "=", "inbound"]],
    good: ["classification", "!=", "failure"],
    duration: { type: "p99", series: "response_latency_ms", unit: "ms" },
  },
  {
    routers: ["nginx"],
    requests: "nginx_ingress_controller_requests",
    common: [["namespace", "=", "<NS>"], ["ingress", "=", "<ING>"], ["canary", "!=", ""]],
    good: ["status", "!~", "5.*"],
    duration: { type: "mean", series: "nginx_ingress_controller_response_duration_seconds" },
  },
  {
    routers: ["osm"],
    requests: "osm_request_total",
    common: [
      ["destination_namespace", "=", "<NS>"],
      ["destination_kind", "=", "Deployment"],
      ["destination_name", "=", "<T>"],
    ],
    good: ["response_code", "!~", "5.*"],
    duration: { type: "p99", series: "osm_request_duration_ms", unit: "ms" },
  },
  {
    routers: ["skipper"],
    requests: "skipper_response_duration_seconds_bucket",
    common: [["route", "=~", "kube(ew)?_<_NS>__<_ING>_canary__.*__<_SVC>_canary(_[0-9]+)?"]],
    counter: ["le", "=", "+Inf"],
    good: ["code", "!~", "5.."],
    duration: { type: "mean", series: "skipper_serve_route_duration_seconds" },
  },
  {
    routers: ["traefik"],
    requests: "traefik_service_request_duration_seconds_bucket",
    common: [["<service>", "=~", "<NS>-<SVC>-canary-[0-9a-zA-Z-]+@kubernetescrd"]],
    counter: ["le", "=", "+Inf"],
    good: ["code", "!~", "5.."],
    duration: { type: "p99", series: "traefik_service_request_duration_seconds", unit: "s" },
  },
];

export interface BuiltinQuery {
  /** PromQL. The success rate is a percentage, 0 to 100. */
  readonly query: string;
  /** Turns the result into percent or milliseconds. */
  readonly factor: number;
}

export interface BuiltinOptions {
  /** A PromQL duration, "1m". */
  readonly window: string;
  readonly labels: MetricLabels;
  /** Knative: the revision that is the canary. Without it the route's or the target's name is asked for. */
  readonly route?: string;
}

/** The query of a built-in metric for a canary on its router. */
export function builtinQuery(
  canary: Canary,
  name: "request-success-rate" | "request-duration",
  options: BuiltinOptions,
): BuiltinQuery {
  const row = rowOf(canary.provider);
  const words = wordsOf(canary, options);
  const series = (metric: string, matchers: readonly Matcher[]): string =>
    `sum(rate(${metric}{${matchers.map((matcher) => matcherText(matcher, words)).join(",")}}[${options.window}]))`;
  if (name === "request-success-rate") {
    const all = row.counter === undefined ? row.common : [...row.common, row.counter];
    const good = series(row.requests, [...all, row.good]);
    return { query: `100 * (${good} or vector(0)) / ${series(row.requests, all)}`, factor: 1 };
  }
  const { duration } = row;
  if (duration.type === "mean") {
    const [sum, count] = [`${duration.series}_sum`, `${duration.series}_count`];
    return { query: `${series(sum, row.common)} / ${series(count, row.common)}`, factor: 1000 };
  }
  const matchers = duration.extra === undefined ? row.common : [...row.common, duration.extra];
  const buckets = series(`${duration.series}_bucket`, matchers).replace(/^sum/, "sum by (le) ");
  return { query: `histogram_quantile(0.99, ${buckets})`, factor: duration.unit === "s" ? 1000 : 1 };
}

/**
 * Finds the series that a built-in metric of a router is made of, whatever workload they count, by name and by the names of
 * the labels that the query goes by. Nothing is found where a name is another one here, or where nobody scrapes it.
 */
export function builtinSeries(
  router: string,
  name: "request-success-rate" | "request-duration",
  labels: MetricLabels,
): string {
  const row = rowOf(router);
  const { duration } = row;
  const [metric, matchers] = name === "request-success-rate"
    ? [row.requests, [...row.common, ...(row.counter === undefined ? [] : [row.counter]), row.good]]
    : duration.type === "mean"
    ? [`${duration.series}_count`, row.common]
    : [`${duration.series}_bucket`, duration.extra === undefined ? row.common : [...row.common, duration.extra]];
  const words = new Map(Object.entries(labels));
  // What names no canary holds for all of them; of a label that must not have a value, nothing can be said.
  const general = matchers.flatMap((matcher): readonly Matcher[] => {
    const [label, operator, value] = matcher;
    if (operator === "=" || operator === "=~") return [value.includes("<") ? [label, "!=", ""] : matcher];
    return value === "" ? [] : [[label, "!=", ""]];
  });
  return `count(${metric}{${general.map((matcher) => matcherText(matcher, words)).join(",")}})`;
}

/** The longest name that fits, so that "smi:linkerd" is not taken for "smi:*". */
function rowOf(router: string): BuiltinRow {
  const exact = ROWS.find((row) => row.routers.includes(router));
  const begins = (pattern: string) => pattern.endsWith("*") && router.startsWith(pattern.slice(0, -1));
  return exact ?? ROWS.find((row) => row.routers.some(begins)) ?? ISTIO;
}

function wordsOf(canary: Canary, options: BuiltinOptions): ReadonlyMap<string, string> {
  const { target } = namesOf(canary);
  const { ingressRef, routeRef, name: service } = canary.service;
  const names = {
    NS: canary.id.namespace,
    T: target,
    SVC: service,
    ING: ingressRef?.name ?? target,
    RT: options.route ?? routeRef?.name ?? target,
  };
  // Skipper writes every other character of a name as an underscore.
  const plain = Object.entries(names).map(([key, name]) => [`_${key}`, name.replaceAll(/\W/g, "_")] as const);
  return new Map<string, string>([...Object.entries(names), ...plain, ...Object.entries(options.labels), [
    "PODS",
    podPattern(canary.target.kind),
  ]]);
}

/** Matches the canary's pods and not the primary's, whose names have one part more. */
function podPattern(kind: string): string {
  if (kind === "DaemonSet") return "<T>-[0-9a-zA-Z]+";
  if (kind === "StatefulSet") return "<T>-[0-9]+";
  return "<T>-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)";
}

function matcherText([label, operator, value]: Matcher, words: ReadonlyMap<string, string>): string {
  const isPattern = operator === "=~" || operator === "!~";
  const word = (text: string) => isPattern ? text.replaceAll(".", "\\.") : text;
  const pods = value.replaceAll("<PODS>", words.get("PODS") ?? "");
  const filled = pods.replaceAll(/<(\w+)>/g, (whole, key: string) => word(words.get(key) ?? whole));
  const name = label.replaceAll(/<(\w+)>/g, (whole, key: string) => words.get(key) ?? whole);
  return `${name}${operator}"${filled.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
