/**
 * The sandbox's metrics server: scrapes on a rhythm, keeps samples for a while, answers Prometheus' query API, and can
 * be made to fail in the ways that real ones do.
 */
import type { Clock } from "../../ports/clock.ts";
import { type LoopbackServer, serveLoopback } from "../loopback_server.ts";
import { answerQuery } from "./query_api.ts";
import { SampleStore } from "./sample_store.ts";
import { Scraper, type ScrapeTarget } from "./scraper.ts";

export interface MetricsServerOptions {
  /** Asked before each scrape. */
  readonly targets: () => readonly ScrapeTarget[];
  /** Between scrapes; Flagger's bundled Prometheus has 5 s. */
  readonly intervalMs: number;
  readonly clock: Clock;
  /** How long samples are kept; two hours by default. */
  readonly retentionMs?: number;
}

/**
 * How the server fails: "down" refuses connections, "slow" answers after `slowMs`, "error" is status 500, "empty" a
 * well-formed answer without series, "garbage" a page that is no JSON.
 */
export type MetricsFault = "none" | "down" | "slow" | "error" | "empty" | "garbage";

export interface MetricsServer {
  /** "http://127.0.0.1:PORT": what `metricsServer` of the agent's configuration takes. */
  readonly url: string;
  /** Scraping goes on whatever the fault. */
  readonly faults: {
    readonly current: MetricsFault;
    set(fault: MetricsFault, slowMs?: number): Promise<void>;
  };
  /** One scrape now, outside the rhythm. */
  scrapeNow(): Promise<void>;
  readonly store: SampleStore;
  stop(): Promise<void>;
}

const RETENTION_MS = 2 * 3_600_000;
/** Longer than the five seconds that Flagger waits for Prometheus. */
const SLOW_MS = 10_000;

/** Starts scraping and listening. */
export function startMetricsServer(options: MetricsServerOptions): MetricsServer {
  const { clock, targets, intervalMs } = options;
  const store = new SampleStore(options.retentionMs ?? RETENTION_MS);
  const scraper = new Scraper(store, clock);
  const end = new AbortController();
  let [fault, slowMs]: [MetricsFault, number] = ["none", SLOW_MS];
  const server: LoopbackServer = serveLoopback(async (request) => {
    if (fault === "slow") {
      await clock.sleep(slowMs, end.signal).catch(() => {});
    }
    return faulty(fault) ?? await answerQuery(request, store, clock.now());
  });
  const running = scrapeForever();

  async function scrapeForever(): Promise<void> {
    while (!end.signal.aborted) {
      const late = new AbortController();
      const next = clock.sleep(intervalMs, end.signal).catch(() => {});
      const scrape = scraper.scrape(targets(), AbortSignal.any([end.signal, late.signal]));
      // The scrape's time-out is its interval: a target that hangs counts as down and delays no other.
      await next;
      late.abort(new Error("the scrape took longer than its interval"));
      await scrape;
    }
  }

  return {
    url: server.url,
    store,
    faults: {
      get current() {
        return fault;
      },
      async set(next, nextSlowMs = SLOW_MS) {
        [fault, slowMs] = [next, nextSlowMs];
        if (next === "down") await server.down();
        else server.up();
      },
    },
    scrapeNow: () => scraper.scrape(targets(), end.signal),
    async stop() {
      end.abort(new Error("the metrics server was stopped"));
      await running;
      await server.down();
      scraper.close();
    },
  };
}

function faulty(fault: MetricsFault): Response | undefined {
  switch (fault) {
    case "error":
      return new Response("Internal Server Error\n", { status: 500 });
    case "empty":
      return Response.json({ status: "success", data: { resultType: "vector", result: [] } });
    case "garbage":
      return new Response("<html><body>It works!</body></html>", { headers: { "content-type": "text/html" } });
    default:
      return undefined;
  }
}
