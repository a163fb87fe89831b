/**
 * Scrapes targets into the store, as Prometheus does: target labels win over the page's own (which move to
 * `exported_…`), `up` says whether it worked, and series that a scrape no longer shows are marked stale.
 */
import type { Clock } from "../../ports/clock.ts";
import { parseExposition } from "./exposition.ts";
import type { Labels } from "./promql/value.ts";
import { labelsKey } from "./promql/value.ts";
import type { SampleStore } from "./sample_store.ts";

export interface ScrapeTarget {
  /** Of the page itself: "http://127.0.0.1:1234/metrics". */
  readonly url: string;
  /** Put on every series; `job` and `instance` are set to "sandbox" and host:port where they are missing. */
  readonly labels: Labels;
}

/** A page larger than this fails its scrape. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

export class Scraper {
  readonly #store: SampleStore;
  readonly #clock: Clock;
  readonly #client: Deno.HttpClient;
  /** By target: the series its last scrape showed. */
  readonly #shown = new Map<string, ReadonlyMap<string, Labels>>();

  constructor(store: SampleStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#client = Deno.createHttpClient({});
  }

  /** Scrapes all targets at once and ends the series of targets that are gone. Never throws. */
  async scrape(targets: readonly ScrapeTarget[], signal: AbortSignal): Promise<void> {
    const keys = new Set(targets.map(targetKey));
    const nowMs = this.#clock.now();
    for (const [key, shown] of this.#shown) {
      if (keys.has(key)) continue;
      for (const labels of shown.values()) this.#store.endSeries(labels, nowMs);
      this.#shown.delete(key);
    }
    await Promise.all(targets.map((target) => this.#scrapeOne(target, signal)));
    this.#store.expire(this.#clock.now());
  }

  close(): void {
    this.#client.close();
  }

  async #scrapeOne(target: ScrapeTarget, signal: AbortSignal): Promise<void> {
    const atMs = this.#clock.now();
    const own: Labels = { job: "sandbox", instance: new URL(target.url).host, ...target.labels };
    const shown = new Map<string, Labels>();
    const put = (labels: Labels, value: number) => {
      shown.set(this.#store.append(labels, { atMs, value }), labels);
    };
    let [up, samples] = [0, 0];
    try {
      const page = await this.#fetchPage(target.url, signal);
      for (const { name, labels, value } of parseExposition(page)) {
        put({ ...mergeLabels(labels, own), __name__: name }, value);
        samples++;
      }
      up = 1;
    } catch {
      // A scrape that fails is data, not an error: `up` is 0 and what was shown before goes stale.
      shown.clear();
    }
    put({ ...own, __name__: "up" }, up);
    put({ ...own, __name__: "scrape_samples_scraped" }, samples);
    put({ ...own, __name__: "scrape_duration_seconds" }, (this.#clock.now() - atMs) / 1000);
    const key = targetKey(target);
    for (const [series, labels] of this.#shown.get(key) ?? []) {
      if (!shown.has(series)) this.#store.endSeries(labels, atMs);
    }
    this.#shown.set(key, shown);
  }

  async #fetchPage(url: string, signal: AbortSignal): Promise<string> {
    const answer = await fetch(url, { client: this.#client, signal });
    const bytes = await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`server returned HTTP status ${answer.status}`);
    if (bytes.byteLength > PAGE_BYTES_MAX) throw new Error("body size limit exceeded");
    return new TextDecoder().decode(bytes);
  }
}

function targetKey(target: ScrapeTarget): string {
  return `${target.url} ${labelsKey(target.labels)}`;
}

function mergeLabels(page: Labels, own: Labels): Labels {
  const moved = Object.entries(page).map(([name, value]) => [name in own ? `exported_${name}` : name, value]);
  return { ...Object.fromEntries(moved.filter(([, value]) => value !== "")), ...own };
}
