/**
 * The threshold judge: one measured number against the metric's range, by Flagger's rules. Messages carry no canary's
 * name; whoever announces them puts "Halt shop.prod advancement" in front.
 */
import type { Canary, MetricSpec } from "./canary.ts";

/** What a provider measured, in percent or milliseconds for the built-in metrics; the port's type fits. */
export type Measured =
  | { readonly type: "value"; readonly value: number }
  | { readonly type: "no-data"; readonly reason: string };

export interface Judgement {
  readonly outcome: "passed" | "failed" | "inconclusive";
  /** The number that was compared; null without data, and where it is infinite, which state could not hold. */
  readonly value: number | null;
  /** "success rate 98.10% < 99%" */
  readonly message: string;
}

/**
 * Judges a measurement: failed below the range's minimum or above its maximum, which are both still inside; no data and
 * not-a-number are inconclusive.
 *
 * Of `flagger.app` the duration and its bounds are whole milliseconds, cut off: 500.9 is not above 500. `serin.dev`
 * compares what was measured.
 *
 * @see Flagger, metric analysis: https://docs.flagger.app/usage/metrics
 */
export function judgeThreshold(metric: MetricSpec, measured: Measured, api: Canary["api"]): Judgement {
  if (measured.type === "no-data") return inconclusive(metric, measured.reason);
  if (Number.isNaN(measured.value)) return inconclusive(metric, "the value is not a number");
  const isWhole = api === "flagger.app/v1beta1" && kindOf(metric) === "duration";
  const value = isWhole ? cut(measured.value) : measured.value;
  const min = isWhole && metric.range.min !== null ? cut(metric.range.min) : metric.range.min;
  const max = isWhole && metric.range.max !== null ? cut(metric.range.max) : metric.range.max;
  const kept = Number.isFinite(value) ? value : null;
  const shown = (bound: number | null) => `${labelOf(metric)} ${numberText(metric, value, bound)}`;
  if (min !== null && value < min) {
    return { outcome: "failed", value: kept, message: `${shown(min)} < ${boundText(metric, min)}` };
  }
  if (max !== null && value > max) {
    return { outcome: "failed", value: kept, message: `${shown(max)} > ${boundText(metric, max)}` };
  }
  return { outcome: "passed", value: kept, message: shown(null) };
}

type Kind = "success-rate" | "duration" | "other";

/** By source: a query under a built-in's name is judged as the query it is. */
function kindOf({ source }: MetricSpec): Kind {
  if (source.type !== "builtin") return "other";
  return source.name === "request-duration" ? "duration" : "success-rate";
}

function inconclusive(metric: MetricSpec, reason: string): Judgement {
  const what = metric.source.type === "builtin"
    ? `metric ${metric.name}, probably without traffic`
    : metric.source.type === "template"
    ? `custom metric: ${metric.name}`
    : `metric: ${metric.name}`;
  return { outcome: "inconclusive", value: null, message: `no values found for ${what}: ${reason}` };
}

/** Towards zero, and never to negative zero; infinities stay. */
function cut(value: number): number {
  return Math.trunc(value) + 0;
}

function labelOf(metric: MetricSpec): string {
  switch (kindOf(metric)) {
    case "success-rate":
      return "success rate";
    case "duration":
      return "request duration";
    case "other":
      return metric.name;
  }
}

/** @param bound what the value is shown against, so that rounding never hides on which side it lies */
function numberText(metric: MetricSpec, value: number, bound: number | null): string {
  switch (kindOf(metric)) {
    case "success-rate":
      return `${rounded(value, 2, bound)}%`;
    case "duration":
      return `${Number.isInteger(value) ? plain(value) : rounded(value, 3, bound)}ms`;
    case "other":
      return rounded(value, 2, bound);
  }
}

function boundText(metric: MetricSpec, bound: number): string {
  switch (kindOf(metric)) {
    case "success-rate":
      return `${plain(bound)}%`;
    case "duration":
      return `${plain(bound)}ms`;
    case "other":
      return plain(bound);
  }
}

/** Fewer digits, unless they would tell something else: 0.001 is not 0.00, and 98.999 is below 99. */
function rounded(value: number, digits: number, bound: number | null): string {
  if (!Number.isFinite(value)) return plain(value);
  const text = value.toFixed(digits);
  const isSameSide = bound === null || Math.sign(Number(text) - bound) === Math.sign(value - bound);
  return isSameSide && (value === 0 || Number(text) !== 0) ? text : plain(value);
}

/** As Go and Prometheus write infinities. */
function plain(value: number): string {
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}
