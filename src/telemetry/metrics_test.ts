import assert from "node:assert/strict";
import { ManualClock } from "../../test/support/manual_clock.ts";
import type { CanaryReading } from "./canary_reading.ts";
import { createMetrics, type MetricsOptions } from "./metrics.ts";
import { watchLoopLag } from "./process.ts";

const SHOP = { id: { namespace: "prod", name: "shop" }, targetName: "web" };

function reading(overrides: Partial<CanaryReading> = {}): CanaryReading {
  return {
    namespace: "prod",
    name: "shop",
    phase: "progressing",
    flaggerPhase: "Progressing",
    target: "Deployment/web",
    weight: 20,
    failedChecks: 1,
    ...overrides,
  };
}

function metricsWith(options: Partial<MetricsOptions> = {}) {
  return createMetrics({
    version: "1.2.3",
    cluster: "eu-1",
    provider: "istio",
    flagger: true,
    process: { residentBytes: () => 4096, cpuSeconds: () => 1.5 },
    ...options,
  });
}

/** Sample lines, comments left out. */
async function scrape(metrics: ReturnType<typeof metricsWith>): Promise<readonly string[]> {
  const page = await metrics.registry.metrics();
  return page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("metrics say where each canary is, under our names and Flagger's", async () => {
  const metrics = metricsWith();
  metrics.follow(() => [reading()]);
  const lines = await scrape(metrics);
  for (
    const line of [
      'serin_info{version="1.2.3",cluster="eu-1"} 1',
      "serin_canaries 1",
      'serin_canary_phase{namespace="prod",name="shop",phase="progressing"} 1',
      'serin_canary_weight_percent{namespace="prod",name="shop"} 20',
      'serin_canary_failed_checks{namespace="prod",name="shop"} 1',
      'flagger_info{version="1.2.3",mesh_provider="istio"} 1',
      'flagger_canary_total{namespace="prod"} 1',
      'flagger_canary_status{name="web",namespace="prod"} 0',
      'flagger_canary_weight{workload="web-primary",namespace="prod"} 80',
      'flagger_canary_weight{workload="web",namespace="prod"} 20',
      "process_resident_memory_bytes 4096",
      "process_cpu_seconds_total 1.5",
    ]
  ) assert.ok(lines.includes(line), `${line}\nin\n${lines.join("\n")}`);
});

Deno.test("a phase that was left has no series any more", async () => {
  const metrics = metricsWith();
  metrics.follow(() => [reading()]);
  await scrape(metrics);
  metrics.follow(() => [reading({ phase: "idle", flaggerPhase: "Failed", weight: 0 })]);
  const lines = await scrape(metrics);
  assert.deepEqual(lines.filter((line) => line.startsWith("serin_canary_phase")), [
    'serin_canary_phase{namespace="prod",name="shop",phase="idle"} 1',
  ]);
  assert.ok(lines.includes('flagger_canary_status{name="web",namespace="prod"} 2'));
});

Deno.test("all series of a canary go when it goes, those of another stay", async () => {
  const metrics = metricsWith();
  const other = { id: { namespace: "prod", name: "cart" }, targetName: "cart" };
  metrics.follow(() => [reading(), reading({ name: "cart", target: "Deployment/cart" })]);
  for (const canary of [SHOP, other]) {
    metrics.check(canary, "latency", 0.25);
    metrics.turn(canary, { seconds: 0.2, isAnalysis: true });
    metrics.rolloutEnded({ ...canary, outcome: "succeeded", strategy: "weights", isSkipped: false });
  }
  const before = await scrape(metrics);
  assert.ok(before.includes('serin_check_value{namespace="prod",name="shop",metric="latency"} 0.25'));
  assert.ok(before.includes('serin_rollouts_total{namespace="prod",name="shop",outcome="succeeded"} 1'));
  metrics.follow(() => [reading({ name: "cart", target: "Deployment/cart" })]);
  const after = await scrape(metrics);
  const left = await scrape(metrics);
  for (const line of [...after, ...left]) assert.ok(!/"(shop|web|web-primary)"/.test(line), line);
  assert.ok(left.includes('serin_rollouts_total{namespace="prod",name="cart",outcome="succeeded"} 1'));
});

const ENDS = [
  ["succeeded", "weights", false, "successes", "canary", "completed"],
  ["succeeded", "ab", true, "successes", "ab-testing", "skipped"],
  ["failed", "blue-green", true, "failures", "blue-green", "completed"],
] as const;

for (const [outcome, strategy, isSkipped, counter, deployment, status] of ENDS) {
  Deno.test(`Flagger's ${counter} of ${strategy} count as ${deployment}, ${status}`, async () => {
    const metrics = metricsWith();
    metrics.follow(() => [reading()]);
    metrics.rolloutEnded({ ...SHOP, outcome, strategy, isSkipped });
    const want = `flagger_canary_${counter}_total{name="web",namespace="prod",` +
      `deployment_strategy="${deployment}",analysis_status="${status}"} 1`;
    const lines = await scrape(metrics);
    assert.ok(lines.includes(want), lines.join("\n"));
  });
}

Deno.test("without the flag there is not one series of Flagger's", async () => {
  const metrics = metricsWith({ flagger: false });
  metrics.follow(() => [reading()]);
  metrics.check(SHOP, "latency", 1);
  assert.deepEqual((await scrape(metrics)).filter((line) => line.startsWith("flagger")), []);
});

Deno.test("readings are taken at each scrape", async () => {
  const requests = new Map([["get pods", 3]]);
  const metrics = metricsWith({ kubeRequests: () => requests, queueDepth: () => 7, isLeader: () => true });
  metrics.gitPushed("main", "pushed");
  metrics.gitFetched("main", 0.2);
  await scrape(metrics);
  requests.set("get pods", 4);
  const lines = await scrape(metrics);
  assert.ok(lines.includes('serin_kube_requests_total{verb="get",resource="pods"} 4'));
  assert.ok(lines.includes("serin_queue_depth 7"));
  assert.ok(lines.includes("serin_leader 1"));
  assert.ok(lines.includes('serin_git_pushes_total{source="main",outcome="pushed"} 1'));
  assert.ok(lines.includes('serin_git_fetch_seconds_count{source="main"} 1'));
});

Deno.test("a check without a value leaves the earlier one", async () => {
  const metrics = metricsWith();
  metrics.follow(() => [reading()]);
  metrics.check(SHOP, "latency", 0.5);
  metrics.check(SHOP, "latency", null);
  const lines = await scrape(metrics);
  assert.ok(lines.includes('serin_check_value{namespace="prod",name="shop",metric="latency"} 0.5'));
});

Deno.test("watchLoopLag() gives the greatest delay since it was last taken", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const late = { monotonic: () => clock.monotonic() * 2, sleep: clock.sleep.bind(clock) };
  const lag = watchLoopLag(late, stop.signal);
  await clock.advance(500);
  assert.equal(lag.take(), 0.5);
  assert.equal(lag.take(), 0);
  stop.abort();
  await clock.advance(0);
  assert.equal(clock.sleeping, 0);
});
