/**
 * PromQL text to our tree. The grammar is Prometheus' own for its web interface (`@prometheus-io/lezer-promql`), which
 * marks errors instead of throwing; every mark, and every construct the sandbox does not evaluate, is refused here.
 *
 * @see https://prometheus.io/docs/prometheus/latest/querying/basics/
 */
import type { SyntaxNode } from "@lezer/common";
import { parser } from "@prometheus-io/lezer-promql";
import { compileRe2 } from "../../re2.ts";
import type { Aggregate, AggregateOperator, BinaryOperator, Expr, Matcher, Matching, VectorSelector } from "./ast.ts";
import { checkTypes } from "./check.ts";
import { parseDurationMs, parseNumber, unquote } from "./literals.ts";
import { PromqlError } from "./promql_error.ts";

/** A query longer than this is refused: nothing Flagger or a person writes comes near. */
const QUERY_LENGTH_MAX = 64 * 1024;
/** Prometheus' default evaluation interval, the step of a subquery that names none. */
const DEFAULT_STEP_MS = 60_000;
/** The aggregations that are evaluated; Prometheus has two more, limitk and limit_ratio, behind a feature flag. */
const AGGREGATIONS: ReadonlyMap<string, AggregateOperator> = new Map(
  ([
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
  ] as const)
    .map((name) => [name, name]),
);
const WITH_PARAMETER: ReadonlySet<string> = new Set(["topk", "bottomk", "quantile", "count_values"]);

/**
 * Parses and type-checks a query.
 *
 * @throws {PromqlError} "bad_data", with line and column, as Prometheus answers with status 400
 */
export function parsePromql(query: string): Expr {
  if (query.length > QUERY_LENGTH_MAX) throw new PromqlError("bad_data", "query is too long for the sandbox");
  if (query.replaceAll(/#[^\n]*/g, "").trim() === "") {
    throw new PromqlError("bad_data", "unknown position: parse error: no expression found in input");
  }
  const source = new Source(query);
  const top = parser.parse(query).topNode;
  source.refuseErrors(top);
  return source.root(top);
}

function childrenOf(node: SyntaxNode): readonly SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name !== "LineComment") found.push(child);
  }
  return found;
}

