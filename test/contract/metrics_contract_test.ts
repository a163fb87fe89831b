/** What every metric provider must do, run over the table: see style guide, section 9. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { knownMetricProviders, metrics, metricsAdapter } from "../../adapters/metrics/mod.ts";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type { HttpAnswer } from "../../src/ports/http.ts";
import type { MetricsAdapter, MetricsQuery } from "../../src/ports/metrics.ts";
import { adapterFiles } from "../support/adapter_files.ts";
import { frozen } from "../support/builders.ts";
import { assertNoSecret, hostileAnswers } from "../support/wire_contract.ts";

const HELPERS = ["builtin_queries", "plan", "template"];

function aQuery(secret: Readonly<Record<string, string>>): MetricsQuery {
  return frozen({
    address: "https://geheim-user:geheim-password@provider.example.com/geheim-path",
    query: "up",
    windowMs: 60_000,
    headers: { "x-tenant": ["geheim-header"] },
    secret,
    insecureSkipVerify: false,
    region: "eu-central-1",
    now: 1_767_225_600_000,
  });
}

/** A Secret for each alternative, and none where the provider does without. */
function secretsOf(adapter: MetricsAdapter): readonly Readonly<Record<string, string>>[] {
  const given = adapter.secretKeys.map((keys) => Object.fromEntries(keys.map((key) => [key, `geheim-secret-${key}`])));
  return given.length === 0 ? [{}] : given;
}

for (const [id, adapter] of metrics) {
  for (const secret of secretsOf(adapter)) {
    const keys = Object.keys(secret).join(" and ");

    Deno.test(`request() of ${id} with ${keys} is the same twice, bounded in time, and has no secret in its URL`, () => {
      const request = adapter.request(aQuery(secret));
      assert.deepEqual(adapter.request(aQuery(secret)), request);
      assert.ok(request.timeoutMs > 0 && request.timeoutMs <= 30_000);
      for (const value of Object.values(secret)) assert.ok(!request.url.includes(value), request.url);
      assert.ok(["http:", "https:"].includes(new URL(request.url).protocol));
      for (const value of Object.values(request.headers ?? {})) assert.doesNotMatch(value, /[\r\n]/);
    });

    Deno.test(`parse() of ${id} with ${keys} throws only what is meant for the shell, without secrets`, () => {
      const query = aQuery(secret);
      for (const answer of hostileAnswers(Object.values(secret))) {
        checkParse(adapter, answer, query);
      }
    });
  }

  Deno.test(`parse() of ${id} is total`, () => {
    const query = aQuery(secretsOf(adapter)[0] ?? {});
    const answer = fc.record({ status: fc.integer({ min: 100, max: 599 }), body: fc.oneof(fc.string(), fc.json()) });
    fc.assert(fc.property(answer, ({ status, body }) => {
      checkParse(adapter, frozen({ status, headers: {}, body }), query);
    }));
  });

  Deno.test(`request() of ${id} refuses a Secret with other keys, without its values`, () => {
    if (adapter.secretKeys.length === 0) return;
    assert.throws(() => adapter.request(aQuery({ other: "geheim-other" })), (error: unknown) => {
      assert.ok(error instanceof InvalidSpecError);
      return assertNoSecret(error);
    });
  });

  Deno.test(`request() of ${id} needs its address exactly when it says so`, () => {
    const query = { ...aQuery(secretsOf(adapter)[0] ?? {}), address: "" };
    if (adapter.needsAddress) assert.throws(() => adapter.request(query), InvalidSpecError);
    else assert.doesNotThrow(() => adapter.request(query));
  });
}

function checkParse(adapter: MetricsAdapter, answer: HttpAnswer, query: MetricsQuery): void {
  try {
    const measured = adapter.parse(answer, query);
    if (measured.type === "value") assert.ok(!Number.isNaN(measured.value));
    else assert.notEqual(measured.reason, "");
    assert.ok(answer.status >= 200 && answer.status < 300, `a measurement from status ${answer.status}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof RejectedError || error instanceof UnavailableError, String(error));
    assertNoSecret(error);
  }
}

Deno.test("the table of metric providers equals its folder, is in order, and knows more than it has", () => {
  const ids = [...metrics.keys()];
  assert.deepEqual(ids, adapterFiles("metrics", HELPERS));
  assert.deepEqual(ids, [...metrics.values()].map(({ id }) => id));
  assert.deepEqual(ids.filter((id) => !knownMetricProviders.includes(id)), []);
  assert.deepEqual([...knownMetricProviders], [...knownMetricProviders].sort());
  for (const id of [...knownMetricProviders, "promethius"]) {
    if (metrics.has(id)) assert.equal(metricsAdapter(id).id, id);
    else assert.throws(() => metricsAdapter(id), InvalidSpecError);
  }
});
