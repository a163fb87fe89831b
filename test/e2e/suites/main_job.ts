/**
 * The main job on real servers: a bump is pushed with stock git, analysed by Prometheus' numbers while Contour and Envoy
 * carry users' requests by weight, and committed as a promotion; a bad one is reverted. Engine self.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY, MANIFEST } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { askedByAgent, beyondIdle, tally } from "../audit.ts";
import { SHARES } from "../pooled_shares.ts";
import { isSplit, served, sharesOf, shareTold } from "../shares.ts";
import type { Checks, Run, Suite } from "../suite.ts";
import { watchWeights } from "../weights.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const SERVERS = ["etcd", "kubernetes", "contour", "envoy", "prometheus"];
const LOAD_PER_SECOND = 60;
/** Envoy's clusters follow a changed route within this time. */
const SETTLE_MS = 500;
/** A changed weight is seen in the API within this time, twice the interval of looking. */
const STEP_SEEN_MS = 700;
/** Shorter than an interval of the analysis, so that one step is in it. */
const STEP_WINDOW_MS = 5_000;
const IDLE_MS = 10_000;

export const mainJob: Suite = {
  name: "main-job",
  about: "promotion and revert through Contour, Envoy and Prometheus, engine self",
  servers: SERVERS,
  async run(run) {
    const startedAt = performance.now();
    const world = await openWorld(run, { files: await fleetFiles(), engine: "self", rights: RIGHTS });
    run.checks.note(`servers and agent up after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    try {
      await run.checks.check("the first start makes the primary and commits the lock", async () => {
        await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
      });
      await idling(world, run.checks);
      await story(world, run);
    } finally {
      await world.close();
    }
  },
};

async function story(world: World, run: Run): Promise<void> {
  const { checks } = run;
  const load = world.load(LOAD_PER_SECOND);
  await machineClock.sleep(3_000);
  const weights = watchWeights(() => world.agent.canary(CANARY.namespace, CANARY.name), SETTLE_MS);
  await checks.check("a good bump is promoted, and committed", async () => {
    await world.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await world.see("promoted", (view) => view.phase === "idle" && view.last?.outcome === "succeeded");
    await world.clone.pull();
    strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.1");
  });
  const spans = await weights.stop();
  await checks.check("a weight step costs at most 4 API requests", async () => {
    const asked = await askedByAgent(world.plane.auditLog);
    // From one step to the next: the step's own requests, and whatever came while it was judged.
    const steps = spans.filter(({ weight }) => weight > 0).slice(1);
    const costs = steps.map(({ weight, fromMs }) => {
      const startMs = fromMs - SETTLE_MS - STEP_SEEN_MS;
      return { weight, asked: beyondIdle(asked, startMs, startMs + STEP_WINDOW_MS) };
    });
    const told = costs.map((one) => `${one.weight} %: ${one.asked.length} (${tally(one.asked)})`).join("; ");
    ok(costs.length > 0 && costs.every((one) => one.asked.length <= 4), told);
    return told;
  });
  await checks.check("three shares at least were measured; the test is over all suites together", () => {
    const shares = sharesOf("main-job", load.log, spans, "6.0.1");
    run.leave(SHARES, shares);
    ok(shares.filter(isSplit).length >= 3, shares.map(shareTold).join(", "));
    return shares.map(shareTold).join(", ");
  });
  await checks.check("no request was lost, none failed in the promotion", () => {
    const { requests, errors, lost } = served(load.log);
    deepStrictEqual({ errors, lost: lost.slice(0, 5) }, { errors: 0, lost: [] });
    return `${requests} requests`;
  });
  let revertedMs = 0;
  await checks.check("a bad bump is reverted, and committed", async () => {
    await world.clone.bump(MANIFEST, { from: ":6.0.1", to: ":6.0.2-bad", message: "Bump podinfo to 6.0.2-bad" });
    await world.see("reverted", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    revertedMs = machineClock.now();
    await world.clone.pull();
    strictEqual(await subject(world), "Revert demo/podinfo to podinfo:6.0.1");
    const manifest = await Deno.readTextFile(`${world.clone.dir}/${MANIFEST}`);
    ok(manifest.includes("image: registry.example/podinfo:6.0.1 # a bot bumps this line"));
  });
  await machineClock.sleep(3_000);
  await load.stop();
  await checks.check("after the rollback was reported nobody meets the bad version, and nothing was lost", () => {
    const after = served(load.log, revertedMs);
    ok(after.requests > 50);
    deepStrictEqual(after.versions, { "6.0.1": after.requests });
    const all = served(load.log);
    deepStrictEqual(all.lost.slice(0, 5), []);
    return `${all.errors} of ${all.requests} requests met the bad version's errors`;
  });
  await checks.check("Prometheus scrapes the agent", async () => {
    const answer = await fetch(`${world.prometheus.url}/api/v1/query?query=up{job="serin"}`);
    const body = await answer.json();
    strictEqual(body.data?.result?.[0]?.value?.[1], "1", JSON.stringify(body));
  });
  await checks.check("promtool has nothing to say of the agent's metrics", async () => {
    strictEqual(await promtool(run.programs.get("promtool") ?? "promtool", await world.agent.metrics()), "");
  });
}

/** Beside the Lease and re-opened watches, an idle canary costs nothing. */
async function idling(world: World, checks: Checks): Promise<void> {
  await checks.check("while idle the agent asks the API server nothing", async () => {
    const fromMs = machineClock.now() + 1_000;
    await machineClock.sleep(1_000 + IDLE_MS);
    const asked = beyondIdle(await askedByAgent(world.plane.auditLog), fromMs, fromMs + IDLE_MS);
    strictEqual(asked.length, 0, tally(asked));
    return `${IDLE_MS / 1000} s`;
  });
}

/** What `promtool check metrics` says. */
async function promtool(path: string, metrics: string): Promise<string> {
  const child = new Deno.Command(path, {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(metrics));
  await writer.close();
  const { stdout, stderr } = await child.output();
  return `${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`.trim();
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}
