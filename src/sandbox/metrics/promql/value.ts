/** What PromQL expressions yield, and how label sets are compared and cut down. Times are epoch milliseconds. */

export type Labels = Readonly<Record<string, string>>;

export interface VectorSample {
  readonly labels: Labels;
  readonly value: number;
  /** When the sample was taken; only `timestamp()` wants it. */
  readonly takenMs?: number;
}

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface RangeSeries {
  readonly labels: Labels;
  /** In time order, at least one. */
  readonly points: readonly Point[];
}

export interface Matrix {
  readonly type: "matrix";
  readonly series: readonly RangeSeries[];
  /** The window (startMs, endMs] that was asked for, offset taken off; zero-width never. */
  readonly startMs: number;
  readonly endMs: number;
}

export type Value =
  | { readonly type: "scalar"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "vector"; readonly samples: readonly VectorSample[] }
  | Matrix;

/** A key that two equal label sets share, whatever their order. */
export function labelsKey(labels: Labels): string {
  return JSON.stringify(Object.keys(labels).sort().map((name) => [name, labels[name]]));
}

/** Only these labels; those that are absent or empty are left out. */
export function keepLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(names.flatMap((name) => {
    const value = labels[name];
    return value === undefined || value === "" ? [] : [[name, value]];
  }));
}

/** All labels but these. */
export function dropLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)));
}

/** Without the metric's name, as after every operation that changes what a number means. */
export function dropName(labels: Labels): Labels {
  return dropLabels(labels, ["__name__"]);
}
