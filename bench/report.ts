/**
 * What a benchmark found, and how it is shown: several runs a row, as min, median and max, and where it means something
 * beside a figure that was measured in the same run. Nothing here judges a figure.
 */

/** One figure, measured several times. */
export interface Row {
  readonly benchmark: string;
  readonly what: string;
  readonly unit: "ms" | "MiB" | "requests" | "commits" | "pushes" | "s" | "bytes" | "cores" | "canaries";
  readonly values: readonly number[];
  /** What is promised, in words, for the reader to compare. */
  readonly promised?: string;
  /** The yardstick of the same run. */
  readonly beside?: { readonly what: string; readonly values: readonly number[] };
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface Machine {
  readonly cores: number;
  readonly deno: string;
  readonly system: string;
  /** Load over the last minute, before and after: others may have used the machine. */
  readonly load: readonly [number, number];
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
  return { min: sorted[0] ?? NaN, median, max: sorted.at(-1) ?? NaN };
}

/** Median over median of the yardstick; null where there is none. */
export function ratioOf(row: Row): number | null {
  if (row.beside === undefined) return null;
  const below = spreadOf(row.beside.values).median;
  return below === 0 ? null : spreadOf(row.values).median / below;
}

/** A line about the machine, and a table in Markdown. */
export function tableOf(machine: Machine, rows: readonly Row[]): string {
  const head = ["Benchmark", "What", "Runs", "Min", "Median", "Max", "Promised", "Beside, median", "Ratio"];
  const body = rows.map((row) => {
    const { min, median, max } = spreadOf(row.values);
    const ratio = ratioOf(row);
    const beside = row.beside === undefined
      ? ""
      : `${row.beside.what}: ${shown(spreadOf(row.beside.values).median)} ${row.unit}`;
    return [
      row.benchmark,
      row.what,
      String(row.values.length),
      shown(min),
      `${shown(median)} ${row.unit}`,
      shown(max),
      row.promised ?? "",
      beside,
      ratio === null ? "" : ratio.toFixed(2),
    ];
  });
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => (cells[column] ?? "").length))
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [machineLine(machine), "", line(head), rule, ...body.map(line)].join("\n");
}

function machineLine({ cores, deno, system, load }: Machine): string {
  const [before, after] = load.map((value) => value.toFixed(1));
  return `${cores} cores, ${system}, Deno ${deno}, load ${before} before and ${after} after`;
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) < 1 && value !== 0) return value.toFixed(3);
  return Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}
