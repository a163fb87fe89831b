/** What users got, read off the log of the load: shares of versions between two times, errors, and what was lost. */
import type { LoadEntry } from "../../src/sandbox/load/load_generator.ts";

export interface Served {
  readonly requests: number;
  /** Answers by version. */
  readonly versions: Readonly<Record<string, number>>;
  /** Answers of 500 and more that an application gave. */
  readonly errors: number;
  /** No answer at all, or one that no application gave. */
  readonly lost: readonly LoadEntry[];
}

export function served(log: readonly LoadEntry[], fromMs = 0, toMs = Infinity): Served {
  const within = log.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const versions: Record<string, number> = {};
  for (const { version } of within) if (version !== undefined) versions[version] = (versions[version] ?? 0) + 1;
  return {
    requests: within.length,
    versions,
    errors: within.filter(({ version, status }) => version !== undefined && status >= 500).length,
    lost: within.filter(({ version }) => version === undefined),
  };
}

/** A weight that was reported from a time until another one was. */
export interface WeightSpan {
  readonly weight: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What users got of one reported weight. Plain JSON: suites leave it for the check over all of them. */
export interface Share {
  /** Suite, and canary where it has several. */
  readonly of: string;
  readonly weight: number;
  readonly answers: number;
  /** Those of the canary. */
  readonly canary: number;
}

/** Answers of each span, those of one version being the canary's. Spans in which nobody asked are left out. */
export function sharesOf(
  of: string,
  log: readonly LoadEntry[],
  spans: readonly WeightSpan[],
  version: string,
): readonly Share[] {
  return spans.flatMap(({ weight, fromMs, toMs }) => {
    const { versions } = served(log, fromMs, toMs);
    const answers = Object.values(versions).reduce((sum, count) => sum + count, 0);
    return answers === 0 ? [] : [{ of, weight, answers, canary: versions[version] ?? 0 }];
  });
}

/** "10 %: 9.8 % of 300". */
export function shareTold({ weight, answers, canary }: Share): string {
  return `${weight} %: ${(canary * 100 / answers).toFixed(1)} % of ${answers}`;
}

/** Shares with some of both: where all or none was asked for, chance has no part. */
export function isSplit({ weight }: Share): boolean {
  return weight > 0 && weight < 100;
}

/**
 * Chi-squared of the answers against the reported weights, over all splits together, with one degree of freedom each.
 * Shares of 0 and 100 percent have none: a single answer of the wrong version there is an error of its own.
 */
export function chiSquared(shares: readonly Share[]): { readonly value: number; readonly degrees: number } {
  const splits = shares.filter(isSplit);
  const value = splits.reduce((sum, { weight, answers, canary }) => {
    const expected = answers * weight / 100;
    return sum + (canary - expected) ** 2 / expected + (canary - expected) ** 2 / (answers - expected);
  }, 0);
  return { value, degrees: splits.length };
}

/** The standard normal distribution's upper 0.1 percent point. */
const NORMAL = 3.0902;

/**
 * The value that only one of 1,000 true samples exceeds, by Wilson and Hilferty's approximation: 3 % too large for one
 * degree of freedom, 0.6 % for ten, 0.1 % for fifty.
 */
export function chiSquaredLimit(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + NORMAL * Math.sqrt(spread)) ** 3;
}

/** The longest time between two good answers, as one who waits sees it, milliseconds. */
export function longestGapMs(log: readonly LoadEntry[]): number {
  const times = log.filter(({ status }) => status === 200).map(({ atMs, ms }) => atMs + ms).sort((a, b) => a - b);
  return times.reduce((longest, time, index) => Math.max(longest, time - (times[index - 1] ?? time)), 0);
}

/** What clients got, for people: "2,400 requests, 0 errors, 0 lost, longest gap 120 ms". */
export function toldOf(log: readonly LoadEntry[]): string {
  const { requests, errors, lost } = served(log);
  const gap = longestGapMs(log).toFixed(0);
  return `${requests.toLocaleString("en")} requests, ${errors} errors, ${lost.length} lost, longest gap ${gap} ms`;
}
