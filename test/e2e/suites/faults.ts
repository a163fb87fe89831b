/**
 * Faults in the middle of a rollout, on real servers: what a user would want comes of each, and no request is lost. Each
 * begins with a new bump at its 30 % step.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { served } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 40;

export const faults: Suite = {
  name: "faults",
  about: "agent, API server, Prometheus and Git server fail in the middle of a rollout",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run(run) {
    const world = await openWorld(run, { files: await fleetFiles(), engine: "self", rights: RIGHTS });
    try {
      await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
      await stories(run, world);
    } finally {
      await world.close();
    }
  },
};

async function stories({ checks }: Run, world: World): Promise<void> {
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("the agent is killed and started again: it goes on and promotes", async () => {
    await toThirty(world, "6.0.0", "6.0.1");
    await world.agent.running.kill();
    await machineClock.sleep(5_000);
    await world.startAgent();
    await promoted(world, "6.0.1");
  });
  await checks.check("the API server is killed and back after 10 s: it goes on and promotes", async () => {
    await toThirty(world, "6.0.1", "6.0.2");
    await world.plane.restartApiServer(10_000);
    await promoted(world, "6.0.2");
  });
  await checks.check("Prometheus is frozen: held, nothing reverted; thawed and retried, it promotes", async () => {
    await toThirty(world, "6.0.2", "6.0.3");
    world.prometheus.running.signal("SIGSTOP");
    const held = await world.see(
      "held",
      (view) => view.phase === "idle" && view.waitsFor?.startsWith("Held") === true,
      150_000,
    );
    world.prometheus.running.signal("SIGCONT");
    strictEqual(held.weight, 0);
    await world.clone.pull();
    strictEqual((await world.clone.git("log", "-1", "--format=%s")).trim(), "Bump podinfo to 6.0.3");
    await machineClock.sleep(5_000);
    strictEqual(await world.agent.command(CANARY.namespace, CANARY.name, "retry"), 200);
    await promoted(world, "6.0.3");
  });
  await checks.check("the Git server is down when the promotion is due: it lands once it is back", async () => {
    await toThirty(world, "6.0.3", "6.0.4");
    world.git.faults.set({ status: 503 });
    await world.see("waiting for the push", ({ phase }) => phase === "pushing");
    await machineClock.sleep(5_000);
    world.git.faults.set({});
    await promoted(world, "6.0.4");
  });
  await checks.check("a bad release is rolled back while the Git server is down; its revert lands later", async () => {
    await world.clone.bump(MANIFEST, { from: ":6.0.4", to: ":6.0.5-bad", message: "Bump podinfo to 6.0.5-bad" });
    await world.see("at 10 %", ({ weight }) => weight === 10);
    world.git.faults.set({ status: 503 });
    await world.see("traffic back", ({ phase, weight }) => phase === "reverting" && weight === 0);
    const backMs = machineClock.now();
    await machineClock.sleep(5_000);
    deepStrictEqual(Object.keys(served(load.log, backMs).versions), ["6.0.4"]);
    world.git.faults.set({});
    await world.see("reverted", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    strictEqual((await world.git.read(REPOSITORY, MANIFEST))?.includes(":6.0.4 "), true);
  });
  await load.stop();
  await checks.check("no request was lost, and only the bad version failed", () => {
    const all = served(load.log);
    deepStrictEqual(all.lost.slice(0, 5), []);
    deepStrictEqual(load.log.filter(({ status, version }) => status >= 500 && version !== "6.0.5-bad"), []);
    return `${all.requests} requests, ${all.errors} of the bad version`;
  });
}

async function toThirty(world: World, from: string, to: string): Promise<void> {
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
  await world.see(`${to} at 30 %`, ({ weight }) => weight === 30);
}

async function promoted(world: World, version: string): Promise<void> {
  await world.see(`${version} promoted`, (view) =>
    view.phase === "idle" && view.last?.outcome === "succeeded" &&
    view.lockImages.some((image) => image.endsWith(`:${version}`)), 150_000);
  await world.clone.pull();
  strictEqual((await world.clone.git("log", "-1", "--format=%s")).trim(), `Promote demo/podinfo to podinfo:${version}`);
}
