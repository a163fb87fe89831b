/** Prometheus' JSON: values, timestamps and errors exactly as its HTTP API writes them. */
import { formatValue } from "./promql/aggregate.ts";
import type { PromqlErrorType } from "./promql/promql_error.ts";
import type { Labels, RangeSeries, Value } from "./promql/value.ts";

/** A status 200 answer; `warnings` and `infos` are absent, as where there are none. */
export function success(data: unknown): Response {
  return json(200, { status: "success", data });
}

/** 400 for "bad_data", 422 for "execution". */
export function failure(errorType: PromqlErrorType, error: string): Response {
  return json(errorType === "bad_data" ? 400 : 422, { status: "error", errorType, error });
}

/** `{resultType, result}` for an instant query evaluated at `atMs`. */
export function instantData(value: Value, atMs: number): unknown {
  switch (value.type) {
    case "scalar":
      return { resultType: "scalar", result: point(atMs, value.value) };
    case "string":
      return { resultType: "string", result: [atMs / 1000, value.value] };
    case "vector":
      return {
        resultType: "vector",
        result: value.samples.map((sample) => ({ metric: sorted(sample.labels), value: point(atMs, sample.value) })),
      };
    case "matrix":
      return matrixData(value.series);
  }
}

/** `{resultType: "matrix", result}`. */
export function matrixData(series: readonly RangeSeries[]): unknown {
  return {
    resultType: "matrix",
    result: series.map(({ labels, points }) => ({
      metric: sorted(labels),
      values: points.map(({ atMs, value }) => point(atMs, value)),
    })),
  };
}

function point(atMs: number, value: number): readonly [number, string] {
  return [atMs / 1000, formatValue(value)];
}

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
