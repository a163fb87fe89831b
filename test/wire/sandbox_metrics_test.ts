/** The sandbox's metrics server: scraping real pods and the mesh, Prometheus' answers to the letter, and its faults. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { at, type Json, stringAt } from "../../src/core/kube_object.ts";
import { jsonLines, startLoad } from "../../src/sandbox/load/load_generator.ts";
import { startLoadTester } from "../../src/sandbox/loadtester/load_tester.ts";
import { serveLoopback } from "../../src/sandbox/loopback_server.ts";
import { type MetricsServer, startMetricsServer } from "../../src/sandbox/metrics/metrics_server.ts";
import { podTargets } from "../../src/sandbox/metrics/pod_targets.ts";
import type { ScrapeTarget } from "../../src/sandbox/metrics/scraper.ts";
import { service, withDataPlane } from "../support/data_plane.ts";
import { MANUAL_CLOCK_START_MS, ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

interface Answer {
  readonly status: number;
  readonly json: Json;
}

async function query(server: MetricsServer, text: string, more = ""): Promise<Answer> {
  const answer = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(text)}${more}`);
  return { status: answer.status, json: await answer.json() };
}

/** The only value of an answer, as text; undefined where there is none. */
async function value(server: MetricsServer, text: string): Promise<string | undefined> {
  const { json } = await query(server, text);
  equal(stringAt(json, "status"), "success", JSON.stringify(json));
  return stringAt(json, "data", "result", 0, "value", 1);
}

/** A server over one page, whose text the test changes; it scrapes only when told. */
async function withPage(
  body: (
    parts: {
      readonly server: MetricsServer;
      readonly clock: ManualClock;
      show(page: string): void;
      targets: ScrapeTarget[];
    },
  ) => Promise<void>,
): Promise<void> {
  let page = "";
  const target = serveLoopback(() => new Response(page));
  const targets: ScrapeTarget[] = [{ url: `${target.url}/metrics`, labels: { job: "test", instance: "one" } }];
  const clock = new ManualClock();
  const server = startMetricsServer({ targets: () => targets, intervalMs: 3_600_000, clock });
  try {
    await until("the first scrape is over", () => server.store.seriesCount > 0);
    await body({ server, clock, targets, show: (text) => page = text });
  } finally {
    await server.stop();
    await target.down();
  }
}

Deno.test("Flagger's built-in queries over real pods and the mesh: a canary that fails half of its requests", async () => {
  await withDataPlane(
    { "shop:2-bad": { errorRate: 0.5, latencyMs: { p50: 0, p99: 0 }, startupMs: 0 } },
    async (plane) => {
      plane.objects.put(service("shop-canary", "shop"), service("shop-primary", "shop-primary"));
      await plane.pod("shop", "abcde", "shop:2-bad");
      await plane.pod("shop-primary", "abcde", "shop:1");
      const mesh: ScrapeTarget = { url: plane.mesh.metricsUrl, labels: { job: "mesh" } };
      const targets = () => [mesh, ...podTargets(plane.objects, plane.addressOf)];
      const server = startMetricsServer({ targets, intervalMs: 100, clock: plane.clock });
      const loads = ["shop-canary", "shop-primary"].map((name) =>
        startLoad({
          url: plane.mesh.meshUrl,
          host: `${name}.prod`,
          ratePerSecond: 300,
          requestsMax: 300,
          clock: plane.clock,
        })
      );
      try {
        await Promise.all(loads.map((load) => load.finished));
        await server.scrapeNow();
        const istio = (workload: string, more = "") =>
          `sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="prod",destination_workload=~"${workload}"${more}}[1m]))`;
        const success = (workload: string) => `100 * ${istio(workload, ',response_code!~"5.*"')} / ${istio(workload)}`;
        equal(await value(server, success("shop-primary")), "100");
        const canary = Number(await value(server, success("shop")));
        ok(canary > 35 && canary < 65, `success rate was ${canary}`);
        const pods = 'kubernetes_namespace="prod",kubernetes_pod_name=~"shop-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"';
        const own =
          `100 * sum(rate(http_request_duration_seconds_count{${pods},status!~"5.*"}[1m])) / sum(rate(http_request_duration_seconds_count{${pods}}[1m]))`;
        ok(Math.abs(Number(await value(server, own)) - canary) < 3);
        const p99 = `histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{${pods}}[1m])))`;
        const seconds = Number(await value(server, p99));
        ok(seconds > 0 && seconds < 1, `p99 was ${seconds} s`);
        equal(await value(server, 'count(up{job="kubernetes-pods"} == 1)'), "2");
        equal(jsonLines(loads[0]?.log ?? []).split("\n").length, 301);
      } finally {
        await server.stop();
      }
    },
  );
});

