import assert from "node:assert/strict";
import fc from "fast-check";
import type { Canary, MetricSource, MetricSpec, Range } from "./canary.ts";
import { judgeThreshold, type Measured } from "./judge.ts";

const RATE: MetricSource = { type: "builtin", name: "request-success-rate" };
const DURATION: MetricSource = { type: "builtin", name: "request-duration" };
const QUERY: MetricSource = { type: "inline", query: "vector(1)" };

function aMetric(source: MetricSource, range: Partial<Range> = {}): MetricSpec {
  return {
    name: source.type === "builtin" ? source.name : "queue-length",
    source,
    interval: "1m",
    windowMs: 60_000,
    range: { min: null, max: null, ...range },
    variables: {},
    critical: false,
    dryRun: false,
    judge: "threshold",
  };
}

const FLAGGER = "flagger.app/v1beta1";
const SERIN = "serin.dev/v1";

const CASES: readonly {
  readonly rule: string;
  readonly metric: MetricSpec;
  readonly value: number;
  readonly api?: Canary["api"];
  readonly outcome: "passed" | "failed";
  readonly message: string;
  readonly kept?: number | null;
}[] = [
  {
    rule: "below the minimum",
    metric: aMetric(RATE, { min: 99 }),
    value: 98.1,
    outcome: "failed",
    message: "success rate 98.10% < 99%",
  },
  {
    rule: "the minimum is inside",
    metric: aMetric(RATE, { min: 99 }),
    value: 99,
    outcome: "passed",
    message: "success rate 99.00%",
  },
  {
    rule: "rounding does not hide the side",
    metric: aMetric(RATE, { min: 99 }),
    value: 98.9999,
    outcome: "failed",
    message: "success rate 98.9999% < 99%",
  },
  {
    rule: "above the maximum",
    metric: aMetric(DURATION, { max: 500 }),
    value: 812,
    outcome: "failed",
    message: "request duration 812ms > 500ms",
  },
  {
    rule: "the maximum is inside",
    metric: aMetric(DURATION, { max: 500 }),
    value: 500,
    outcome: "passed",
    message: "request duration 500ms",
  },
  {
    rule: "durations are cut to whole ms",
    metric: aMetric(DURATION, { max: 500 }),
    value: 500.9,
    outcome: "passed",
    message: "request duration 500ms",
    kept: 500,
  },
  {
    rule: "bounds of durations are cut too",
    metric: aMetric(DURATION, { max: 500.9 }),
    value: 501,
    outcome: "failed",
    message: "request duration 501ms > 500ms",
  },
  {
    rule: "serin.dev compares what was measured",
    metric: aMetric(DURATION, { max: 500 }),
    value: 500.9,
    api: SERIN,
    outcome: "failed",
    message: "request duration 500.900ms > 500ms",
  },
  {
    rule: "a query is compared as it is",
    metric: aMetric(QUERY, { max: 5 }),
    value: 6.2,
    outcome: "failed",
    message: "queue-length 6.20 > 5",
  },
  {
    rule: "a query is not cut",
    metric: aMetric(QUERY, { max: 5 }),
    value: 5.4,
    outcome: "failed",
    message: "queue-length 5.40 > 5",
  },
  {
    rule: "small values show",
    metric: aMetric(QUERY, { max: 0 }),
    value: 0.001,
    outcome: "failed",
    message: "queue-length 0.001 > 0",
  },
  {
    rule: "the minimum is looked at first",
    metric: aMetric(QUERY, { min: 5, max: 1 }),
    value: 3,
    outcome: "failed",
    message: "queue-length 3.00 < 5",
  },
  { rule: "no bounds", metric: aMetric(QUERY), value: -7, outcome: "passed", message: "queue-length -7.00" },
  {
    rule: "infinite is a value",
    metric: aMetric(QUERY, { max: 5 }),
    value: Infinity,
    outcome: "failed",
    message: "queue-length +Inf > 5",
    kept: null,
  },
];

