/**
 * Series that belong to one canary, so that they go when it goes: prom-client keeps a labelled series for ever, and a
 * gauge of a canary that was removed weeks ago is a lie.
 */
import type { Counter, Gauge, Histogram } from "./prom_client.ts";

type Labelled = Pick<Counter | Gauge | Histogram, "remove">;

/** Remembers which label sets of which metrics were touched for whom. */
export class OwnedSeries {
  /** By canary key; the inner key tells label sets apart. */
  readonly #owned = new Map<string, Map<string, () => void>>();

  /** Notes that a metric has a series with these labels because of a canary. */
  own(
    key: string,
    metric: Labelled,
    named: { readonly metric: string; readonly labels: Record<string, string> },
  ): void {
    const series = this.#owned.get(key) ?? new Map<string, () => void>();
    series.set(`${named.metric}${JSON.stringify(named.labels)}`, () => metric.remove(named.labels));
    this.#owned.set(key, series);
  }

  /** Removes all series of every canary that is not in `present`. */
  keepOnly(present: ReadonlySet<string>): void {
    for (const [key, series] of this.#owned) {
      if (present.has(key)) continue;
      for (const remove of series.values()) remove();
      this.#owned.delete(key);
    }
  }
}
