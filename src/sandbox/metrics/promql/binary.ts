/** Binary operators: numbers with numbers, numbers with vectors, and vectors with each other by matching labels. */
import { type Binary, type BinaryOperator, COMPARISON, type Matching, SET_OPERATORS } from "./ast.ts";
import { PromqlError } from "./promql_error.ts";
import { dropLabels, dropName, keepLabels, type Labels, labelsKey, type Value, type VectorSample } from "./value.ts";

/** Applies an operator to two evaluated sides, each a scalar or a vector. */
export function evaluateBinary(expr: Binary, left: Value, right: Value): Value {
  if (left.type === "scalar" && right.type === "scalar") {
    return { type: "scalar", value: apply(expr.operator, left.value, right.value) };
  }
  if (left.type === "vector" && right.type === "scalar") {
    return vector(left.samples.flatMap((sample) => pair(expr, sample, { value: right.value, labels: sample.labels })));
  }
  if (left.type === "scalar" && right.type === "vector") {
    return vector(right.samples.flatMap((sample) => {
      const [result] = pair(expr, { value: left.value, labels: sample.labels }, sample);
      // A comparison that filters keeps the vector's value, on whichever side the vector stands.
      return result === undefined ? [] : [COMPARISON.has(expr.operator) && !expr.bool ? sample : result];
    }));
  }
  if (left.type !== "vector" || right.type !== "vector") {
    throw new PromqlError("execution", "binary expression must contain only scalar and instant vector types");
  }
  if (SET_OPERATORS.has(expr.operator)) return vector(combine(expr, left.samples, right.samples));
  return vector(match(expr, left.samples, right.samples));
}

/** The result of one pair, or nothing where a comparison without `bool` does not hold. */
function pair(expr: Binary, left: VectorSample, right: VectorSample): readonly VectorSample[] {
  if (COMPARISON.has(expr.operator) && !expr.bool) {
    return apply(expr.operator, left.value, right.value) === 1 ? [left] : [];
  }
  return [{ labels: dropName(left.labels), value: apply(expr.operator, left.value, right.value) }];
}

function combine(
  expr: Binary,
  left: readonly VectorSample[],
  right: readonly VectorSample[],
): readonly VectorSample[] {
  const keyOf = (sample: VectorSample) => signature(sample.labels, expr.matching);
  const [leftKeys, rightKeys] = [new Set(left.map(keyOf)), new Set(right.map(keyOf))];
  if (expr.operator === "and") return left.filter((sample) => rightKeys.has(keyOf(sample)));
  if (expr.operator === "unless") return left.filter((sample) => !rightKeys.has(keyOf(sample)));
  return [...left, ...right.filter((sample) => !leftKeys.has(keyOf(sample)))];
}

function match(expr: Binary, left: readonly VectorSample[], right: readonly VectorSample[]): readonly VectorSample[] {
  const { matching } = expr;
  const manyIsLeft = matching.group !== "one-to-many";
  const [many, one, oneSide] = manyIsLeft ? [left, right, "right"] as const : [right, left, "left"] as const;
  const ones = new Map<string, VectorSample>();
  for (const sample of one) {
    const key = signature(sample.labels, matching);
    if (ones.has(key)) {
      throw duplicate(
        `found duplicate series for the match group ${key} on the ${oneSide} hand-side of the operation`,
        matching,
      );
    }
    ones.set(key, sample);
  }
  const taken = new Set<string>();
  return many.flatMap((sample) => {
    const key = signature(sample.labels, matching);
    const partner = ones.get(key);
    if (partner === undefined) return [];
    const [result] = manyIsLeft ? pair(expr, sample, partner) : pair(expr, partner, sample);
    if (result === undefined) return [];
    const labels = resultLabels(expr, sample.labels, partner.labels);
    const identity = matching.group === "one-to-one" ? key : labelsKey(labels);
    if (taken.has(identity)) {
      const hint = matching.group === "one-to-one"
        ? "many-to-one matching must be explicit (group_left/group_right)"
        : "grouping labels must ensure unique matches";
      throw duplicate(`multiple matches for labels: ${hint}`, matching);
    }
    taken.add(identity);
    return [{ labels, value: result.value }];
  });
}

function resultLabels(expr: Binary, many: Labels, one: Labels): Labels {
  const { matching } = expr;
  const named = COMPARISON.has(expr.operator) && !expr.bool ? many : dropName(many);
  if (matching.group === "one-to-one") {
    return matching.on ? keepLabels(named, matching.labels) : dropLabels(named, matching.labels);
  }
  const copied = keepLabels(one, matching.include);
  return { ...dropLabels(named, matching.include), ...copied };
}

function signature(labels: Labels, matching: Matching): string {
  return labelsKey(
    matching.on ? keepLabels(labels, matching.labels) : dropLabels(labels, ["__name__", ...matching.labels]),
  );
}

function duplicate(why: string, matching: Matching): PromqlError {
  const by = `${matching.on ? "on" : "ignoring"}(${matching.labels.join(", ")})`;
  return new PromqlError("execution", `${why}; matching is ${by}`);
}

function apply(operator: BinaryOperator, left: number, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
    case "%":
      return left % right;
    case "^":
      return left ** right;
    case "atan2":
      return Math.atan2(left, right);
    case "==":
      return Number(left === right);
    case "!=":
      return Number(left !== right);
    case "<":
      return Number(left < right);
    case "<=":
      return Number(left <= right);
    case ">":
      return Number(left > right);
    case ">=":
      return Number(left >= right);
    default:
      throw new PromqlError("execution", `operator ${operator} is not allowed between numbers`);
  }
}

function vector(samples: readonly VectorSample[]): Value {
  return { type: "vector", samples };
}
