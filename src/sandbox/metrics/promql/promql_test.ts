/**
 * PromQL over samples whose answers were worked out by hand from Prometheus' documentation; each row says how. Times
 * are seconds after a fixed start, so that `@60` in a row reads as the moment of evaluation.
 */
import { deepEqual, equal, throws } from "node:assert/strict";
import { evaluate, type SampleSource } from "./evaluate.ts";
import { formatValue } from "./aggregate.ts";
import { bucketQuantile } from "./histogram.ts";
import { parsePromql } from "./parse.ts";
import { PromqlError } from "./promql_error.ts";
import type { Labels } from "./value.ts";

const START_MS = 1_767_225_600_000;

/** "name{a=b,c=d}" to its samples, as [second, value] pairs; "stale" ends the series. */
type Written = Readonly<Record<string, readonly (readonly [number, number | "stale"])[]>>;

function sourceOf(written: Written): SampleSource {
  const all = Object.entries(written).map(([text, samples]) => ({
    labels: labelsOf(text),
    samples: samples.map(([second, value]) =>
      value === "stale"
        ? { atMs: START_MS + second * 1000, value: NaN, stale: true as const }
        : { atMs: START_MS + second * 1000, value }
    ),
  }));
  return {
    select: (matchers) =>
      all.filter(({ labels }) => matchers.every((matcher) => matcher.test(labels[matcher.label] ?? ""))),
  };
}