for (const { rule, metric, value, api = FLAGGER, outcome, message, kept = value } of CASES) {
  Deno.test(`judgeThreshold(): ${rule}`, () => {
    assert.deepEqual(judgeThreshold(metric, { type: "value", value }, api), { outcome, value: kept, message });
  });
}

Deno.test("judgeThreshold() is inconclusive without data, and says for which kind of metric", () => {
  const none: Measured = { type: "no-data", reason: "the query returns no series" };
  assert.deepEqual(judgeThreshold(aMetric(RATE, { min: 99 }), none, FLAGGER), {
    outcome: "inconclusive",
    value: null,
    message: "no values found for metric request-success-rate, probably without traffic: the query returns no series",
  });
  assert.match(judgeThreshold(aMetric(QUERY), none, FLAGGER).message, /^no values found for metric: queue-length: /);
  assert.equal(judgeThreshold(aMetric(QUERY), { type: "value", value: NaN }, FLAGGER).outcome, "inconclusive");
});

const source = fc.constantFrom<MetricSource[]>(RATE, DURATION, QUERY);
const api = fc.constantFrom<Canary["api"][]>(FLAGGER, SERIN);
const bound = fc.option(fc.double({ noNaN: true }), { nil: null });
const measured: fc.Arbitrary<Measured> = fc.oneof(
  fc.record({ type: fc.constant("value" as const), value: fc.double() }),
  fc.record({ type: fc.constant("no-data" as const), reason: fc.string() }),
);

Deno.test("judgeThreshold() always ends in one of three outcomes, whose value survives JSON", () => {
  fc.assert(fc.property(source, bound, bound, measured, api, (from, min, max, what, version) => {
    const judged = judgeThreshold(aMetric(from, { min, max }), what, version);
    assert.ok(["passed", "failed", "inconclusive"].includes(judged.outcome));
    assert.notEqual(judged.message, "");
    assert.equal(JSON.parse(JSON.stringify(judged)).value, judged.value === 0 ? 0 : judged.value);
    const hasNumber = what.type === "value" && !Number.isNaN(what.value);
    assert.equal(judged.outcome === "inconclusive", !hasNumber);
  }));
});

Deno.test("judgeThreshold() passes a query exactly when the value is within the range", () => {
  fc.assert(fc.property(bound, bound, fc.double({ noNaN: true }), api, (min, max, value, version) => {
    const isWithin = (min === null || value >= min) && (max === null || value <= max);
    const judged = judgeThreshold(aMetric(QUERY, { min, max }), { type: "value", value }, version);
    assert.equal(judged.outcome, isWithin ? "passed" : "failed");
  }));
});

Deno.test("judgeThreshold() of flagger.app sees no difference within a millisecond", () => {
  const whole = fc.integer({ min: 0, max: 100_000 });
  const part = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(fc.property(whole, part, whole, part, (value, valuePart, max, maxPart) => {
    const exact = judgeThreshold(aMetric(DURATION, { max }), { type: "value", value }, FLAGGER);
    const near = { type: "value", value: value + valuePart } as const;
    assert.deepEqual(judgeThreshold(aMetric(DURATION, { max: max + maxPart }), near, FLAGGER), exact);
  }));
});

Deno.test("judgeThreshold() writes a failed value on the failing side of its bound", () => {
  fc.assert(
    fc.property(source, fc.double({ min: -1e6, max: 1e6, noNaN: true }), bound, api, (from, value, max, version) => {
      const judged = judgeThreshold(aMetric(from, { max }), { type: "value", value }, version);
      if (judged.outcome !== "failed") return;
      const [, left, right] = /([+-]Inf|-?[\d.e+-]+)(?:ms|%)? > ([+-]Inf|-?[\d.e+-]+)/.exec(judged.message) ?? [];
      const number = (text: string | undefined) => Number(text?.replace("Inf", "Infinity"));
      assert.ok(number(left) > number(right), judged.message);
    }),
  );
});