class Source {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The first mark of an error in the tree decides: "foo(x)" is an unknown function, all else unexpected. */
  refuseErrors(top: SyntaxNode): void {
    const cursor = top.cursor();
    do {
      if (!cursor.type.isError) continue;
      const called = /([a-zA-Z_:][a-zA-Z0-9_:]*)\s*$/.exec(this.#text.slice(0, cursor.from))?.[1];
      const opensCall = this.#text.slice(cursor.from).trimStart().startsWith("(");
      if (called !== undefined && opensCall) {
        const at = this.#text.slice(0, cursor.from).lastIndexOf(called);
        throw this.#error(at, `unknown function with name ${JSON.stringify(called)}`);
      }
      const rest = this.#text.slice(cursor.from).trim();
      if (rest === "") throw this.#error(this.#text.length, "unexpected end of input");
      throw this.#error(cursor.from, `unexpected ${JSON.stringify(rest.split(/\s/, 1)[0] ?? "")}`);
    } while (cursor.next());
  }

  root(top: SyntaxNode): Expr {
    return this.expr(this.#only(top));
  }

  expr(node: SyntaxNode): Expr {
    const parsed = this.#expr(node);
    checkTypes(parsed, (why) => this.#error(node.from, why));
    return parsed;
  }

  #expr(node: SyntaxNode): Expr {
    switch (node.name) {
      case "ParenExpr":
        return this.expr(this.#only(node));
      case "NumberDurationLiteral": {
        const value = parseNumber(this.#of(node));
        if (value === undefined) throw this.#error(node.from, `bad number or duration syntax: ${this.#quoted(node)}`);
        return { type: "number", value };
      }
      case "StringLiteral":
        return { type: "string", value: this.#string(node) };
      case "UnaryExpr": {
        const inner = this.expr(this.#child(node, 1));
        return this.#of(node).startsWith("-") ? { type: "negate", expr: inner } : inner;
      }
      case "VectorSelector":
        return this.#selector(node);
      case "MatrixSelector": {
        const selector = this.#expr(this.#child(node, 0));
        if (selector.type !== "selector") throw this.#error(node.from, "ranges only allowed for vector selectors");
        if (selector.offsetMs !== 0) throw this.#error(node.from, "no offset modifiers allowed before range");
        return { type: "matrix", selector, rangeMs: this.#range(this.#child(node, 1)) };
      }
      case "SubqueryExpr":
        return this.#subquery(node);
      case "OffsetExpr":
        return this.#offset(node);
      case "BinaryExpr":
        return this.#binary(node);
      case "AggregateExpr":
        return this.#aggregate(node);
      case "FunctionCall": {
        const [identifier, body] = [this.#child(node, 0), this.#child(node, 1)];
        return { type: "call", name: this.#of(identifier), args: childrenOf(body).map((arg) => this.expr(arg)) };
      }
      default:
        throw this.#error(node.from, `${this.#quoted(node)} (${node.name}) is not known to the sandbox`);
    }
  }

  #selector(node: SyntaxNode): VectorSelector {
    const matchers: Matcher[] = [];
    for (const child of childrenOf(node)) {
      if (child.name === "Identifier") matchers.push(equalsMatcher("__name__", this.#of(child)));
      else for (const matcher of childrenOf(child)) matchers.push(this.#matcher(matcher));
    }
    if (matchers.filter((matcher) => matcher.label === "__name__" && matcher.operator === "=").length > 1) {
      throw this.#error(node.from, "metric name must not be set twice");
    }
    if (matchers.every((matcher) => matcher.test(""))) {
      throw this.#error(node.from, "vector selector must contain at least one non-empty matcher");
    }
    return { type: "selector", matchers, offsetMs: 0 };
  }

  #matcher(node: SyntaxNode): Matcher {
    if (node.name === "QuotedLabelName") return equalsMatcher("__name__", this.#string(this.#only(node)));
    const [name, operator] = [this.#child(node, 0), this.#of(this.#child(node, 1))];
    const label = name.name === "QuotedLabelName" ? this.#string(this.#only(name)) : this.#of(name);
    const value = this.#string(this.#child(node, 2));
    switch (operator) {
      case "=":
        return equalsMatcher(label, value);
      case "!=":
        return { label, operator, value, test: (text) => text !== value };
      case "=~":
      case "!~": {
        const pattern = this.#pattern(value, node);
        return { label, operator, value, test: (text) => pattern.test(text) === (operator === "=~") };
      }
      default:
        throw this.#error(node.from, `unexpected ${JSON.stringify(operator)} in label matching`);
    }
  }

  #pattern(value: string, node: SyntaxNode): RegExp {
    try {
      return compileRe2(value);
    } catch (error) {
      throw this.#error(node.from, error instanceof Error ? error.message : String(error));
    }
  }

  #subquery(node: SyntaxNode): Expr {
    const [inner, range, step] = [this.#child(node, 0), this.#child(node, 1), childrenOf(node)[2]];
    const stepMs = step === undefined ? DEFAULT_STEP_MS : this.#range(step);
    return { type: "subquery", expr: this.expr(inner), rangeMs: this.#range(range), stepMs, offsetMs: 0 };
  }

  #offset(node: SyntaxNode): Expr {
    const inner = this.#expr(this.#child(node, 0));
    const duration = childrenOf(node).at(-1);
    const text = duration === undefined ? "" : this.#of(duration).replace(/^([+-])\s+/, "$1");
    const offsetMs = parseDurationMs(text);
    if (offsetMs === undefined) {
      throw this.#error(node.from, `offset ${JSON.stringify(text)} is not known to the sandbox`);
    }
    if (inner.type === "selector" || inner.type === "subquery") {
      if (inner.offsetMs !== 0) throw this.#error(node.from, "offset may not be set multiple times");
      return { ...inner, offsetMs };
    }
    if (inner.type === "matrix") {
      if (inner.selector.offsetMs !== 0) throw this.#error(node.from, "offset may not be set multiple times");
      return { ...inner, selector: { ...inner.selector, offsetMs } };
    }
    const wanted = "an instant vector selector or range vector selector or a subquery";
    throw this.#error(node.from, `offset modifier must be preceded by ${wanted}`);
  }

  #binary(node: SyntaxNode): Expr {
    const children = childrenOf(node);
    const [left, right] = [this.#child(node, 0), children.at(-1) ?? node];
    const operatorNode = this.#child(node, 1);
    const modifiers = children.slice(2, -1);
    const unknown = modifiers.find((each) => each.name !== "BoolModifier" && each.name !== "MatchingModifierClause");
    if (unknown !== undefined) throw this.#error(unknown.from, `${this.#quoted(unknown)} is not known to the sandbox`);
    const clause = modifiers.find((each) => each.name === "MatchingModifierClause");
    const binary: Expr = {
      type: "binary",
      operator: this.#operator(operatorNode),
      bool: modifiers.some((each) => each.name === "BoolModifier"),
      matching: clause === undefined ? NO_MATCHING : this.#matching(clause),
      left: this.expr(left),
      right: this.expr(right),
    };
    // The grammar takes the sign of "-2 ^ 2" into the number; Prometheus raises first, so the sign moves out again.
    const isSigned = binary.operator === "^" && left.name === "NumberDurationLiteral" && this.#of(left).startsWith("-");
    if (!isSigned || binary.left.type !== "number") return binary;
    return { type: "negate", expr: { ...binary, left: { type: "number", value: -binary.left.value } } };
  }

  #operator(node: SyntaxNode): BinaryOperator {
    const text = this.#of(node).toLowerCase();
    const known = BINARY_OPERATORS.find((operator) => operator === text);
    if (known === undefined) {
      throw this.#error(node.from, `operator ${JSON.stringify(text)} is not known to the sandbox`);
    }
    return known;
  }

  #matching(clause: SyntaxNode): Matching {
    let matching = NO_MATCHING;
    let grouped = false;
    for (const part of childrenOf(clause)) {
      if (part.name === "On") matching = { ...matching, on: true };
      else if (part.name === "GroupLeft") [matching, grouped] = [{ ...matching, group: "many-to-one" }, true];
      else if (part.name === "GroupRight") [matching, grouped] = [{ ...matching, group: "one-to-many" }, true];
      else if (part.name === "GroupingLabels") {
        const labels = this.#labels(part);
        matching = grouped ? { ...matching, include: labels } : { ...matching, labels };
      }
    }
    return matching;
  }

  #aggregate(node: SyntaxNode): Aggregate {
    const children = childrenOf(node);
    const name = this.#of(this.#child(node, 0)).toLowerCase();
    const operator = AGGREGATIONS.get(name);
    if (operator === undefined) {
      throw this.#error(node.from, `aggregation ${JSON.stringify(name)} is not known to the sandbox`);
    }
    const modifier = children.find((child) => child.name === "AggregateModifier");
    const body = children.find((child) => child.name === "FunctionCallBody");
    const args = (body === undefined ? [] : childrenOf(body)).map((arg) => this.expr(arg));
    const wanted = WITH_PARAMETER.has(operator) ? 2 : 1;
    const expr = args.at(-1);
    if (expr === undefined || args.length !== wanted) {
      const got = `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`;
      throw this.#error(node.from, args.length === 0 ? "no arguments for aggregate expression provided" : got);
    }
    const grouping = modifier === undefined
      ? undefined
      : childrenOf(modifier).find((each) => each.name === "GroupingLabels");
    return {
      type: "aggregate",
      operator,
      without: modifier !== undefined && childrenOf(modifier)[0]?.name === "Without",
      labels: grouping === undefined ? [] : this.#labels(grouping),
      parameter: wanted === 2 ? args[0] : undefined,
      expr,
    };
  }

  #labels(node: SyntaxNode): readonly string[] {
    return childrenOf(node).map((label) =>
      label.name === "QuotedLabelName" ? this.#string(this.#only(label)) : this.#of(label)
    );
  }

  #range(node: SyntaxNode): number {
    const ms = parseDurationMs(this.#of(node));
    if (ms === undefined) throw this.#error(node.from, `duration ${this.#quoted(node)} is not known to the sandbox`);
    if (ms <= 0) throw this.#error(node.from, "duration must be greater than 0");
    return ms;
  }

  #string(node: SyntaxNode): string {
    const value = unquote(this.#of(node));
    if (value === undefined) throw this.#error(node.from, "unterminated quoted string or unknown escape sequence");
    return value;
  }

  #only(node: SyntaxNode): SyntaxNode {
    return this.#child(node, 0);
  }

  #child(node: SyntaxNode, index: number): SyntaxNode {
    const child = childrenOf(node)[index];
    if (child === undefined) throw this.#error(node.from, `unexpected end of ${node.name}`);
    return child;
  }

  #of(node: SyntaxNode): string {
    return this.#text.slice(node.from, node.to);
  }

  #quoted(node: SyntaxNode): string {
    return JSON.stringify(this.#of(node));
  }

  #error(position: number, why: string): PromqlError {
    const before = this.#text.slice(0, position);
    const line = before.split("\n").length;
    const column = position - (before.lastIndexOf("\n") + 1) + 1;
    return new PromqlError("bad_data", `${line}:${column}: parse error: ${why}`);
  }
}

const NO_MATCHING: Matching = { on: false, labels: [], group: "one-to-one", include: [] };

const BINARY_OPERATORS: readonly BinaryOperator[] = [
  "+",
  "-",
  "*",
  "/",
  "%",
  "^",
  "atan2",
  "==",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "and",
  "or",
  "unless",
];

function equalsMatcher(label: string, value: string): Matcher {
  return { label, operator: "=", value, test: (text) => text === value };
}
