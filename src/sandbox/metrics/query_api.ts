/**
 * The part of Prometheus' HTTP API that canary analysis uses: instant and range queries, series, health. Any other
 * path is answered 404, so that a client never mistakes silence for an empty answer.
 *
 * @see https://prometheus.io/docs/prometheus/latest/querying/api/
 */
import { failure, instantData, matrixData, success } from "./answers.ts";
import { evaluate, type SampleSource } from "./promql/evaluate.ts";
import { parseDurationMs } from "./promql/literals.ts";
import { parsePromql } from "./promql/parse.ts";
import { PromqlError } from "./promql/promql_error.ts";
import { type Labels, labelsKey, type Point } from "./promql/value.ts";

/** Points a range query may ask for per series. */
const RANGE_POINTS_MAX = 11_000;

/** @param nowMs the time a query is evaluated at when it names none */
export async function answerQuery(request: Request, source: SampleSource, nowMs: number): Promise<Response> {
  const url = new URL(request.url);
  const isPost = request.method === "POST";
  if (!isPost && request.method !== "GET") return new Response("Method Not Allowed", { status: 405 });
  try {
    const parameters = new URLSearchParams(isPost ? await request.text() : "");
    // A parameter of the form wins over one of the same name in the address, as in Go's FormValue.
    for (const [name, value] of url.searchParams) parameters.append(name, value);
    switch (url.pathname) {
      case "/-/healthy":
        return new Response("Prometheus Server is Healthy.\n");
      case "/-/ready":
        return new Response("Prometheus Server is Ready.\n");
      case "/api/v1/query":
        return instantQuery(parameters, source, nowMs);
      case "/api/v1/query_range":
        return rangeQuery(parameters, source);
      case "/api/v1/series":
        return seriesQuery(parameters, source, nowMs);
      default:
        return new Response("404 page not found\n", { status: 404 });
    }
  } catch (error) {
    if (error instanceof PromqlError) return failure(error.errorType, error.message);
    throw error;
  }
}

function instantQuery(parameters: URLSearchParams, source: SampleSource, nowMs: number): Response {
  const time = parameters.get("time");
  const atMs = time === null ? nowMs : timeParameter("time", time);
  return success(instantData(evaluate(parseParameter(parameters), source, atMs), atMs));
}

function rangeQuery(parameters: URLSearchParams, source: SampleSource): Response {
  const startMs = timeParameter("start", parameters.get("start") ?? "");
  const endMs = timeParameter("end", parameters.get("end") ?? "");
  if (endMs < startMs) throw invalid("end", "end timestamp must not be before start time");
  const stepText = parameters.get("step") ?? "";
  const stepMs = parseDurationMs(stepText);
  if (stepMs === undefined) throw invalid("step", `cannot parse ${JSON.stringify(stepText)} to a valid duration`);
  if (stepMs <= 0) {
    throw invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  if ((endMs - startMs) / stepMs > RANGE_POINTS_MAX) {
    const why =
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    throw new PromqlError("bad_data", why);
  }
  const expr = parseParameter(parameters);
  const series = new Map<string, { readonly labels: Labels; readonly points: Point[] }>();
  for (let atMs = startMs; atMs <= endMs; atMs += stepMs) {
    const value = evaluate(expr, source, atMs);
    if (value.type === "string" || value.type === "matrix") {
      const got = value.type === "string" ? "string" : "range vector";
      throw invalid("query", `invalid expression type "${got}" for range query, must be Scalar or instant Vector`);
    }
    const samples = value.type === "scalar" ? [{ labels: {}, value: value.value }] : value.samples;
    for (const sample of samples) {
      const key = labelsKey(sample.labels);
      const entry = series.get(key) ?? { labels: sample.labels, points: [] };
      series.set(key, entry);
      entry.points.push({ atMs, value: sample.value });
    }
  }
  return success(matrixData([...series.values()]));
}

/** Label sets of series that had a sample between `start` and `end` (all that is held, where they are absent). */
function seriesQuery(parameters: URLSearchParams, source: SampleSource, nowMs: number): Response {
  const selectors = parameters.getAll("match[]");
  if (selectors.length === 0) throw new PromqlError("bad_data", "no match[] parameter provided");
  const startMs = timeOr(parameters.get("start"), "start", -Infinity);
  const endMs = timeOr(parameters.get("end"), "end", nowMs);
  const found = new Map<string, Labels>();
  for (const text of selectors) {
    const selector = parsePromql(text);
    if (selector.type !== "selector") throw invalid("match[]", "a series selector was expected");
    for (const { labels, samples } of source.select(selector.matchers)) {
      if (samples.some((sample) => sample.atMs >= startMs && sample.atMs <= endMs)) {
        found.set(labelsKey(labels), labels);
      }
    }
  }
  return success([...found.values()]);
}

function parseParameter(parameters: URLSearchParams) {
  try {
    return parsePromql(parameters.get("query") ?? "");
  } catch (error) {
    if (error instanceof PromqlError) throw invalid("query", error.message);
    throw error;
  }
}

function timeOr(text: string | null, name: string, fallbackMs: number): number {
  return text === null ? fallbackMs : timeParameter(name, text);
}

/** Seconds since the epoch, with a fraction, or RFC 3339. */
function timeParameter(name: string, text: string): number {
  const seconds = text.trim() === "" ? NaN : Number(text);
  const ms = Number.isNaN(seconds) && /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Math.round(seconds * 1000);
  if (!Number.isFinite(ms)) throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid timestamp`);
  return ms;
}

function invalid(parameter: string, why: string): PromqlError {
  return new PromqlError("bad_data", `invalid parameter ${JSON.stringify(parameter)}: ${why}`);
}
