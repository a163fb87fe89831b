/**
 * What any engine does around a rollout, with the agent beside it up and down: one story for Flux and for Argo CD. Each
 * row of an engine is the real one.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { at, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST } from "../../../src/demo/stage.ts";
import { until } from "../../support/until.ts";
import { served } from "../shares.ts";
import type { Run } from "../suite.ts";
import type { World } from "../world.ts";

/** An engine that applies the repository. */
export interface Applier {
  /** What a webhook of the forge does after a push. */
  nudge(): Promise<void>;
  hasAppliedTip(): Promise<boolean>;
  /** What it says that it holds, sorted; `.serin/` must not be among it. */
  inventory(): Promise<readonly string[]>;
  suspend(): Promise<void>;
  resume(): Promise<void>;
}

const LOAD_PER_SECOND = 40;
/** What was on its way while the view was asked for. */
const LOOK_MS = 50;

export async function engineStories(run: Run, world: World, applier: Applier): Promise<void> {
  const { checks } = run;
  await checks.check("what the engine applied gets a primary and a lock, and stays applied", async () => {
    await initialised(world);
    await appliedTip(applier);
    deepStrictEqual(
      await applier.inventory(),
      [
        "apps/Deployment demo/podinfo",
        "ConfigMap demo/podinfo",
        "serin.dev/Canary demo/podinfo",
      ].sort(),
    );
  });
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a good bump is promoted", async () => {
    await bump(world, applier, "6.0.0", "6.0.1");
    await promoted(world, "6.0.1");
    await appliedTip(applier);
  });
  await checks.check(
    "a bump in the middle of an analysis: no unanalysed pod gets a share, then it is promoted",
    async () => {
      await bump(world, applier, "6.0.1", "6.0.2");
      await world.see("at 30 %", ({ weight }) => weight === 30);
      const pushedMs = machineClock.now();
      await bump(world, applier, "6.0.2", "6.0.3");
      const shareless = await shareOf(world, "6.0.3");
      const early = load.log.filter(({ version, atMs }) => version === "6.0.3" && atMs < shareless);
      deepStrictEqual(early, []);
      await promoted(world, "6.0.3");
      return `promoted ${((machineClock.now() - pushedMs) / 1000).toFixed(0)} s after it was pushed`;
    },
  );
  await checks.check(
    "a bump while the agent is down starts no pod of it; then it is analysed and promoted",
    async () => {
      await bump(world, applier, "6.0.3", "6.0.4");
      await world.see("at 30 %", ({ weight }) => weight === 30);
      await world.agent.running.kill();
      await bump(world, applier, "6.0.4", "6.0.5");
      // The engine takes it within its interval; the fence keeps it from the target.
      await appliedTip(applier);
      await machineClock.sleep(3_000);
      deepStrictEqual((await images(world)).filter((image) => image.endsWith(":6.0.5")), []);
      deepStrictEqual(load.log.filter(({ version }) => version === "6.0.5"), []);
      await world.startAgent();
      await promoted(world, "6.0.5");
    },
  );
  await checks.check("a bad bump is reverted, and the engine applies the revert", async () => {
    await bump(world, applier, "6.0.5", "6.0.6-bad");
    await world.see("reverted", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    await world.clone.pull();
    strictEqual(await subject(world), "Revert demo/podinfo to podinfo:6.0.5");
    await appliedTip(applier);
    const target = await world.plane.cluster.live({
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: CANARY.namespace,
      name: CANARY.name,
    });
    const image = stringAt(at(target, "spec", "template", "spec", "containers", 0), "image");
    strictEqual(image, "registry.example/podinfo:6.0.5");
  });
  await checks.check("while the engine is suspended nothing is judged; resumed, the bump is promoted", async () => {
    await applier.suspend();
    await bump(world, applier, "6.0.5", "6.0.7");
    const waiting = await world.see(
      "waiting for the engine",
      ({ waitsFor }) => /suspended|skip-reconcile/.test(waitsFor ?? ""),
    );
    strictEqual(waiting.weight, 0);
    await applier.resume();
    await promoted(world, "6.0.7");
  });
  await load.stop();
  await checks.check("no request was lost, and only the bad version failed", () => {
    const all = served(load.log);
    deepStrictEqual(all.lost.slice(0, 5), []);
    deepStrictEqual(load.log.filter(({ status, version }) => status >= 500 && version !== "6.0.6-bad"), []);
    return `${all.requests} requests, ${all.errors} of the bad version`;
  });
}

export async function initialised(world: World): Promise<void> {
  await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
}

export async function bump(world: World, applier: Pick<Applier, "nudge">, from: string, to: string): Promise<void> {
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
  await applier.nudge();
}

/** Waits for a candidate's first share; the last time at which it was seen without one. */
export async function shareOf(world: World, version: string): Promise<number> {
  let shareless = machineClock.now();
  await world.see(`${version} has a share`, ({ weight, candidateImages }) => {
    const isOn = weight > 0 && candidateImages.some((image) => image.endsWith(`:${version}`));
    if (!isOn) shareless = machineClock.now() - LOOK_MS;
    return isOn;
  });
  return shareless;
}

export async function promoted(world: World, version: string): Promise<void> {
  await world.see(`${version} promoted`, (view) =>
    view.phase === "idle" && view.last?.outcome === "succeeded" &&
    view.lockImages.some((image) => image.endsWith(`:${version}`)), 150_000);
  await world.clone.pull();
  strictEqual(await subject(world), `Promote demo/podinfo to podinfo:${version}`);
}

export async function appliedTip(applier: Applier): Promise<void> {
  await until("the engine has applied the tip", async () => {
    return await applier.hasAppliedTip() || (await machineClock.sleep(200), false);
  }, 90_000);
}

/** Images of pods that are there. */
export async function images(world: World): Promise<readonly string[]> {
  const pods = await world.plane.cluster.list({ apiVersion: "v1", kind: "Pod", namespace: CANARY.namespace });
  return pods.map((pod) => stringAt(pod, "spec", "containers", 0, "image") ?? "");
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}
