/**
 * Functions over counters and gauges in a window: how fast did it grow. `rate`, `increase` and `delta` extrapolate to
 * the window's edges as Prometheus documents: by at most half a sample distance where the series seems to begin or end
 * inside the window, and never below zero for a counter.
 *
 * @see https://prometheus.io/docs/prometheus/latest/querying/functions/#rate
 */
import type { Point } from "./value.ts";

interface Window {
  readonly startMs: number;
  readonly endMs: number;
}

/** A gap to the window's edge of more than this many sample distances means that the series does not reach the edge. */
const EDGE_FACTOR = 1.1;

/** Change over the window, extrapolated; undefined with fewer than two samples. */
export function extrapolatedChange(
  points: readonly Point[],
  window: Window,
  kind: "counter" | "gauge",
): number | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return undefined;
  let change = last.value - first.value;
  if (kind === "counter") change += lostToResets(points);
  const sampledMs = last.atMs - first.atMs;
  if (sampledMs === 0) return undefined;
  const distanceMs = sampledMs / (points.length - 1);
  let beforeMs = first.atMs - window.startMs;
  let afterMs = window.endMs - last.atMs;
  if (beforeMs >= distanceMs * EDGE_FACTOR) beforeMs = distanceMs / 2;
  if (afterMs >= distanceMs * EDGE_FACTOR) afterMs = distanceMs / 2;
  if (kind === "counter" && change > 0 && first.value >= 0) {
    beforeMs = Math.min(beforeMs, sampledMs * (first.value / change));
  }
  return change * ((sampledMs + beforeMs + afterMs) / sampledMs);
}

/** A counter that falls was reset to zero: what it had reached before counts as well. */
function lostToResets(points: readonly Point[]): number {
  let lost = 0;
  let previous = points[0]?.value ?? 0;
  for (const point of points) {
    if (point.value < previous) lost += previous;
    previous = point.value;
  }
  return lost;
}

/** Change between the last two samples, and the seconds between them; undefined with fewer than two. */
export function lastChange(
  points: readonly Point[],
  kind: "counter" | "gauge",
): { readonly change: number; readonly seconds: number } | undefined {
  const [before, last] = [points.at(-2), points.at(-1)];
  if (before === undefined || last === undefined || last.atMs === before.atMs) return undefined;
  const reset = kind === "counter" && last.value < before.value;
  return { change: reset ? last.value : last.value - before.value, seconds: (last.atMs - before.atMs) / 1000 };
}

/** Slope per second by least squares; undefined with fewer than two samples. */
export function slope(points: readonly Point[]): number | undefined {
  const [first] = points;
  if (first === undefined || points.length < 2) return undefined;
  const xs = points.map((point) => (point.atMs - first.atMs) / 1000);
  const meanX = mean(xs);
  const meanY = mean(points.map((point) => point.value));
  let [covariance, variance] = [0, 0];
  points.forEach((point, index) => {
    const dx = (xs[index] ?? 0) - meanX;
    covariance += dx * (point.value - meanY);
    variance += dx * dx;
  });
  return covariance / variance;
}

/** How often the value fell, or changed, from one sample to the next. */
export function countSteps(points: readonly Point[], counts: (before: number, after: number) => boolean): number {
  let count = 0;
  for (let index = 1; index < points.length; index++) {
    const [before, after] = [points[index - 1]?.value ?? NaN, points[index]?.value ?? NaN];
    if (counts(before, after)) count++;
  }
  return count;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
