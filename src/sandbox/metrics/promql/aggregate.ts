/** Aggregations: many series to one a group (`sum by (le)`), or to the k first of each group (`topk`). */
import type { Aggregate } from "./ast.ts";
import { PromqlError } from "./promql_error.ts";
import { greatest, least, mean, quantile, sum, variance } from "./statistics.ts";
import { dropLabels, keepLabels, type Labels, labelsKey, type Value, type VectorSample } from "./value.ts";

interface Group {
  readonly labels: Labels;
  readonly members: VectorSample[];
}

/** @param parameter the evaluated first argument of topk, bottomk, quantile and count_values */
export function evaluateAggregate(
  expr: Aggregate,
  samples: readonly VectorSample[],
  parameter: Value | undefined,
): Value {
  const groups = new Map<string, Group>();
  for (const sample of samples) {
    const labels = expr.without
      ? dropLabels(sample.labels, ["__name__", ...expr.labels])
      : keepLabels(sample.labels, expr.labels);
    const key = labelsKey(labels);
    const group = groups.get(key) ?? { labels, members: [] };
    groups.set(key, group);
    group.members.push(sample);
  }
  return { type: "vector", samples: [...groups.values()].flatMap((group) => reduce(expr, group, parameter)) };
}

function reduce(expr: Aggregate, { labels, members }: Group, parameter: Value | undefined): readonly VectorSample[] {
  const values = members.map((member) => member.value);
  const number = parameter?.type === "scalar" ? parameter.value : NaN;
  const single = (value: number) => [{ labels, value }];
  switch (expr.operator) {
    case "sum":
      return single(sum(values));
    case "avg":
      return single(mean(values));
    case "min":
      return single(least(values));
    case "max":
      return single(greatest(values));
    case "count":
      return single(values.length);
    case "group":
      return single(1);
    case "stddev":
      return single(Math.sqrt(variance(values)));
    case "stdvar":
      return single(variance(values));
    case "quantile":
      return single(quantile(number, values));
    case "topk":
      return first(members, number, -1);
    case "bottomk":
      return first(members, number, 1);
    case "count_values":
      return countValues(labels, values, parameter?.type === "string" ? parameter.value : "");
  }
}

/** The k highest (direction -1) or lowest members, with their own labels; NaN only where nothing else is left. */
function first(members: readonly VectorSample[], count: number, direction: 1 | -1): readonly VectorSample[] {
  if (Number.isNaN(count)) throw new PromqlError("execution", "Parameter value is NaN");
  const sorted = [...members].sort((a, b) => {
    if (Number.isNaN(a.value) || Number.isNaN(b.value)) {
      return Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value));
    }
    return direction * (a.value - b.value);
  });
  return sorted.slice(0, Math.max(0, Math.trunc(count)));
}

function countValues(labels: Labels, values: readonly number[], label: string): readonly VectorSample[] {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label)) {
    throw new PromqlError("execution", `invalid label name ${JSON.stringify(label)}`);
  }
  const counts = new Map<string, number>();
  for (const value of values) counts.set(formatValue(value), (counts.get(formatValue(value)) ?? 0) + 1);
  return [...counts].map(([value, count]) => ({ labels: { ...labels, [label]: value }, value: count }));
}

/** A number as Prometheus prints it: no exponent, "+Inf", "-Inf", "NaN". */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa, exponent] = String(value).split("e");
  if (mantissa === undefined || exponent === undefined) return String(value);
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, "0").slice(0, point)}${digits.length > point ? `.${digits.slice(point)}` : ""}`;
}
