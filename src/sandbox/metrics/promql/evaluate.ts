/**
 * Evaluates a parsed query at one moment over a store of samples. An instant selector takes the newest sample that is
 * at most five minutes old and not marked stale; a range selector those in (start, end], the left edge left out, as
 * Prometheus 3 does.
 */
import type { Expr, Matcher, MatrixSelector, Subquery, VectorSelector } from "./ast.ts";
import { evaluateAggregate } from "./aggregate.ts";
import { evaluateBinary } from "./binary.ts";
import { callFunction } from "./functions.ts";
import { PromqlError } from "./promql_error.ts";
import { dropName, type Labels, labelsKey, type Matrix, type Point, type Value, type VectorSample } from "./value.ts";

/** One stored sample. A stale one ends its series: the target went away or no longer shows it. */
export interface StoredSample extends Point {
  readonly stale?: true;
}

/** Where the samples lie. */
export interface SampleSource {
  /** Series that all matchers fit, each in time order. */
  select(
    matchers: readonly Matcher[],
  ): readonly { readonly labels: Labels; readonly samples: readonly StoredSample[] }[];
}

/** How far back an instant selector looks. */
export const LOOKBACK_MS = 5 * 60_000;
/** Steps that one subquery may take, Prometheus' bound for ranges. */
const SUBQUERY_STEPS_MAX = 11_000;

/**
 * The value of an expression at `atMs` (epoch milliseconds).
 *
 * @throws {PromqlError} "execution": labels that match several series, a bad parameter
 */
export function evaluate(expr: Expr, source: SampleSource, atMs: number): Value {
  const inner = (child: Expr) => evaluate(child, source, atMs);
  switch (expr.type) {
    case "number":
      return { type: "scalar", value: expr.value };
    case "string":
      return { type: "string", value: expr.value };
    case "negate":
      return negate(inner(expr.expr));
    case "selector":
      return { type: "vector", samples: instant(expr, source, atMs) };
    case "matrix":
      return range(expr, source, atMs);
    case "subquery":
      return subquery(expr, source, atMs);
    case "binary":
      return evaluateBinary(expr, inner(expr.left), inner(expr.right));
    case "aggregate": {
      const value = inner(expr.expr);
      const parameter = expr.parameter === undefined ? undefined : inner(expr.parameter);
      return evaluateAggregate(expr, value.type === "vector" ? value.samples : [], parameter);
    }
    case "call": {
      const value = callFunction(expr.name, { values: expr.args.map(inner), args: expr.args, atMs });
      return value.type === "vector" ? unique(value) : value;
    }
  }
}

function negate(value: Value): Value {
  if (value.type === "scalar") return { type: "scalar", value: -value.value };
  if (value.type !== "vector") throw new PromqlError("execution", "only numbers and vectors can be negated");
  return {
    type: "vector",
    samples: value.samples.map((sample) => ({ labels: dropName(sample.labels), value: -sample.value })),
  };
}

function instant(selector: VectorSelector, source: SampleSource, atMs: number): readonly VectorSample[] {
  const endMs = atMs - selector.offsetMs;
  return source.select(selector.matchers).flatMap(({ labels, samples }) => {
    const newest = samples.findLast((sample) => sample.atMs <= endMs);
    if (newest === undefined || newest.stale === true || newest.atMs <= endMs - LOOKBACK_MS) return [];
    return [{ labels, value: newest.value, takenMs: newest.atMs }];
  });
}

function range(matrix: MatrixSelector, source: SampleSource, atMs: number): Matrix {
  const endMs = atMs - matrix.selector.offsetMs;
  const startMs = endMs - matrix.rangeMs;
  const series = source.select(matrix.selector.matchers).flatMap(({ labels, samples }) => {
    const points = samples.filter((sample) => sample.atMs > startMs && sample.atMs <= endMs && sample.stale !== true);
    return points.length === 0 ? [] : [{ labels, points }];
  });
  return { type: "matrix", series, startMs, endMs };
}

function subquery(expr: Subquery, source: SampleSource, atMs: number): Matrix {
  const endMs = atMs - expr.offsetMs;
  const startMs = endMs - expr.rangeMs;
  if (expr.rangeMs / expr.stepMs > SUBQUERY_STEPS_MAX) {
    throw new PromqlError("execution", "exceeded maximum resolution of 11,000 points per timeseries");
  }
  const series = new Map<string, { readonly labels: Labels; readonly points: Point[] }>();
  // Steps lie on multiples of the step since the epoch, whatever the moment of the query.
  for (let stepMs = (Math.floor(startMs / expr.stepMs) + 1) * expr.stepMs; stepMs <= endMs; stepMs += expr.stepMs) {
    const value = evaluate(expr.expr, source, stepMs);
    for (const sample of value.type === "vector" ? value.samples : []) {
      const key = labelsKey(sample.labels);
      const entry = series.get(key) ?? { labels: sample.labels, points: [] };
      series.set(key, entry);
      entry.points.push({ atMs: stepMs, value: sample.value });
    }
  }
  return { type: "matrix", series: [...series.values()], startMs, endMs };
}

/** Dropping the name may make two series one; Prometheus refuses then rather than choosing. */
function unique(value: Extract<Value, { readonly type: "vector" }>): Value {
  const keys = new Set(value.samples.map((sample) => labelsKey(sample.labels)));
  if (keys.size === value.samples.length) return value;
  throw new PromqlError("execution", "vector cannot contain metrics with the same labelset");
}
