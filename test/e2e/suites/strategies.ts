/**
 * Every strategy of the Gateway API through the real Contour and Envoy, all at once: shares, pins, copies and cookies as
 * clients see them. Which workload answered is told by the pod's name.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY } from "../../../src/demo/stage.ts";
import type { Load, LoadEntry } from "../../../src/sandbox/load/load_generator.ts";
import { appFiles, hostOf, manifestOf, METRICS } from "../../support/app_files.ts";
import { SHARES } from "../pooled_shares.ts";
import { isSplit, served, sharesOf, shareTold, type WeightSpan } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { watchWeights, type WeightWatch } from "../weights.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const RATE = 12;
/** Proxies follow a changed route within this time. */
const SETTLE_MS = 600;

/** As slow as a real Prometheus needs it; see fleet.ts. */
const analysis = { interval: "6s", metrics: METRICS.map((metric) => ({ ...metric, interval: "15s" })) };
const insiders = (headers: Readonly<Record<string, Readonly<Record<string, string>>>>) => ({
  ...analysis,
  iterations: 2,
  match: [{ headers }],
});

const APPS = [
  { name: "linear", analysis: { ...analysis, stepWeight: 30, maxWeight: 60, stepWeightPromotion: 30 } },
  { name: "mirrored", analysis: { ...analysis, stepWeights: [20, 80], mirror: true } },
  { name: "header", analysis: insiders({ "x-insider": { exact: "true" } }) },
  { name: "cookie", analysis: insiders({ cookie: { regex: "^(.*?;)?(canary=always)(;.*)?$" } }) },
  // Nobody asks the canary before the switch: there is nothing to measure.
  { name: "colours", analysis: { ...analysis, iterations: 2, metrics: [] } },
  { name: "shadow", analysis: { ...analysis, iterations: 2, mirror: true } },
  {
    name: "sticky",
    analysis: { ...analysis, stepWeights: [50], sessionAffinity: { cookieName: "flagger-cookie", maxAge: 3600 } },
  },
];
const NAMES = APPS.map(({ name }) => name);

export const strategies: Suite = {
  name: "strategies",
  about: "weighted, mirrored, A/B, blue/green and sticky, through Contour and Envoy",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run(run) {
    const world = await openWorld(run, { files: appFiles(...APPS), engine: "self", rights: RIGHTS });
    try {
      await Promise.all(
        NAMES.map((name) => world.seeOf(name, `${name} initialised`, (view) => view.last?.outcome === "initialised")),
      );
      await story(run, world);
    } finally {
      await world.close();
    }
  },
};

