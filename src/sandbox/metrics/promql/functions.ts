/** The functions of `signatures.ts`, from evaluated arguments to a value. */
import type { Expr, Matcher } from "./ast.ts";
import { histogramQuantiles } from "./histogram.ts";
import { compileRe2 } from "../../re2.ts";
import { PromqlError } from "./promql_error.ts";
import { countSteps, extrapolatedChange, lastChange, slope } from "./rates.ts";
import { greatest, least, mean, quantile, sum, variance } from "./statistics.ts";
import { dropName, type Labels, labelsKey, type Matrix, type Value, type VectorSample } from "./value.ts";

/** What a call gets: its arguments' values, the expressions they came from (for `absent`), and the time. */
export interface CallInput {
  readonly values: readonly Value[];
  readonly args: readonly Expr[];
  /** The moment the query is evaluated at, epoch milliseconds. */
  readonly atMs: number;
}

/** Calls a function whose arguments have passed the type check. */
export function callFunction(name: string, input: CallInput): Value {
  const known = FUNCTIONS.get(name);
  if (known === undefined) throw new PromqlError("execution", `function ${name} is not evaluated by the sandbox`);
  return known(input);
}

type Implementation = (input: CallInput) => Value;

/** One number a series, or none where the window holds too little. */
function overRange(
  of: (points: Matrix["series"][number]["points"], window: Matrix) => number | undefined,
  name: "drop" | "keep" = "drop",
): Implementation {
  return ({ values }) => {
    const matrix = matrixAt(values, values.length - 1);
    return vector(matrix.series.flatMap(({ labels, points }) => {
      const value = of(points, matrix);
      return value === undefined ? [] : [{ labels: name === "drop" ? dropName(labels) : labels, value }];
    }));
  };
}

function seconds(window: Matrix): number {
  return (window.endMs - window.startMs) / 1000;
}

function perSecond(value: number | undefined, window: Matrix): number | undefined {
  return value === undefined ? undefined : value / seconds(window);
}

function each(of: (value: number) => number): Implementation {
  return ({ values }) =>
    vector(vectorAt(values, 0).map(({ labels, value }) => ({ labels: dropName(labels), value: of(value) })));
}

function overTime(of: (values: readonly number[]) => number): Implementation {
  return overRange((points) => of(points.map((point) => point.value)));
}

const FUNCTIONS: ReadonlyMap<string, Implementation> = new Map<string, Implementation>([
  ["rate", overRange((points, window) => perSecond(extrapolatedChange(points, window, "counter"), window))],
  ["increase", overRange((points, window) => extrapolatedChange(points, window, "counter"))],
  ["delta", overRange((points, window) => extrapolatedChange(points, window, "gauge"))],
  [
    "irate",
    overRange((points) => {
      const step = lastChange(points, "counter");
      return step === undefined ? undefined : step.change / step.seconds;
    }),
  ],
  ["idelta", overRange((points) => lastChange(points, "gauge")?.change)],
  ["deriv", overRange(slope)],
  ["resets", overRange((points) => countSteps(points, (before, after) => after < before))],
  [
    "changes",
    overRange((points) => countSteps(points, (before, after) => !Object.is(before, after) && before !== after)),
  ],
  ["avg_over_time", overTime(mean)],
  ["min_over_time", overTime(least)],
  ["max_over_time", overTime(greatest)],
  ["sum_over_time", overTime(sum)],
  ["count_over_time", overTime((values) => values.length)],
  ["stddev_over_time", overTime((values) => Math.sqrt(variance(values)))],
  ["stdvar_over_time", overTime(variance)],
  ["present_over_time", overTime(() => 1)],
  ["last_over_time", overRange((points) => points.at(-1)?.value, "keep")],
  ["quantile_over_time", (input) => {
    const phi = scalarAt(input.values, 0);
    return overTime((values) => quantile(phi, values))(input);
  }],
  ["absent_over_time", ({ values, args }) => absent(matrixAt(values, 0).series.length === 0, args[0])],
  ["absent", ({ values, args }) => absent(vectorAt(values, 0).length === 0, args[0])],
  ["histogram_quantile", ({ values }) => vector(histogramQuantiles(scalarAt(values, 0), vectorAt(values, 1)))],
  ["abs", each(Math.abs)],
  ["ceil", each(Math.ceil)],
  ["floor", each(Math.floor)],
  ["exp", each(Math.exp)],
  ["ln", each(Math.log)],
  ["log2", each(Math.log2)],
  ["log10", each(Math.log10)],
  ["sqrt", each(Math.sqrt)],
  ["sgn", each(Math.sign)],
  ["round", (input) => {
    const inverse = 1 / (input.values.length > 1 ? scalarAt(input.values, 1) : 1);
    return each((value) => Math.floor(value * inverse + 0.5) / inverse)(input);
  }],
  ["clamp", (input) => {
    const [low, high] = [scalarAt(input.values, 1), scalarAt(input.values, 2)];
    return high < low ? vector([]) : each((value) => Math.max(low, Math.min(high, value)))(input);
  }],
  ["clamp_max", (input) => each((value) => Math.min(scalarAt(input.values, 1), value))(input)],
  ["clamp_min", (input) => each((value) => Math.max(scalarAt(input.values, 1), value))(input)],
  ["vector", ({ values }) => vector([{ labels: {}, value: scalarAt(values, 0) }])],
  ["scalar", ({ values }) => {
    const samples = vectorAt(values, 0);
    return { type: "scalar", value: samples.length === 1 ? samples[0]?.value ?? NaN : NaN };
  }],
  ["time", ({ atMs }) => ({ type: "scalar", value: atMs / 1000 })],
  [
    "timestamp",
    ({ values, atMs }) =>
      vector(
        vectorAt(values, 0).map(({ labels, takenMs }) => ({
          labels: dropName(labels),
          value: (takenMs ?? atMs) / 1000,
        })),
      ),
  ],
  ["sort", ({ values }) => vector([...vectorAt(values, 0)].sort((a, b) => byValue(a.value, b.value)))],
  ["sort_desc", ({ values }) => vector([...vectorAt(values, 0)].sort((a, b) => byValue(-a.value, -b.value)))],
  ["label_replace", ({ values }) => labelReplace(values)],
]);