function labelsOf(text: string): Labels {
  const [, name = "", inside = ""] = /^([^{]*)(?:\{(.*)\})?$/.exec(text) ?? [];
  const pairs = inside === "" ? [] : inside.split(",").map((pair) => pair.split("="));
  return { ...(name === "" ? {} : { __name__: name }), ...Object.fromEntries(pairs) };
}

/** The answer as text: "3" for a scalar, "{a=b} 1; {} 2" for a vector in its order. */
function ask(query: string, written: Written, atSecond: number): string {
  const value = evaluate(parsePromql(query), sourceOf(written), START_MS + atSecond * 1000);
  if (value.type === "scalar") return shown(value.value);
  if (value.type === "string") return value.value;
  if (value.type === "matrix") return value.series.map(({ points }) => points.map((p) => shown(p.value))).join("; ");
  return value.samples.map((sample) => {
    const { __name__: name = "", ...labels } = sample.labels;
    return `${name}{${Object.entries(labels).sort().map((pair) => pair.join("=")).join(",")}} ${shown(sample.value)}`;
  }).join("; ");
}

/** Rounded to nine digits, since hand-made values do not know of binary fractions. */
function shown(value: number): string {
  return formatValue(Number.isFinite(value) ? Number(value.toPrecision(9)) : value);
}

const STEADY = [[10, 100], [20, 110], [30, 120], [40, 130], [50, 140]] as const;
const YOUNG = [[10, 2], [20, 12], [30, 22], [40, 32], [50, 42]] as const;
const LATE = [[30, 100], [40, 110], [50, 120]] as const;
const RESET = [[10, 10], [20, 20], [30, 5], [40, 15]] as const;
const at50 = (value: number) => [[50, value]] as const;

const LATENCY: Written = {
  "h_bucket{le=0.1,v=a}": at50(10),
  "h_bucket{le=0.5,v=a}": at50(30),
  "h_bucket{le=1,v=a}": at50(40),
  "h_bucket{le=+Inf,v=a}": at50(40),
};
const TWO: Written = {
  "m{job=a,path=x}": at50(1),
  "m{job=a,path=y}": at50(2),
  "m{job=b,path=x}": at50(5),
  "n{job=a}": at50(10),
  "n{job=c}": at50(20),
};

interface Row {
  readonly what: string;
  readonly query: string;
  readonly given: Written;
  readonly at: number;
  readonly want: string;
}

const ROWS: readonly Row[] = [
  {
    what: "increase: 40 in 40 s, 10 s missing at each edge are under 1.1 distances: 40 * 60/40",
    query: "increase(c[1m])",
    given: { c: STEADY },
    at: 60,
    want: "{} 60",
  },
  { what: "rate: the same by 60 s", query: "rate(c[1m])", given: { c: STEADY }, at: 60, want: "{} 1" },
  {
    what: "increase of a counter that was 0 two seconds before its first sample: 40 * (40+2+10)/40",
    query: "increase(c[1m])",
    given: { c: YOUNG },
    at: 60,
    want: "{} 52",
  },
  {
    what: "delta of a gauge knows no zero: 40 * 60/40",
    query: "delta(c[1m])",
    given: { c: YOUNG },
    at: 60,
    want: "{} 60",
  },
  {
    what: "a series that began inside the window reaches back half a distance: 20 * (20+5+10)/20",
    query: "increase(c[1m])",
    given: { c: LATE },
    at: 60,
    want: "{} 35",
  },
  {
    what: "a reset adds what was lost: (15-10+20) * (30+10+10)/30",
    query: "increase(c[50s])",
    given: { c: RESET },
    at: 50,
    want: "{} 41.6666667",
  },
  {
    what: "the window's left edge is open: the sample at 10 s does not count; (140-110) * 40/30 by 40 s",
    query: "rate(c[40s])",
    given: { c: STEADY },
    at: 50,
    want: "{} 1",
  },
  { what: "one sample gives no rate", query: "rate(c[10s])", given: { c: STEADY }, at: 55, want: "" },
  {
    what: "irate takes the last two",
    query: "irate(c[1m])",
    given: { c: [[10, 0], [20, 100], [25, 110]] },
    at: 60,
    want: "{} 2",
  },
  {
    what: "irate after a reset counts from 0",
    query: "irate(c[1m])",
    given: { c: [[10, 50], [20, 30]] },
    at: 60,
    want: "{} 3",
  },
  { what: "offset moves the window back", query: "rate(c[1m] offset 30s)", given: { c: STEADY }, at: 90, want: "{} 1" },
  { what: "resets and changes", query: "resets(c[1m]) + changes(c[1m])", given: { c: RESET }, at: 60, want: "{} 4" },
  { what: "deriv is the slope", query: "deriv(c[1m])", given: { c: STEADY }, at: 60, want: "{} 1" },
  {
    what: "median: rank 20 lies 10 of 20 into (0.1, 0.5]",
    query: "histogram_quantile(0.5, h_bucket)",
    given: LATENCY,
    at: 60,
    want: "{v=a} 0.3",
  },
  {
    what: "p99: rank 39.6 lies 9.6 of 10 into (0.5, 1]",
    query: "histogram_quantile(0.99, sum by (le) (h_bucket))",
    given: LATENCY,
    at: 60,
    want: "{} 0.98",
  },
  {
    what: "no observations: NaN",
    query: "histogram_quantile(0.99, h_bucket * 0)",
    given: LATENCY,
    at: 60,
    want: "{v=a} NaN",
  },
  { what: "sum by", query: "sum by (job) (m)", given: TWO, at: 60, want: "{job=a} 3; {job=b} 5" },
  {
    what: "sum without, modifier behind",
    query: "sum(m) without (job)",
    given: TWO,
    at: 60,
    want: "{path=x} 6; {path=y} 2",
  },
  {
    what: "avg, min, max, count in one",
    query: "avg(m) + min(m) + max(m) + count(m)",
    given: TWO,
    at: 60,
    want: "{} 11.6666667",
  },
  {
    what: "topk keeps labels and names",
    query: "topk(2, m)",
    given: TWO,
    at: 60,
    want: "m{job=b,path=x} 5; m{job=a,path=y} 2",
  },
  { what: "quantile interpolates", query: "quantile(0.25, m)", given: TWO, at: 60, want: "{} 1.5" },
  { what: "count_values", query: 'count_values("v", m > 1)', given: TWO, at: 60, want: "{v=2} 1; {v=5} 1" },
  {
    what: "one-to-one matching on a label",
    query: "sum by (job) (m) / on(job) n",
    given: TWO,
    at: 60,
    want: "{job=a} 0.3",
  },
  {
    what: "many-to-one",
    query: "m * on(job) group_left n",
    given: TWO,
    at: 60,
    want: "{job=a,path=x} 10; {job=a,path=y} 20",
  },
  { what: "ignoring", query: "m{path='y'} + ignoring(path) n", given: TWO, at: 60, want: "{job=a} 12" },
  {
    what: "a comparison filters and keeps the name",
    query: "m > 1",
    given: TWO,
    at: 60,
    want: "m{job=a,path=y} 2; m{job=b,path=x} 5",
  },
  { what: "a number on the left filters too", query: "1 < n", given: TWO, at: 60, want: "n{job=a} 10; n{job=c} 20" },
  { what: "bool", query: "n > bool 15", given: TWO, at: 60, want: "{job=a} 0; {job=c} 1" },
  {
    what: "and, unless",
    query: "(m and on(job) n) unless on(path) m{path='y'}",
    given: TWO,
    at: 60,
    want: "m{job=a,path=x} 1",
  },
  {
    what: "or keeps both sides' own",
    query: "n or on(job) m",
    given: TWO,
    at: 60,
    want: "n{job=a} 10; n{job=c} 20; m{job=b,path=x} 5",
  },
  {
    what: "or vector(0) fills an empty answer",
    query: "sum(rate(nothing[1m])) or vector(0)",
    given: TWO,
    at: 60,
    want: "{} 0",
  },
  { what: "sum of nothing is nothing", query: "sum(nothing)", given: TWO, at: 60, want: "" },
  { what: "0/0 is NaN", query: "sum(m) * 0 / 0", given: TWO, at: 60, want: "{} NaN" },
  { what: "1/0 is +Inf, negated -Inf", query: "-(1 / 0)", given: {}, at: 60, want: "-Inf" },
  {
    what: "precedence: power binds right, before the sign: -4 + 2 + 4 + 1 - 4",
    query: "-2 ^ 2 + 2 ^ 3 ^ 0 + (-2) ^ 2 + 1 -2 ^ 2",
    given: {},
    at: 60,
    want: "-1",
  },
  {
    what: "regular expressions are anchored",
    query: "m{path=~'x|z', job!~'b'}",
    given: TWO,
    at: 60,
    want: "m{job=a,path=x} 1",
  },
  {
    what: "an absent label equals the empty string",
    query: 'n{path=""}',
    given: TWO,
    at: 60,
    want: "n{job=a} 10; n{job=c} 20",
  },
  {
    what: "absent names what was pinned",
    query: 'absent(gone{job="a",x=~"y"})',
    given: TWO,
    at: 60,
    want: "{job=a} 1",
  },
  { what: "absent of something", query: "absent(n)", given: TWO, at: 60, want: "" },
  {
    what: "scalar, vector, time",
    query: "vector(scalar(n{job='a'})) + time() - time()",
    given: TWO,
    at: 60,
    want: "{} 10",
  },
  {
    what: "clamps, abs, round",
    query: "clamp_max(clamp_min(round(abs(n * -1.26), 0.5), 13), 20)",
    given: TWO,
    at: 60,
    want: "{job=a} 13; {job=c} 20",
  },
  {
    what: "over time",
    query: "avg_over_time(c[1m]) + max_over_time(c[1m]) - min_over_time(c[1m]) + count_over_time(c[1m])",
    given: { c: STEADY },
    at: 60,
    want: "{} 165",
  },
  {
    what: "last_over_time keeps the name",
    query: "last_over_time(c[1m])",
    given: { c: STEADY },
    at: 60,
    want: "c{} 140",
  },
  {
    what: "label_replace",
    query: 'label_replace(n{job="a"}, "team", "$1-$1", "job", "(.*)")',
    given: TWO,
    at: 60,
    want: "n{job=a,team=a-a} 10",
  },
  { what: "a sample is seen for five minutes", query: "c", given: { c: at50(1) }, at: 349, want: "c{} 1" },
  { what: "and not after", query: "c", given: { c: at50(1) }, at: 350, want: "" },
  { what: "a stale series is gone at once", query: "c", given: { c: [[50, 1], [55, "stale"]] }, at: 60, want: "" },
  {
    what: "but not from ranges",
    query: "count_over_time(c[1m])",
    given: { c: [[50, 1], [55, "stale"]] },
    at: 60,
    want: "{} 1",
  },
  {
    what: "subquery: maxima at 20, 40 and 60",
    query: "sum_over_time(c[1m:20s])",
    given: { c: STEADY },
    at: 60,
    want: "{} 380",
  },
  { what: "strings and comments", query: "# hello\n 'x\\ty'", given: {}, at: 60, want: "x\ty" },
  { what: "durations are numbers", query: "1h30m + 0x10", given: {}, at: 0, want: "5416" },
];

for (const row of ROWS) {
  Deno.test(`PromQL ${row.query.trim()}: ${row.what}`, () => {
    equal(ask(row.query, row.given, row.at), row.want);
  });
}

Deno.test("a quantile beyond the last finite bucket is that bucket's bound; q outside [0,1] is infinite", () => {
  const buckets = [[0.5, 10], [1, 20], [Infinity, 50]].map(([upperBound = 0, count = 0]) => ({ upperBound, count }));
  equal(bucketQuantile(0.99, buckets), 1);
  equal(bucketQuantile(2, buckets), Infinity);
  equal(bucketQuantile(-1, buckets), -Infinity);
  equal(bucketQuantile(0.5, buckets.slice(0, 2)), NaN);
});

Deno.test("the built-in success rate of Istio: three of four requests good", () => {
  const series = (code: string, perSecond: number) => ({
    [`istio_requests_total{reporter=destination,destination_workload=shop,destination_workload_namespace=prod,response_code=${code}}`]:
      [0, 10, 20, 30, 40, 50, 60].map((second) => [second, 1000 + second * perSecond] as const),
  });
  const common = 'reporter="destination",destination_workload_namespace="prod",destination_workload=~"shop"';
  const query = `100 * sum(rate(istio_requests_total{${common},response_code!~"5.*"}[1m]))
    / sum(rate(istio_requests_total{${common}}[1m]))`;
  equal(ask(query, { ...series("200", 3), ...series("503", 1) }, 60), "{} 75");
});

const REFUSED: readonly (readonly [query: string, message: RegExp])[] = [
  ["", /^unknown position: parse error: no expression found in input$/],
  ["foo(a)", /^1:1: parse error: unknown function with name "foo"$/],
  ["sum(", /^1:5: parse error: unexpected end of input$/],
  ["1 +\n a)", /^2:3: parse error: unexpected "\)"$/],
  ["rate(a)", /expected type range vector in call to function "rate", got instant vector/],
  ["rate(a[1m], 2)", /expected 1 argument\(s\) in call to "rate", got 2/],
  ["predict_linear(a[1m], 5)", /function "predict_linear" is not evaluated/],
  ["a @ 5", /not known to the sandbox/],
  ["1 > 2", /comparisons between scalars must use BOOL modifier/],
  ["1 and a", /set operator "and" not allowed in binary scalar expression/],
  ['{a=""}', /must contain at least one non-empty matcher/],
  ['a{b=~"("}', /error parsing regexp/],
  ['a{b=~"(?=x)"}', /unsupported Perl syntax/],
  ["a[0s]", /duration must be greater than 0/],
  ["sum(a[1m])", /expected type instant vector in aggregation expression, got range vector/],
];

for (const [query, message] of REFUSED) {
  Deno.test(`PromQL refuses ${JSON.stringify(query)}`, () => {
    throws(() => parsePromql(query), (error) => {
      equal(error instanceof PromqlError && error.errorType, "bad_data");
      return error instanceof Error && message.test(error.message);
    });
  });
}

Deno.test("series that match twice are an execution error, not a guess", () => {
  throws(() => ask("n + on() m", TWO, 60), (error) => {
    return error instanceof PromqlError && error.errorType === "execution" && /duplicate series/.test(error.message);
  });
  throws(() => ask("m + on(job) n", TWO, 60), /many-to-one matching must be explicit/);
  throws(() => ask("rate({job='a'}[1m])", { "a{job=a}": STEADY, "b{job=a}": STEADY }, 60), /same labelset/);
});

Deno.test("numbers are printed without exponents", () => {
  const numbers = [0, 1.5, 1e21, 1.25e-7, -1e-7, NaN, Infinity, -Infinity, 123456789012345680000, 2.5e22];
  deepEqual(numbers.map(formatValue), [
    "0",
    "1.5",
    "1000000000000000000000",
    "0.000000125",
    "-0.0000001",
    "NaN",
    "+Inf",
    "-Inf",
    "123456789012345680000",
    "25000000000000000000000",
  ]);
});