Deno.test("answers are Prometheus' to the letter", async () => {
  await withPage(async ({ server, clock, show }) => {
    show('# TYPE a counter\na{x="1",le="+Inf",instance="own"} 1.5e3\na{x="q\\"\\n"} NaN\nb 2 1700000000000\n');
    await server.scrapeNow();
    const now = MANUAL_CLOCK_START_MS / 1000;
    deepEqual((await query(server, 'a{x="1"}')).json, {
      status: "success",
      data: {
        resultType: "vector",
        result: [{
          metric: { __name__: "a", exported_instance: "own", instance: "one", job: "test", le: "+Inf", x: "1" },
          value: [now, "1500"],
        }],
      },
    });
    deepEqual((await query(server, "vector(1)")).json, {
      status: "success",
      data: { resultType: "vector", result: [{ metric: {}, value: [now, "1"] }] },
    });
    deepEqual((await query(server, "1 / 0", "&time=1700000000.5")).json, {
      status: "success",
      data: { resultType: "scalar", result: [1_700_000_000.5, "+Inf"] },
    });
    deepEqual((await query(server, "nothing")).json, { status: "success", data: { resultType: "vector", result: [] } });
    deepEqual(at((await query(server, "b[1m]")).json, "data", "result", 0, "values"), [[now, "2"]]);
    const bad = await query(server, "sum(");
    deepEqual([bad.status, bad.json], [400, {
      status: "error",
      errorType: "bad_data",
      error: 'invalid parameter "query": 1:5: parse error: unexpected end of input',
    }]);
    const twice = await query(server, "a + on() a");
    deepEqual([twice.status, stringAt(twice.json, "errorType")], [422, "execution"]);
    equal((await query(server, "b", "&time=tomorrow")).status, 400);
    const form = await fetch(`${server.url}/api/v1/query`, {
      method: "POST",
      body: new URLSearchParams({ query: "b" }),
    });
    equal(stringAt(await form.json(), "data", "result", 0, "value", 1), "2");
    await clock.advance(10_000);
    show("b 4\n");
    await server.scrapeNow();
    const range = await fetch(`${server.url}/api/v1/query_range?query=sum(b)&start=${now}&end=${now + 10}&step=5s`);
    deepEqual(at(await range.json(), "data", "result"), [{
      metric: {},
      values: [[now, "2"], [now + 5, "2"], [now + 10, "4"]],
    }]);
    const series = await fetch(`${server.url}/api/v1/series?match[]=b`);
    equal(stringAt(await series.json(), "data", 0, "__name__"), "b");
    for (const path of ["/api/v1/labels", "/federate", "/"]) {
      const other = await fetch(server.url + path);
      equal(other.status, 404, path);
      await other.body?.cancel();
    }
  });
});

Deno.test("a series that a page no longer shows, a page that cannot be read, and a target that is gone are stale", async () => {
  await withPage(async ({ server, clock, show, targets }) => {
    const scrape = async (page: string) => {
      show(page);
      await clock.advance(5_000);
      await server.scrapeNow();
    };
    await scrape("a 1\nb 1\n");
    equal(await value(server, "a + b"), "2");
    await scrape("a 1\n");
    deepEqual([await value(server, "a"), await value(server, "b"), await value(server, "up")], ["1", undefined, "1"]);
    await scrape("<html>\n");
    deepEqual([await value(server, "a"), await value(server, "up")], [undefined, "0"]);
    await scrape("a 2\n");
    equal(await value(server, "a"), "2");
    targets.length = 0;
    await scrape("a 3\n");
    deepEqual([await value(server, "a"), await value(server, "up")], [undefined, undefined]);
    equal(await value(server, "count_over_time(a[1m])"), "3");
  });
});