/** NaN goes last in both directions. */
function byValue(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  return Number.isNaN(b) ? -1 : a - b;
}

/** 1 with the labels that the selector pins by "=", where nothing was found; else nothing. */
function absent(isAbsent: boolean, argument: Expr | undefined): Value {
  if (!isAbsent) return vector([]);
  const selector = argument?.type === "matrix" ? argument.selector : argument;
  const matchers: readonly Matcher[] = selector?.type === "selector" ? selector.matchers : [];
  const pinned = matchers.filter(({ label, operator }) =>
    label !== "__name__" && operator === "=" && matchers.filter((other) => other.label === label).length === 1
  );
  return vector([{ labels: Object.fromEntries(pinned.map(({ label, value }) => [label, value])), value: 1 }]);
}

function labelReplace(values: readonly Value[]): Value {
  const [target, replacement, source, pattern] = [1, 2, 3, 4].map((index) => stringAt(values, index));
  if (target === undefined || !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(target)) {
    throw new PromqlError("execution", `invalid destination label name in label_replace(): ${target}`);
  }
  let regex: RegExp;
  try {
    regex = compileRe2(pattern ?? "");
  } catch (cause) {
    throw new PromqlError("execution", `invalid regular expression in label_replace(): ${pattern}: ${String(cause)}`);
  }
  const seen = new Set<string>();
  const samples = vectorAt(values, 0).map((sample): VectorSample => {
    const found = regex.exec(sample.labels[source ?? ""] ?? "");
    const labels = found === null ? sample.labels : withLabel(sample.labels, target, expand(replacement ?? "", found));
    const key = labelsKey(labels);
    if (seen.has(key)) throw new PromqlError("execution", "vector cannot contain metrics with the same labelset");
    seen.add(key);
    return { ...sample, labels };
  });
  return vector(samples);
}

function withLabel(labels: Labels, name: string, value: string): Labels {
  const { [name]: _old, ...rest } = labels;
  return value === "" ? rest : { ...rest, [name]: value };
}

/** "$1", "${1}", "$name" and "$$", as Go's Regexp.Expand reads them; a group that is not there is empty. */
function expand(template: string, found: RegExpExecArray): string {
  return template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (all, bare: string | undefined, braced: string | undefined) => {
    const name = bare ?? braced;
    if (name === undefined) return all === "$$" ? "$" : all;
    return /^\d+$/.test(name) ? found[Number(name)] ?? "" : found.groups?.[name] ?? "";
  });
}

function vector(samples: readonly VectorSample[]): Value {
  return { type: "vector", samples };
}

function scalarAt(values: readonly Value[], index: number): number {
  const value = values[index];
  return value?.type === "scalar" ? value.value : NaN;
}

function stringAt(values: readonly Value[], index: number): string {
  const value = values[index];
  return value?.type === "string" ? value.value : "";
}

function vectorAt(values: readonly Value[], index: number): readonly VectorSample[] {
  const value = values[index];
  return value?.type === "vector" ? value.samples : [];
}

function matrixAt(values: readonly Value[], index: number): Matrix {
  const value = values[index];
  return value?.type === "matrix" ? value : { type: "matrix", series: [], startMs: 0, endMs: 0 };
}
