/**
 * `histogram_quantile` over classic histograms: series that share all labels but `le`, each a cumulative count.
 *
 * @see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
 */
import { dropLabels, type Labels, labelsKey, type VectorSample } from "./value.ts";

interface Bucket {
  readonly upperBound: number;
  readonly count: number;
}

/** One sample for each histogram in the vector; series without a readable `le` do not take part. */
export function histogramQuantiles(phi: number, samples: readonly VectorSample[]): readonly VectorSample[] {
  const groups = new Map<string, { readonly labels: Labels; readonly buckets: Bucket[] }>();
  for (const sample of samples) {
    const upperBound = parseBound(sample.labels["le"]);
    if (upperBound === undefined) continue;
    const labels = dropLabels(sample.labels, ["le", "__name__"]);
    const key = labelsKey(labels);
    const group = groups.get(key) ?? { labels, buckets: [] };
    groups.set(key, group);
    group.buckets.push({ upperBound, count: sample.value });
  }
  return [...groups.values()].map(({ labels, buckets }) => ({ labels, value: bucketQuantile(phi, buckets) }));
}

function parseBound(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  if (/^\+?inf$/i.test(text)) return Infinity;
  const bound = Number(text);
  return Number.isNaN(bound) ? undefined : bound;
}

/**
 * The value below which the share `phi` of observations lies, by linear interpolation inside a bucket. The lowest
 * bucket is taken to start at 0; a rank in the last (+Inf) bucket gives the bound below it.
 */
export function bucketQuantile(phi: number, unsorted: readonly Bucket[]): number {
  if (Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const buckets = monotonic(coalesce([...unsorted].sort((a, b) => a.upperBound - b.upperBound)));
  const last = buckets.at(-1);
  if (last === undefined || last.upperBound !== Infinity || buckets.length < 2) return NaN;
  if (last.count === 0 || Number.isNaN(last.count)) return NaN;
  const rank = phi * last.count;
  const found = buckets.slice(0, -1).findIndex((bucket) => bucket.count >= rank);
  if (found === -1) return buckets.at(-2)?.upperBound ?? NaN;
  const bucket = buckets[found] ?? last;
  const below = found === 0 ? undefined : buckets[found - 1];
  if (below === undefined && bucket.upperBound <= 0) return bucket.upperBound;
  const start = below?.upperBound ?? 0;
  const before = below?.count ?? 0;
  return start + (bucket.upperBound - start) * ((rank - before) / (bucket.count - before));
}

/** Buckets with the same bound (from "1" and "1.0") are one. */
function coalesce(sorted: readonly Bucket[]): readonly Bucket[] {
  const merged: Bucket[] = [];
  for (const bucket of sorted) {
    const previous = merged.at(-1);
    if (previous?.upperBound === bucket.upperBound) {
      merged[merged.length - 1] = { ...bucket, count: previous.count + bucket.count };
    } else merged.push(bucket);
  }
  return merged;
}

/** Rates of buckets scraped at different moments may fall by a hair where they must not: the highest so far stands. */
function monotonic(buckets: readonly Bucket[]): readonly Bucket[] {
  let highest = -Infinity;
  return buckets.map((bucket) => {
    highest = Math.max(highest, bucket.count);
    return { ...bucket, count: highest };
  });
}
