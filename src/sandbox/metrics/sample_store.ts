/** Samples in memory, by series, for a bounded time: what the metrics server scraped and queries read. */
import type { Matcher } from "./promql/ast.ts";
import type { SampleSource, StoredSample } from "./promql/evaluate.ts";
import { type Labels, labelsKey } from "./promql/value.ts";

interface Series {
  readonly labels: Labels;
  readonly samples: StoredSample[];
}

/** Series beyond this many are refused, as a scrape with a sample limit is: a demo has some hundreds. */
const SERIES_MAX = 100_000;

export class SampleStore implements SampleSource {
  readonly #retentionMs: number;
  readonly #byName = new Map<string, Map<string, Series>>();
  #count = 0;

  /** @param retentionMs samples older than this, seen from the newest of their series, are dropped */
  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs;
  }

  /**
   * Adds one sample. One that is not newer than the last of its series is ignored, as Prometheus drops duplicates and
   * samples out of order.
   *
   * @returns the series' key, for `endSeries`
   * @throws {Error} the store is full
   */
  append(labels: Labels, sample: StoredSample): string {
    const name = labels["__name__"] ?? "";
    const key = labelsKey(labels);
    const family = this.#byName.get(name) ?? new Map<string, Series>();
    this.#byName.set(name, family);
    let series = family.get(key);
    if (series === undefined) {
      if (this.#count >= SERIES_MAX) throw new Error(`Cannot store a new series: ${SERIES_MAX} are held already`);
      this.#count++;
      series = { labels, samples: [] };
      family.set(key, series);
    }
    const newest = series.samples.at(-1);
    if (newest !== undefined && newest.atMs >= sample.atMs) return key;
    series.samples.push(sample);
    while ((series.samples[0]?.atMs ?? Infinity) < sample.atMs - this.#retentionMs) series.samples.shift();
    return key;
  }

  /** Marks a series stale: from here on, instant selectors no longer see it. */
  endSeries(labels: Labels, atMs: number): void {
    this.append(labels, { atMs, value: NaN, stale: true });
  }

  /** Forgets series whose newest sample fell out of retention. */
  expire(nowMs: number): void {
    for (const [name, family] of this.#byName) {
      for (const [key, series] of family) {
        if ((series.samples.at(-1)?.atMs ?? -Infinity) >= nowMs - this.#retentionMs) continue;
        family.delete(key);
        this.#count--;
      }
      if (family.size === 0) this.#byName.delete(name);
    }
  }

  select(matchers: readonly Matcher[]): readonly Series[] {
    const name = matchers.find((matcher) => matcher.label === "__name__" && matcher.operator === "=")?.value;
    const families = name === undefined ? [...this.#byName.values()] : [this.#byName.get(name)];
    const others = matchers.filter((matcher) => matcher.label !== "__name__" || matcher.operator !== "=");
    return families.flatMap((family) => [...family?.values() ?? []]).filter(({ labels }) =>
      others.every((matcher) => matcher.test(labels[matcher.label] ?? ""))
    );
  }

  get seriesCount(): number {
    return this.#count;
  }
}
