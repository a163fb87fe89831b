/** Types of PromQL expressions, checked before anything is evaluated, with Prometheus' own words for what is wrong. */
import { ARITHMETIC, type Binary, type Call, COMPARISON, type Expr, SET_OPERATORS, type ValueType } from "./ast.ts";
import { SIGNATURES } from "./signatures.ts";

/** The type an expression yields; a call of an unknown function counts as an instant vector (it is refused anyway). */
export function typeOf(expr: Expr): ValueType {
  switch (expr.type) {
    case "number":
      return "scalar";
    case "string":
      return "string";
    case "negate":
      return typeOf(expr.expr);
    case "selector":
    case "aggregate":
      return "instant vector";
    case "matrix":
    case "subquery":
      return "range vector";
    case "binary":
      return typeOf(expr.left) === "scalar" && typeOf(expr.right) === "scalar" ? "scalar" : "instant vector";
    case "call":
      return SIGNATURES.get(expr.name)?.result ?? "instant vector";
  }
}

/**
 * Checks one node, its children having been checked already.
 *
 * @param fail makes the error that is thrown from what is wrong
 */
export function checkTypes(expr: Expr, fail: (why: string) => Error): void {
  switch (expr.type) {
    case "negate":
      if (!["scalar", "instant vector"].includes(typeOf(expr.expr))) {
        const got = JSON.stringify(typeOf(expr.expr));
        throw fail(`unary expression only allowed on expressions of type scalar or instant vector, got ${got}`);
      }
      return;
    case "subquery":
      expectType(expr.expr, "instant vector", "in subquery", fail);
      return;
    case "aggregate":
      expectType(expr.expr, "instant vector", "in aggregation expression", fail);
      if (expr.parameter !== undefined) {
        expectType(
          expr.parameter,
          expr.operator === "count_values" ? "string" : "scalar",
          "in aggregation parameter",
          fail,
        );
      }
      return;
    case "binary":
      checkBinary(expr, fail);
      return;
    case "call":
      checkCall(expr, fail);
      return;
    default:
      return;
  }
}

function checkBinary(expr: Binary, fail: (why: string) => Error): void {
  const sides = [typeOf(expr.left), typeOf(expr.right)];
  if (sides.some((side) => side !== "scalar" && side !== "instant vector")) {
    throw fail("binary expression must contain only scalar and instant vector types");
  }
  const isComparison = COMPARISON.has(expr.operator);
  if (expr.bool && !isComparison) throw fail("bool modifier can only be used on comparison operators");
  const scalars = sides.filter((side) => side === "scalar").length;
  if (isComparison && scalars === 2 && !expr.bool) throw fail("comparisons between scalars must use BOOL modifier");
  const { matching } = expr;
  if (SET_OPERATORS.has(expr.operator)) {
    if (scalars > 0) {
      throw fail(`set operator ${JSON.stringify(expr.operator)} not allowed in binary scalar expression`);
    }
    if (matching.group !== "one-to-one") {
      throw fail(`no grouping allowed for ${JSON.stringify(expr.operator)} operation`);
    }
  }
  if (scalars > 0 && (matching.on || matching.labels.length > 0)) {
    throw fail("vector matching only allowed between instant vectors");
  }
  const both = matching.on ? matching.labels.find((label) => matching.include.includes(label)) : undefined;
  if (both !== undefined) throw fail(`label ${JSON.stringify(both)} must not occur in ON and GROUP clause at once`);
  if (!isComparison && !ARITHMETIC.has(expr.operator) && !SET_OPERATORS.has(expr.operator)) {
    throw fail(`operator ${JSON.stringify(expr.operator)} is not known to the sandbox`);
  }
}

function checkCall(expr: Call, fail: (why: string) => Error): void {
  const signature = SIGNATURES.get(expr.name);
  if (signature === undefined) {
    throw fail(`function ${JSON.stringify(expr.name)} is not evaluated by the sandbox's metrics server`);
  }
  const { args, optional } = signature;
  const name = JSON.stringify(expr.name);
  const [least, got] = [args.length - optional, expr.args.length];
  if (got < least) {
    const wanted = optional > 0 ? `at least ${least}` : String(least);
    throw fail(`expected ${wanted} argument(s) in call to ${name}, got ${got}`);
  }
  if (got > args.length) {
    const wanted = optional > 0 ? `at most ${args.length}` : String(args.length);
    throw fail(`expected ${wanted} argument(s) in call to ${name}, got ${got}`);
  }
  expr.args.forEach((arg, index) => {
    const wanted = args[index];
    if (wanted !== undefined) expectType(arg, wanted, `in call to function ${name}`, fail);
  });
}

function expectType(expr: Expr, wanted: ValueType, where: string, fail: (why: string) => Error): void {
  const got = typeOf(expr);
  if (got !== wanted) throw fail(`expected type ${wanted} ${where}, got ${got}`);
}
