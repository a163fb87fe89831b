import assert from "node:assert/strict";
import type { MetricSource, MetricSpec, MetricTemplate } from "../../src/core/canary.ts";
import { InvalidSpecError } from "../../src/errors.ts";
import { aCanary } from "../../test/support/builders.ts";
import { FLAGGER_LABELS } from "./builtin_queries.ts";
import { planQuery } from "./plan.ts";

function aMetric(source: MetricSource, more: Partial<MetricSpec> = {}): MetricSpec {
  return {
    name: "latency",
    source,
    interval: "2m",
    windowMs: 120_000,
    range: { min: null, max: 500 },
    variables: {},
    critical: false,
    dryRun: false,
    judge: "threshold",
    ...more,
  };
}

function aTemplate(provider: Partial<MetricTemplate["provider"]> = {}, query = "up"): MetricTemplate {
  return {
    id: { namespace: "monitoring", name: "latency" },
    source: { file: "templates.yaml", line: 1 },
    provider: {
      type: "prometheus",
      address: "https://prom.example.com/tenant",
      headers: { "x-scope-orgid": ["shop"] },
      secretName: "prom-login",
      region: null,
      insecureSkipVerify: false,
      replicas: 1,
      ...provider,
    },
    query,
  };
}

const canary = aCanary({ metricsServer: "http://prom:9090", provider: "kubernetes" });

Deno.test("planQuery() sends built-in metrics to the metrics server, with their factor and no Secret", () => {
  const metric = aMetric({ type: "builtin", name: "request-duration" });
  const planned = planQuery(canary, metric, FLAGGER_LABELS);
  assert.equal(planned.provider, "prometheus");
  assert.equal(planned.query.address, "http://prom:9090");
  assert.equal(planned.query.windowMs, 120_000);
  assert.match(planned.query.query, /http_request_duration_seconds_bucket\{.*\}\[2m\]/);
  assert.equal(planned.factor, 1000);
  assert.equal(planned.secret, null);
  assert.equal(planned.metric, metric);
});

Deno.test("planQuery() renders an inline query and keeps its inner white space", () => {
  const query = '\n  sum(x{target="{{ target }}",\n    v="{{ variables.v }}  "})  # all\n';
  const planned = planQuery(canary, aMetric({ type: "inline", query }, { variables: { v: "1" } }), FLAGGER_LABELS);
  assert.equal(planned.query.query, 'sum(x{target="shop",\n    v="1  "})  # all');
  assert.equal(planned.query.address, "http://prom:9090");
  assert.equal(planned.factor, 1);
});

Deno.test("planQuery() sends a template to its provider, with its headers and the Secret of its namespace", () => {
  const template = aTemplate({}, "{{ name }} {{ service }} {{ route }} {{ ingress }} {{ interval }}");
  const planned = planQuery(canary, aMetric({ type: "template", template }), FLAGGER_LABELS);
  assert.deepEqual(planned.query, {
    address: "https://prom.example.com/tenant",
    query: "shop shop shop shop 2m",
    windowMs: 120_000,
    headers: { "x-scope-orgid": ["shop"] },
    insecureSkipVerify: false,
    region: null,
  });
  assert.deepEqual(planned.secret, { namespace: "monitoring", name: "prom-login" });
});

for (const [windowMs, text] of [[60_000, "1m"], [90_000, "90s"], [500, "500ms"]] as const) {
  Deno.test(`planQuery() gives a template whose metric names no interval its window, ${text}`, () => {
    const template = aTemplate({}, "rate(x[{{ interval }}])");
    const metric = aMetric({ type: "template", template }, { interval: null, windowMs });
    assert.equal(planQuery(canary, metric, FLAGGER_LABELS).query.query, `rate(x[${text}])`);
  });
}

Deno.test("planQuery() refuses a provider without the address it needs, one without a row, and a broken query", () => {
  const plan = (template: MetricTemplate) => planQuery(canary, aMetric({ type: "template", template }), FLAGGER_LABELS);
  const refused = (template: MetricTemplate, message: RegExp) =>
    assert.throws(
      () => plan(template),
      (error: unknown) => error instanceof InvalidSpecError && message.test(error.message),
    );
  refused(aTemplate({ address: null }), /"monitoring\/latency": its provider "prometheus" has no address/);
  refused(aTemplate({ type: "keptn" }), /"keptn": it is not supported yet/);
  refused(aTemplate({ type: "promethius" }), /"promethius": it is not known/);
  refused(aTemplate({}, "{{ targt }}"), /MetricTemplate "monitoring\/latency": line 1, column 4/);
});
