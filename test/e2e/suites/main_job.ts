/**
 * The main job on real servers: a bump is pushed with stock git, analysed by Prometheus' numbers while Contour and Envoy
 * carry users' requests by weight, and committed as a promotion; a bad one is reverted. Engine self.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY, MANIFEST } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { chiSquared, chiSquaredLimit, served } from "../shares.ts";
import type { Suite } from "../suite.ts";
import { watchWeights } from "../weights.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const SERVERS = ["etcd", "kubernetes", "contour", "envoy", "prometheus"];
const LOAD_PER_SECOND = 60;
/** Envoy's clusters follow a changed route within this time. */
const SETTLE_MS = 500;

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
      await story(world, run.checks);
      await run.keep([
        `kubectl --kubeconfig ${world.plane.kubeconfig} get pods -A`,
        `page ${world.agent.url}/ with the token ${world.agent.apiToken}`,
        `repository ${world.git.urlOf("fleet")}`,
      ]);
    } finally {
      await world.close();
    }
  },
};

async function story(world: World, checks: import("../suite.ts").Checks): Promise<void> {
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
  await checks.check("users got the shares that were reported", () => {
    const { value, degrees, told } = chiSquared(load.log, spans, "6.0.1");
    ok(degrees >= 3, `only ${degrees} weights were seen: ${told.join(", ")}`);
    ok(value <= chiSquaredLimit(degrees), `chi-squared ${value.toFixed(1)} with ${degrees}: ${told.join(", ")}`);
    return `${told.join(", ")}; chi-squared ${value.toFixed(2)} with ${degrees} degrees of freedom`;
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
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}