Deno.test("each fault switch does what it says, and only until it is switched off", async () => {
  await withPage(async ({ server, clock, show }) => {
    show("a 1\n");
    await server.scrapeNow();
    const ask = () => fetch(`${server.url}/api/v1/query?query=a`);
    await server.faults.set("down");
    await rejects(ask(), TypeError);
    await server.faults.set("error");
    const failed = await ask();
    deepEqual([failed.status, await failed.text()], [500, "Internal Server Error\n"]);
    await server.faults.set("empty");
    deepEqual(at(await (await ask()).json(), "data", "result"), []);
    await server.faults.set("garbage");
    match(await (await ask()).text(), /^<html>/);
    await server.faults.set("slow", 7_000);
    let answered = false;
    const slow = ask().then((answer) => answer.json()).finally(() => answered = true);
    await until("the request waits", () => clock.nextDueMs() === 7_000);
    await clock.advance(6_999);
    equal(answered, false);
    await clock.advance(1);
    equal(stringAt(await slow, "status"), "success");
    await server.faults.set("none");
    equal(await value(server, "a"), "1");
  });
});

Deno.test("the load generator keeps its rate, its bounds and a log of failures", async () => {
  const target = serveLoopback(async (request) => {
    await machineClock.sleep(20);
    return Response.json({ version: request.headers.get("cookie") ?? "new" }, {
      headers: { "set-cookie": "id=1; Max-Age=60" },
    });
  });
  const load = startLoad({
    url: target.url,
    ratePerSecond: 100,
    requestsMax: 30,
    logMax: 20,
    users: 2,
    clock: machineClock,
  });
  const startMs = performance.now();
  await load.finished;
  // 30 requests at 100 a second: the last leaves after 290 ms, though each answer takes 20.
  ok(performance.now() - startMs >= 290);
  deepEqual([load.sent, load.log.length], [30, 20]);
  ok(load.log.every((entry) => entry.status === 200 && entry.version === "id=1" && entry.ms >= 19));
  await target.down();
  const refused = startLoad({ url: target.url, ratePerSecond: 1_000, requestsMax: 3, clock: machineClock });
  await refused.finished;
  deepEqual(refused.log.map((entry) => [entry.status, entry.version]), [[0, undefined], [0, undefined], [
    0,
    undefined,
  ]]);
});

Deno.test("the load tester's gates and tasks", async () => {
  const tester = startLoadTester();
  const canary = { name: "shop", namespace: "prod" };
  const post = async (path: string, body: unknown = canary) => {
    const answer = await fetch(tester.url + path, { method: "POST", body: JSON.stringify(body) });
    await answer.body?.cancel();
    return answer.status;
  };
  try {
    deepEqual([await post("/gate/approve"), await post("/gate/halt"), await post("/gate/check")], [200, 403, 403]);
    equal(await post("/gate/open"), 202);
    deepEqual([await post("/gate/check"), await post("/rollback/check")], [200, 403]);
    equal(await post("/gate/check", { ...canary, name: "other" }), 403);
    equal(await post("/rollback/open"), 202);
    ok(tester.isOpen("gate", canary) && tester.isOpen("rollback", canary));
    deepEqual([await post("/gate/close"), await post("/gate/check")], [202, 403]);
    const task = { ...canary, metadata: { cmd: "hey -z 1m http://shop/" } };
    deepEqual([await post("/", task), await post("/", canary), await post("/", "text")], [202, 400, 400]);
    equal(await post("/", { ...canary, metadata: { type: "bash", cmd: "true" } }), 501);
    deepEqual(tester.tasks, [task]);
  } finally {
    await tester.stop();
  }
});
