/** Built-in queries asked of samples: what the sandbox's PromQL makes of a canary and a primary side by side. */
import assert from "node:assert/strict";
import type { MetricSpec } from "../../src/core/canary.ts";
import type { Measurement } from "../../src/ports/metrics.ts";
import { answerQuery } from "../../src/sandbox/metrics/query_api.ts";
import { SampleStore } from "../../src/sandbox/metrics/sample_store.ts";
import { aCanary } from "../../test/support/builders.ts";
import { builtinSeries, FLAGGER_LABELS } from "./builtin_queries.ts";
import { planQuery } from "./plan.ts";
import { prometheus } from "./prometheus.ts";

const START_MS = 1_767_225_600_000;
const END_MS = START_MS + 120_000;
const CANARY_POD = "shop-7d9c5f8b6-x2k4p";
const PRIMARY_POD = "shop-primary-7d9c5f8b6-x2k4p";

type Series = readonly [labels: Readonly<Record<string, string>>, perSecond: number];

/** Two minutes of counters that rise steadily, scraped every 5 s. */
function storeOf(series: readonly Series[]): SampleStore {
  const store = new SampleStore(3_600_000);
  for (let atMs = START_MS; atMs <= END_MS; atMs += 5_000) {
    for (const [labels, perSecond] of series) {
      store.append(labels, { atMs, value: (atMs - START_MS) / 1000 * perSecond });
    }
  }
  return store;
}

async function measure(provider: string, name: "request-success-rate" | "request-duration", series: readonly Series[]) {
  const metric: MetricSpec = {
    name,
    source: { type: "builtin", name },
    interval: "1m",
    windowMs: 60_000,
    range: { min: null, max: null },
    variables: {},
    critical: false,
    dryRun: false,
    judge: "threshold",
  };
  const planned = planQuery(aCanary({ provider }), metric, FLAGGER_LABELS);
  const query = { ...planned.query, secret: {}, now: END_MS };
  const answer = await answerQuery(new Request(prometheus.request(query).url), storeOf(series), END_MS);
  const measured = prometheus.parse({ status: answer.status, headers: {}, body: await answer.text() }, query);
  return measured.type === "value" ? { ...measured, value: measured.value * planned.factor } : measured;
}

function isNear(measured: Measurement, want: number): void {
  assert.equal(measured.type, "value");
  const value = measured.type === "value" ? measured.value : NaN;
  assert.ok(Math.abs(value - want) < 0.001, `${value} is not ${want}`);
}

const istio = (workload: string, code: string, perSecond: number): Series => [{
  __name__: "istio_requests_total",
  reporter: "destination",
  destination_workload_namespace: "prod",
  destination_workload: workload,
  response_code: code,
}, perSecond];

const PRIMARY = [istio("shop-primary", "200", 50), istio("shop-primary", "500", 50)];
const RATES: readonly (readonly [what: string, series: readonly Series[], percent: number | null])[] = [
  ["all good", [istio("shop", "200", 10)], 100],
  ["one in ten bad", [istio("shop", "200", 9), istio("shop", "503", 1)], 90],
  ["nothing good", [istio("shop", "500", 10)], 0],
  ["no request, ever", [], null],
  ["no request for a while", [istio("shop", "200", 0)], null],
];

for (const [what, series, percent] of RATES) {
  Deno.test(`the success rate of a canary with ${what} is ${percent ?? "no data"}, whatever the primary does`, async () => {
    const measured = await measure("istio", "request-success-rate", [...PRIMARY, ...series]);
    if (percent === null) assert.equal(measured.type, "no-data");
    else isNear(measured, percent);
  });
}

async function seriesFound(
  provider: string,
  name: "request-success-rate" | "request-duration",
  series: readonly Series[],
) {
  const query = builtinSeries(provider, name, FLAGGER_LABELS);
  const url = `http://prometheus/api/v1/query?query=${encodeURIComponent(query)}`;
  const answer = await (await answerQuery(new Request(url), storeOf(series), END_MS)).json();
  return answer.data.result.length > 0;
}

for (
  const [what, series, found] of [
    ["of another workload", PRIMARY, true],
    ["that stand still", [istio("web", "200", 0)], true],
    ["none", [], false],
    ["of another name", [[{ ...istio("shop", "200", 1)[0], __name__: "istio_requests" }, 1]], false],
    ["with other labels", [[{ __name__: "istio_requests_total", reporter: "destination", code: "200" }, 1]], false],
    ["of another reporter", [[{ ...istio("shop", "200", 1)[0], reporter: "source" }, 1]], false],
  ] as const satisfies readonly (readonly [string, readonly Series[], boolean])[]
) {
  Deno.test(`series ${what} are ${found ? "" : "not "}what Istio's success rate is made of`, async () => {
    assert.equal(await seriesFound("istio", "request-success-rate", series), found);
  });
}

Deno.test("the series of a duration are a histogram's, or a mean's count", async () => {
  assert.equal(await seriesFound("kubernetes", "request-duration", [bucket(PRIMARY_POD, "0.1", 1)]), true);
  assert.equal(await seriesFound("kubernetes", "request-success-rate", [bucket(PRIMARY_POD, "0.1", 1)]), false);
  const labels = { namespace: "test", ingress: "web" };
  const count = { ...labels, __name__: "nginx_ingress_controller_response_duration_seconds_count" };
  assert.equal(
    await seriesFound("nginx", "request-duration", [[count, 1]]),
    true,
    "its canary's label is not there yet",
  );
});

const bucket = (pod: string, le: string, perSecond: number): Series => [{
  __name__: "http_request_duration_seconds_bucket",
  kubernetes_namespace: "prod",
  kubernetes_pod_name: pod,
  le,
}, perSecond];

Deno.test("the duration of a canary on kubernetes is its own 99th percentile, in milliseconds", async () => {
  const series = [
    ...[bucket(PRIMARY_POD, "0.1", 0), bucket(PRIMARY_POD, "5", 900), bucket(PRIMARY_POD, "+Inf", 900)],
    ...[bucket(CANARY_POD, "0.1", 0), bucket(CANARY_POD, "0.2", 10), bucket(CANARY_POD, "+Inf", 10)],
  ];
  isNear(await measure("kubernetes", "request-duration", series), 199);
});

Deno.test("the duration of a canary on nginx is a mean, in milliseconds", async () => {
  const labels = { namespace: "prod", ingress: "shop", canary: "prod-shop-canary-80" };
  const name = "nginx_ingress_controller_response_duration_seconds";
  const series: readonly Series[] = [
    [{ ...labels, __name__: `${name}_sum` }, 2],
    [{ ...labels, __name__: `${name}_count` }, 8],
  ];
  isNear(await measure("nginx", "request-duration", series), 250);
});
