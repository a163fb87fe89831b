/** What the fixtures do not show of reading a Canary; above all that it never throws. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import type { MetricTemplate } from "../core/canary.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/kube_object.ts";
import { testCapabilities, testContext } from "../../test/support/capabilities.ts";
import { formatComplaint } from "./complaints.ts";
import { parseCanaryText } from "./parse_canary.ts";
import { parseFile } from "./parse_file.ts";

const template: MetricTemplate = {
  id: { namespace: "shop", name: "errors" },
  source: { file: "t.yaml", line: 1 },
  provider: {
    type: "prometheus",
    address: "http://p",
    headers: {},
    secretName: null,
    region: null,
    insecureSkipVerify: false,
    replicas: 1,
  },
  query: 'sum(x{t="{{ variables.tier }}"}[{{ interval }}])',
};

function canary(spec: JsonObject = {}, analysis: JsonObject = {}): JsonObject {
  return {
    apiVersion: "serin.dev/v1",
    kind: "Canary",
    metadata: { name: "web", namespace: "shop", annotations: {} },
    spec: {
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      service: { port: 80, match: [{ headers: { X: { exact: "1" } } }] },
      analysis: {
        interval: "1m",
        threshold: 5,
        stepWeight: 10,
        metrics: [{ name: "request-success-rate", thresholdRange: { min: 99 } }],
        webhooks: [{ name: "load", url: "http://load" }],
        ...analysis,
      },
      ...spec,
    },
  };
}

function parse(object: Json, context = testContext({ templates: [template] })) {
  return parseCanaryText(stringify(object), "web.yaml", context);
}

Deno.test("parseCanary() takes provider and metrics server from the agent's defaults", () => {
  const capabilities = testCapabilities({ defaults: { provider: "traefik", metricsServer: "http://m:1" } });
  const { canary: read } = parse(canary(), testContext({ capabilities }));
  assert.deepEqual([read?.provider, read?.metricsServer, read?.traits.match], ["traefik", "http://m:1", false]);
});

Deno.test("parseCanary() refuses a default provider that is not built, by name", () => {
  const capabilities = testCapabilities({ defaults: { provider: "isto", metricsServer: "http://m:1" } });
  const { canary: read, complaints } = parse(canary(), testContext({ capabilities }));
  assert.equal(read, null);
  assert.deepEqual(complaints.map(({ field, fix }) => [field, fix]), [["spec.provider", 'Write "istio"']]);
});

Deno.test("parseCanary() warns of a query's variables and window that are not given", () => {
  const metrics = [{ name: "errors", templateRef: { name: "errors" }, thresholdRange: { max: 1 } }];
  const { canary: read, complaints } = parse(canary({}, { metrics }));
  assert.deepEqual(read?.analysis.metrics.map(({ interval, windowMs }) => [interval, windowMs]), [[null, 60_000]]);
  assert.deepEqual(complaints.map(({ severity, message }) => [severity, message]), [
    ["warning", 'Is absent: "{{ interval }}" in the query renders empty'],
    ["warning", 'The query reads variable "tier", which is not given'],
  ]);
});

Deno.test("parseCanary() reads the old threshold as the least success rate, and as the most of all else", () => {
  const metrics = [
    { name: "request-success-rate", threshold: 99 },
    { name: "request-duration", threshold: 500 },
    { name: "other", query: "x", threshold: 0 },
    { name: "both", query: "x", threshold: 1, thresholdRange: { min: 2 } },
  ];
  assert.deepEqual(parse(canary({}, { metrics })).canary?.analysis.metrics.map(({ range }) => range), [
    { min: 99, max: null },
    { min: null, max: 500 },
    { min: null, max: 0 },
    { min: 2, max: null },
  ]);
});

Deno.test("parseCanary() pairs Knative targets with the knative provider", () => {
  const targetRef = { apiVersion: "serving.knative.dev/v1", kind: "Service", name: "web" };
  const knative = canary({ targetRef, provider: "knative" });
  const { service: _service, ...spec } = knative["spec"] as JsonObject;
  assert.deepEqual(parse({ ...knative, spec }).complaints.map(formatComplaint), []);
  const alone = parse(canary({ targetRef })).complaints.map(({ field, message }) => [field, message]);
  assert.deepEqual(alone, [["spec.provider", 'A Knative target needs provider "knative": it is "istio"']]);
  const autoscalerRef = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "web" };
  const scaled = parse(canary({ targetRef, provider: "knative", autoscalerRef })).complaints.map(({ field }) => field);
  assert.deepEqual(scaled, ["spec.autoscalerRef"]);
});

Deno.test("parseCanary() refuses TCP routing with what needs requests", () => {
  const service = { port: 80, appProtocol: "TCP" };
  const affinity = { sessionAffinity: { cookieName: "a" }, mirror: true };
  const fields = parse(canary({ service }, affinity)).complaints.map(({ field }) => field);
  assert.deepEqual(fields.toSorted(), ["spec.analysis.mirror", "spec.analysis.sessionAffinity"]);
});

Deno.test("parseCanary() refuses names that leave no room for derived ones", () => {
  for (const [name, count] of [["a".repeat(55), 0], ["a".repeat(56), 1], ["a.b", 1]] as const) {
    const targetRef = { apiVersion: "apps/v1", kind: "Deployment", name };
    assert.equal(parse(canary({ targetRef })).complaints.length, count, name);
    assert.equal(parse(canary({ targetRef, service: { port: 80, name: "short" } })).complaints.length, 0, name);
  }
});

Deno.test("parseFile() reads a template's replicas from an annotation", () => {
  const text = `apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: t, namespace: shop, annotations: {serin.dev/provider.replicas: "2"}}
spec: {provider: {type: prometheus, address: "http://p"}, query: up}
`;
  const { templates } = parseFile("t.yaml", new TextEncoder().encode(text));
  assert.deepEqual(templates.map(({ value, complaints }) => [value?.provider.replicas, complaints]), [[2, []]]);
});

/** Every path of an object. */
function pathsOf(value: Json, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function replaced(value: Json, [key, ...rest]: readonly string[], by: Json): Json {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((inner: Json, index) => (String(index) === key ? replaced(inner, rest, by) : inner));
  }
  return isJsonObject(value) ? { ...value, [key]: replaced(value[key] ?? null, rest, by) } : by;
}

Deno.test("parseCanary() is total: whatever stands in a field, it gives a canary or an error, never both or neither", () => {
  const start = canary();
  const junk = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(null, "", 0, -1, 1e9, [], {}, "1m", true, "istio", "kubernetes"),
  );
  fc.assert(
    fc.property(fc.constantFrom(...pathsOf(start)), junk, (path, value) => {
      const { canary: read, complaints } = parse(replaced(start, path, value as Json));
      assert.equal(read === null, complaints.some(({ severity }) => severity === "error"));
      for (const { line, fix, message } of complaints) assert.ok(line >= 0 && fix !== "" && message !== "");
    }),
    { numRuns: 1000 },
  );
});
