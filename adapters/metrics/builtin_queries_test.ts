import assert from "node:assert/strict";
import { parsePromql } from "../../src/sandbox/metrics/promql/parse.ts";
import { aCanary } from "../../test/support/builders.ts";
import { builtinQuery, builtinSeries, FLAGGER_LABELS } from "./builtin_queries.ts";

const OPTIONS = { window: "1m", labels: FLAGGER_LABELS };
const ROUTERS = [
  ...["apisix", "appmesh:v1beta2", "contour", "gatewayapi:v1", "gloo", "istio", "knative", "kubernetes", "kuma"],
  ...["linkerd", "nginx", "osm", "skipper", "smi:v1alpha2", "traefik", "none"],
];
const CANARY = {
  target: { name: "shop" },
  service: { name: "shop-svc", ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop-ing" } },
};

Deno.test("builtinSeries() names no canary, and is PromQL for every router", () => {
  for (const router of ROUTERS) {
    for (const name of ["request-success-rate", "request-duration"] as const) {
      const query = builtinSeries(router, name, { pod: "pod", namespace: "ns", service: "svc" });
      parsePromql(query);
      assert.doesNotMatch(query, /[<>]|shop|prod/, `${router}: ${query}`);
      assert.match(query, /^count\([a-z_]+\{\w+!?=~?".*\}\)$/, `${router}: ${query}`);
    }
  }
  const labels = { pod: "pod", namespace: "ns", service: "svc" };
  const gateway = 'count(http_request_duration_seconds_count{ns!="",pod!="",status!=""})';
  assert.equal(builtinSeries("gatewayapi:v1", "request-success-rate", labels), gateway);
  const traefik = 'count(traefik_service_request_duration_seconds_bucket{svc!="",le="+Inf",code!=""})';
  assert.equal(builtinSeries("traefik", "request-success-rate", labels), traefik);
});

/** What selects the series, the same in both halves of a rate. */
const SELECTED: readonly (readonly [router: string, series: string, common: string, good: string])[] = [
  ["apisix", "apisix_http_status", 'route=~"prod_shop-shop-svc-canary_.+"', 'code!~"5.."'],
  [
    "appmesh:v1beta2",
    "envoy_cluster_upstream_rq",
    'kubernetes_namespace="prod",kubernetes_pod_name=~"shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"',
    'envoy_response_code!~"5.*"',
  ],
  [
    "contour",
    "envoy_cluster_upstream_rq",
    'envoy_cluster_name=~"prod_shop-svc-canary_[0-9a-zA-Z-]+"',
    'envoy_response_code!~"5.*"',
  ],
  [
    "gatewayapi:v1",
    "http_request_duration_seconds_count",
    'kubernetes_namespace="prod",kubernetes_pod_name=~"shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"',
    'status!~"5.*"',
  ],
  [
    "gloo",
    "envoy_cluster_upstream_rq",
    'envoy_cluster_name=~"prod-shop-svc-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+"',
    'envoy_response_code!~"5.*"',
  ],
  [
    "istio",
    "istio_requests_total",
    'reporter="destination",destination_workload_namespace="prod",destination_workload=~"shop"',
    'response_code!~"5.*"',
  ],
  ["knative", "envoy_cluster_upstream_rq", 'envoy_cluster_name=~"prod/shop"', 'envoy_response_code!~"5.*"'],
  [
    "kubernetes",
    "http_request_duration_seconds_count",
    'kubernetes_namespace="prod",kubernetes_pod_name=~"shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"',
    'status!~"5.*"',
  ],
  [
    "kuma",
    "envoy_cluster_upstream_rq",
    'service=~"shop-svc-canary_prod_svc_[0-9a-zA-Z-]+"',
    'envoy_response_code!~"5.*"',
  ],
  ["linkerd", "response_total", 'namespace="prod",deployment=~"shop",direction="inbound"', 'classification!="failure"'],
  ["nginx", "nginx_ingress_controller_requests", 'namespace="prod",ingress="shop-ing",canary!=""', 'status!~"5.*"'],
  [
    "osm",
    "osm_request_total",
    'destination_namespace="prod",destination_kind="Deployment",destination_name="shop"',
    'response_code!~"5.*"',
  ],
  [
    "skipper",
    "skipper_response_duration_seconds_bucket",
    'route=~"kube(ew)?_prod__shop_ing_canary__.*__shop_svc_canary(_[0-9]+)?",le="+Inf"',
    'code!~"5.."',
  ],
  [
    "traefik",
    "traefik_service_request_duration_seconds_bucket",
    'service=~"prod-shop-svc-canary-[0-9a-zA-Z-]+@kubernetescrd",le="+Inf"',
    'code!~"5.."',
  ],
  [
    "none",
    "istio_requests_total",
    'reporter="destination",destination_workload_namespace="prod",destination_workload=~"shop"',
    'response_code!~"5.*"',
  ],
];

for (const [provider, series, common, good] of SELECTED) {
  Deno.test(`builtinQuery() of the success rate on ${provider} counts its series`, () => {
    const { query, factor } = builtinQuery(aCanary({ ...CANARY, provider }), "request-success-rate", OPTIONS);
    const rate = (matchers: string) => `sum(rate(${series}{${matchers}}[1m]))`;
    assert.equal(query, `100 * (${rate(`${common},${good}`)} or vector(0)) / ${rate(common)}`);
    assert.equal(factor, 1);
  });
}

const DURATIONS: readonly (readonly [router: string, begins: string, factor: number])[] = [
  [
    "apisix",
    'histogram_quantile(0.99, sum by (le) (rate(apisix_http_latency_bucket{route=~"prod_shop-shop-svc-canary_.+",type=~"request"}[1m])))',
    1,
  ],
  ["contour", "histogram_quantile(0.99, sum by (le) (rate(envoy_cluster_upstream_rq_time_bucket{", 1],
  ["istio", "histogram_quantile(0.99, sum by (le) (rate(istio_request_duration_milliseconds_bucket{", 1],
  ["kubernetes", "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{", 1000],
  ["linkerd", "histogram_quantile(0.99, sum by (le) (rate(response_latency_ms_bucket{", 1],
  ["osm", "histogram_quantile(0.99, sum by (le) (rate(osm_request_duration_ms_bucket{", 1],
  [
    "traefik",
    'histogram_quantile(0.99, sum by (le) (rate(traefik_service_request_duration_seconds_bucket{service=~"prod-shop-svc-canary-[0-9a-zA-Z-]+@kubernetescrd"}[1m])))',
    1000,
  ],
  ["nginx", "sum(rate(nginx_ingress_controller_response_duration_seconds_sum{", 1000],
  ["skipper", "sum(rate(skipper_serve_route_duration_seconds_sum{route=~", 1000],
];

for (const [provider, begins, factor] of DURATIONS) {
  Deno.test(`builtinQuery() of the duration on ${provider} is in milliseconds after its factor`, () => {
    const built = builtinQuery(aCanary({ ...CANARY, provider }), "request-duration", OPTIONS);
    assert.ok(built.query.startsWith(begins), built.query);
    assert.equal(built.factor, factor);
  });
}

Deno.test("builtinQuery() is PromQL on every router", () => {
  for (const provider of ROUTERS) {
    for (const name of ["request-success-rate", "request-duration"] as const) {
      const { query } = builtinQuery(aCanary({ ...CANARY, provider }), name, OPTIONS);
      assert.doesNotThrow(() => parsePromql(query), `${provider}: ${query}`);
      assert.doesNotMatch(query, /<\w+>/, `${provider}: ${query}`);
    }
  }
});

Deno.test("builtinQuery() names labels as the installation does", () => {
  const labels = { pod: "pod", namespace: "exported_namespace", service: "exported_service" };
  const query = (provider: string) =>
    builtinQuery(aCanary({ ...CANARY, provider }), "request-duration", { window: "30s", labels }).query;
  assert.match(query("kubernetes"), /\{exported_namespace="prod",pod=~"shop-/);
  assert.match(query("kubernetes"), /\[30s\]/);
  assert.match(query("traefik"), /\{exported_service=~"prod-/);
  assert.match(query("linkerd"), /\{namespace="prod",/);
});

const PODS: readonly (readonly [kind: string, canary: string, others: readonly string[]])[] = [
  ["Deployment", "shop-7d9c5f8b6-x2k4p", ["shop-primary-7d9c5f8b6-x2k4p", "shopper-7d9c5f8b6-x2k4p"]],
  ["DaemonSet", "shop-x2k4p", ["shop-primary-x2k4p"]],
  ["StatefulSet", "shop-0", ["shop-primary-0", "shop-primary"]],
];

for (const [kind, canary, others] of PODS) {
  Deno.test(`builtinQuery() selects the canary's pods of a ${kind}, not the primary's`, () => {
    const target = { apiVersion: "apps/v1", kind, name: "shop" };
    const { query } = builtinQuery(aCanary({ target, provider: "kubernetes" }), "request-success-rate", OPTIONS);
    const pattern = new RegExp(`^(?:${/kubernetes_pod_name=~"([^"]+)"/.exec(query)?.[1]})$`);
    assert.match(canary, pattern);
    for (const other of others) assert.doesNotMatch(other, pattern);
  });
}

Deno.test("builtinQuery() takes a dot of a name for a dot", () => {
  const canary = aCanary({ target: { name: "shop.v2" }, service: { name: "shop" }, provider: "istio" });
  const { query } = builtinQuery(canary, "request-success-rate", OPTIONS);
  assert.ok(query.includes('destination_workload=~"shop\\\\.v2"'), query);
});

Deno.test("builtinQuery() on Knative asks for the revision that is the canary", () => {
  const canary = aCanary({ provider: "knative" });
  const { query } = builtinQuery(canary, "request-duration", { ...OPTIONS, route: "shop-00008" });
  assert.match(query, /envoy_cluster_name=~"prod\/shop-00008"/);
});
