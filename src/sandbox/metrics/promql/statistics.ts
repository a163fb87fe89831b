/** Numbers out of lists of numbers, shared by aggregations (over series) and `…_over_time` (over a window). */

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

export function sum(values: readonly number[]): number {
  // Neumaier's compensation, as Prometheus does it: many small rates must not drown in one large one.
  let [total, lost] = [0, 0];
  for (const value of values) {
    const next = total + value;
    if (Number.isFinite(next)) {
      lost += Math.abs(total) >= Math.abs(value) ? (total - next) + value : (value - next) + total;
    }
    total = next;
  }
  return Number.isFinite(total) ? total + lost : total;
}

/** Population variance. */
export function variance(values: readonly number[]): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
}

/** NaN loses to every number, and stays only where there is nothing else. */
export function least(values: readonly number[]): number {
  return values.reduce((best, value) => value < best || Number.isNaN(best) ? value : best, NaN);
}

export function greatest(values: readonly number[]): number {
  return values.reduce((best, value) => value > best || Number.isNaN(best) ? value : best, NaN);
}

/** φ-quantile with linear interpolation between ranks; ±Inf where φ is outside [0, 1], NaN where it is NaN. */
export function quantile(phi: number, values: readonly number[]): number {
  if (values.length === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const sorted = [...values].sort((a, b) => Number.isNaN(a) ? -1 : Number.isNaN(b) ? 1 : a - b);
  const rank = phi * (sorted.length - 1);
  const [low, high] = [Math.floor(rank), Math.min(sorted.length - 1, Math.floor(rank) + 1)];
  const weight = rank - low;
  return (sorted[low] ?? NaN) * (1 - weight) + (sorted[high] ?? NaN) * weight;
}
