/** The functions that are evaluated, with the types of their arguments: the type check reads this table. */
import type { ValueType } from "./ast.ts";

export interface Signature {
  readonly args: readonly ValueType[];
  /** How many of the last arguments may be left out. */
  readonly optional: number;
  readonly result: ValueType;
}

const OF_RANGE: Signature = { args: ["range vector"], optional: 0, result: "instant vector" };
const OF_VECTOR: Signature = { args: ["instant vector"], optional: 0, result: "instant vector" };

/** What built-in queries, Flagger's documented templates and their near relatives use; more is refused. */
export const SIGNATURES: ReadonlyMap<string, Signature> = new Map<string, Signature>([
  ...["rate", "irate", "increase", "delta", "idelta", "deriv", "resets", "changes"].map((name) =>
    [name, OF_RANGE] as const
  ),
  ...["avg", "min", "max", "sum", "count", "last", "present", "stddev", "stdvar", "absent"].map((name) =>
    [`${name}_over_time`, OF_RANGE] as const
  ),
  ["quantile_over_time", { args: ["scalar", "range vector"], optional: 0, result: "instant vector" }],
  ["histogram_quantile", { args: ["scalar", "instant vector"], optional: 0, result: "instant vector" }],
  ...["abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "absent", "sort", "sort_desc", "timestamp"]
    .map((name) => [name, OF_VECTOR] as const),
  ["round", { args: ["instant vector", "scalar"], optional: 1, result: "instant vector" }],
  ["clamp", { args: ["instant vector", "scalar", "scalar"], optional: 0, result: "instant vector" }],
  ["clamp_max", { args: ["instant vector", "scalar"], optional: 0, result: "instant vector" }],
  ["clamp_min", { args: ["instant vector", "scalar"], optional: 0, result: "instant vector" }],
  ["vector", { args: ["scalar"], optional: 0, result: "instant vector" }],
  ["scalar", { args: ["instant vector"], optional: 0, result: "scalar" }],
  ["time", { args: [], optional: 0, result: "scalar" }],
  ["label_replace", {
    args: ["instant vector", "string", "string", "string", "string"],
    optional: 0,
    result: "instant vector",
  }],
]);
