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

/**
 * Chi-squared of the answers against the reported weights, over all spans, with one degree of freedom each. Spans at 0
 * and 100 percent have none: a single answer of the wrong version there is an error of its own.
 */
export function chiSquared(log: readonly LoadEntry[], spans: readonly WeightSpan[], version: string): {
  readonly value: number;
  readonly degrees: number;
  readonly told: readonly string[];
} {
  let value = 0;
  let degrees = 0;
  const told: string[] = [];
  for (const { weight, fromMs, toMs } of spans) {
    const { versions } = served(log, fromMs, toMs);
    const total = Object.values(versions).reduce((sum, count) => sum + count, 0);
    if (total === 0) continue;
    const got = versions[version] ?? 0;
    told.push(`${weight} %: ${(got * 100 / total).toFixed(1)} % of ${total}`);
    if (weight <= 0 || weight >= 100) continue;
    const expected = total * weight / 100;
    value += (got - expected) ** 2 / expected + (got - expected) ** 2 / (total - expected);
    degrees++;
  }
  return { value, degrees, told };
}

/** Upper 0.1 percent points of the chi-squared distribution, by degrees of freedom. */
const LIMITS = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59];

/** The value that only one of 1,000 true samples exceeds. */
export function chiSquaredLimit(degrees: number): number {
  return LIMITS[degrees - 1] ?? degrees + 3.09 * Math.sqrt(2 * degrees) + 6;
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