async function story(run: Run, world: World): Promise<void> {
  const { checks } = run;
  await machineClock.sleep(2_000);
  const loads = new Map<string, Load>();
  const watches = new Map<string, WeightWatch>();
  for (const name of NAMES) {
    const users = name === "sticky" ? { users: 12 } : {};
    loads.set(name, world.load(RATE, { host: hostOf(name), ...users }));
    watches.set(name, watchWeights(() => world.agent.canary(CANARY.namespace, name), SETTLE_MS));
  }
  const insider = world.load(RATE, { host: hostOf("header"), headers: { "x-insider": "true" } });
  const outsider = world.load(RATE, { host: hostOf("header"), headers: { "x-insider": "false" } });
  const cookied = world.load(RATE, { host: hostOf("cookie"), headers: { cookie: "canary=always; a=b" } });
  for (const name of NAMES) {
    const change = { from: ":1.0.0", to: ":1.1.0", message: `Bump ${name} to 1.1.0` };
    await world.clone.bump(manifestOf(name), change);
  }
  await Promise.all(NAMES.map((name) =>
    checks.check(`${name} is promoted`, async () => {
      await world.seeOf(name, `${name} promoted`, ({ phase, last }) =>
        phase === "idle" && last?.outcome === "succeeded", 150_000);
    })
  ));
  const spans = new Map<string, readonly WeightSpan[]>();
  for (const [name, watch] of watches) spans.set(name, await watch.stop());
  const all = [...loads.values(), insider, outsider, cookied];
  for (const load of all) await load.stop();
  const logOf = (name: string): readonly LoadEntry[] => loads.get(name)?.log ?? [];

  await checks.check("no request was lost or failed", () => {
    const sums = all.map((load) => served(load.log));
    deepStrictEqual(sums.flatMap(({ lost }) => lost).slice(0, 5), []);
    deepStrictEqual(sums.filter(({ errors }) => errors > 0), []);
    return `${sums.reduce((sum, { requests }) => sum + requests, 0)} requests`;
  });
  for (const name of ["linear", "mirrored"]) {
    await checks.check(`${name}: two shares at least were measured; the test is over all suites together`, () => {
      // After its promotion the primary is the new version too: pods are told apart, not versions.
      const log = logOf(name).map((entry) => ({ ...entry, version: workloadOf(entry) }));
      const shares = sharesOf(`strategies ${name}`, log, spans.get(name) ?? [], "canary");
      run.leave(SHARES, shares);
      ok(shares.filter(isSplit).length >= 2, shares.map(shareTold).join(", "));
      return shares.map(shareTold).join(", ");
    });
  }
  await checks.check("A/B: only requests that match reach the canary, by header and by cookie", () => {
    deepStrictEqual(workloads(outsider.log), ["primary"]);
    deepStrictEqual(workloads(logOf("header")), ["primary"]);
    deepStrictEqual(workloads(logOf("cookie")), ["primary"]);
    const met = [insider, cookied].map((load) => onlyCanaryWithin(load.log));
    return `${met.join(" and ")} requests met the canary`;
  });
  for (const name of ["colours", "shadow"]) {
    await checks.check(`${name}: nobody before the switch, everybody at it`, () => {
      return `${onlyCanaryWithin(logOf(name))} requests met the canary`;
    });
  }
  await checks.check(
    "sticky: a user who was once on the canary stays there",
    () => stays(logOf("sticky"), spans.get("sticky") ?? []),
  );
}

function workloadOf(entry: LoadEntry): "primary" | "canary" {
  return entry.pod?.includes("-primary-") === true ? "primary" : "canary";
}

function workloads(log: readonly LoadEntry[]): readonly string[] {
  return [...new Set(log.filter(({ pod }) => pod !== undefined).map(workloadOf))];
}

/** From the first answer of the canary to its last nobody else answers, the moments in which Envoy follows aside. */
function onlyCanaryWithin(log: readonly LoadEntry[]): number {
  const times = log.filter((entry) => entry.pod !== undefined && workloadOf(entry) === "canary").map(({ atMs }) =>
    atMs
  );
  ok(times.length > 20, `only ${times.length} requests met the canary`);
  const [from, to] = [Math.min(...times) + SETTLE_MS, Math.max(...times) - SETTLE_MS];
  const others = log.filter((entry) => entry.atMs > from && entry.atMs < to && workloadOf(entry) === "primary");
  deepStrictEqual(others.slice(0, 3), []);
  return times.length;
}

function stays(log: readonly LoadEntry[], spans: readonly WeightSpan[]): string {
  const span = spans.find(({ weight }) => weight === 50);
  ok(span !== undefined, "weight 50 was not seen");
  const within = log.filter(({ atMs }) => atMs >= span.fromMs && atMs < span.toMs).toSorted((a, b) => a.atMs - b.atMs);
  let met = 0;
  for (let user = 0; user < 12; user++) {
    const own = within.filter((entry) => entry.user === user).map(workloadOf);
    const first = own.indexOf("canary");
    if (first < 0) continue;
    met++;
    deepStrictEqual(own.slice(first).filter((one) => one === "primary"), [], `user ${user} was sent back`);
  }
  ok(met >= 3, `only ${met} users met the canary`);
  return `${met} of 12 users met the canary and stayed`;
}
