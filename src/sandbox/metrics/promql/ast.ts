/**
 * A PromQL query as a tree of our own, after parsing and type checking: the evaluator never sees the parser's nodes.
 * Durations are milliseconds. Positions are kept only where an error of evaluation can name them.
 */

export type MatchOperator = "=" | "!=" | "=~" | "!~";

export interface Matcher {
  readonly label: string;
  readonly operator: MatchOperator;
  readonly value: string;
  /** Whether a label's value fits; an absent label is "". */
  readonly test: (value: string) => boolean;
}

export interface VectorSelector {
  readonly type: "selector";
  readonly matchers: readonly Matcher[];
  readonly offsetMs: number;
}

/** `selector[range]`. */
export interface MatrixSelector {
  readonly type: "matrix";
  readonly selector: VectorSelector;
  readonly rangeMs: number;
}

/** `expr[range:step]`. */
export interface Subquery {
  readonly type: "subquery";
  readonly expr: Expr;
  readonly rangeMs: number;
  readonly stepMs: number;
  readonly offsetMs: number;
}

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "^" | "atan2";
export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";
export type SetOperator = "and" | "or" | "unless";
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | SetOperator;

/** How series of two sides find each other. Without `on`, all labels but the name (and but the ignored) must agree. */
export interface Matching {
  readonly on: boolean;
  readonly labels: readonly string[];
  readonly group: "one-to-one" | "many-to-one" | "one-to-many";
  /** Labels copied from the "one" side. */
  readonly include: readonly string[];
}

export interface Binary {
  readonly type: "binary";
  readonly operator: BinaryOperator;
  readonly bool: boolean;
  readonly matching: Matching;
  readonly left: Expr;
  readonly right: Expr;
}

export type AggregateOperator =
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "count"
  | "group"
  | "stddev"
  | "stdvar"
  | "topk"
  | "bottomk"
  | "quantile"
  | "count_values";

export interface Aggregate {
  readonly type: "aggregate";
  readonly operator: AggregateOperator;
  /** With `without`, these labels go and all others stay; otherwise only these stay. */
  readonly without: boolean;
  readonly labels: readonly string[];
  readonly parameter: Expr | undefined;
  readonly expr: Expr;
}

export interface Call {
  readonly type: "call";
  readonly name: string;
  readonly args: readonly Expr[];
}

export type Expr =
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "negate"; readonly expr: Expr }
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Binary
  | Aggregate
  | Call;

/** What an expression yields, in Prometheus' own words, which appear in its error texts. */
export type ValueType = "scalar" | "string" | "instant vector" | "range vector";

export const ARITHMETIC: ReadonlySet<string> = new Set(["+", "-", "*", "/", "%", "^", "atan2"]);
export const COMPARISON: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
export const SET_OPERATORS: ReadonlySet<string> = new Set(["and", "or", "unless"]);
