/**
 * The main job with Flux: the real kustomize-controller applies the whole repository, `.serin/` included, and the agent
 * analyses what it applied. Also what Flux does in the middle of a rollout, with the agent up and down.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { until } from "../../support/until.ts";
import { fleetFiles } from "../fleet.ts";
import { type Flux, FLUX_NAMESPACE, fluxKinds, startFlux } from "../servers/flux.ts";
import { served } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 40;

export const flux: Suite = {
  name: "flux",
  about: "the main job while the real kustomize-controller applies, also in the middle of an analysis",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus", "kustomize-controller"],
  async run(run) {
    const { programs, processes } = run;
    let applier: Flux | undefined;
    const world = await openWorld(run, {
      files: await fleetFiles(),
      engine: "flux",
      rights: [...RIGHTS, "engine_flux"],
      namespaces: [FLUX_NAMESPACE],
      kinds: await fluxKinds(programs),
      prepare: async (plane, git) => {
        applier = await startFlux({ processes, programs, plane, git, repository: REPOSITORY });
      },
    });
    try {
      if (applier === undefined) throw new Error("Flux was not started");
      await stories(run, world, applier);
      await run.keep([`kubectl --kubeconfig ${world.plane.kubeconfig} -n flux-system get kustomizations`]);
    } finally {
      await applier?.stop();
      await world.close();
    }
  },
};

async function stories(run: Run, world: World, applier: Flux): Promise<void> {
  const { checks } = run;
  await checks.check("what Flux applied gets a primary and a lock, and stays applied", async () => {
    await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
    await appliedTip(world, applier);
    const entries = listAt(await applier.kustomization(), "status", "inventory", "entries");
    deepStrictEqual(entries.map((entry) => stringAt(entry, "id")).sort(), [
      "demo_podinfo__ConfigMap",
      "demo_podinfo_apps_Deployment",
      "demo_podinfo_serin.dev_Canary",
    ]);
  });
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a good bump is promoted", async () => {
    await bump(world, "6.0.0", "6.0.1");
    await promoted(world, "6.0.1");
    await appliedTip(world, applier);
  });
  await checks.check(
    "a bump in the middle of an analysis: no unanalysed pod gets a share, then it is promoted",
    async () => {
      await bump(world, "6.0.1", "6.0.2");
      await world.see("at 30 %", ({ weight }) => weight === 30);
      const pushedMs = machineClock.now();
      await bump(world, "6.0.2", "6.0.3");
      const restarted = await world.see(
        "restarted",
        ({ weight, candidateImages }) => weight === 0 && candidateImages.some((image) => image.endsWith(":6.0.3")),
      );
      ok(restarted.weight === 0);
      const early = load.log.filter(({ version, atMs }) => version === "6.0.3" && atMs < machineClock.now());
      deepStrictEqual(early, []);
      await promoted(world, "6.0.3");
      return `restarted ${((machineClock.now() - pushedMs) / 1000).toFixed(0)} s before the promotion`;
    },
  );
  await checks.check(
    "a bump while the agent is down starts no pod of it; then it is analysed and promoted",
    async () => {
      await bump(world, "6.0.3", "6.0.4");
      await world.see("at 30 %", ({ weight }) => weight === 30);
      await world.agent.running.kill();
      await bump(world, "6.0.4", "6.0.5");
      // Flux takes it within its interval; the fence keeps it from the target.
      await appliedTip(world, applier);
      await machineClock.sleep(3_000);
      deepStrictEqual((await images(world)).filter((image) => image.endsWith(":6.0.5")), []);
      deepStrictEqual(load.log.filter(({ version }) => version === "6.0.5"), []);
      await world.startAgent();
      await promoted(world, "6.0.5");
    },
  );
  await checks.check("a bad bump is reverted, and Flux applies the revert", async () => {
    await bump(world, "6.0.5", "6.0.6-bad");
    await world.see("reverted", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    await world.clone.pull();
    strictEqual(await subject(world), "Revert demo/podinfo to podinfo:6.0.5");
    await appliedTip(world, applier);
    const target = await world.plane.cluster.live({
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: CANARY.namespace,
      name: CANARY.name,
    });
    ok(JSON.stringify(target).includes('"image":"registry.example/podinfo:6.0.5"'), "the target is back");
  });
  await checks.check("while Flux is suspended nothing is judged; resumed, the bump is promoted", async () => {
    await applier.patch({ suspend: true });
    await bump(world, "6.0.5", "6.0.7");
    const waiting = await world.see("waiting for Flux", ({ waitsFor }) => waitsFor?.includes("suspended") === true);
    strictEqual(waiting.weight, 0);
    await applier.patch({ suspend: false });
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

async function bump(world: World, from: string, to: string): Promise<void> {
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
}

async function promoted(world: World, version: string): Promise<void> {
  await world.see(`${version} promoted`, (view) =>
    view.phase === "idle" && view.last?.outcome === "succeeded" &&
    view.lockImages.some((image) => image.endsWith(`:${version}`)), 150_000);
  await world.clone.pull();
  strictEqual(await subject(world), `Promote demo/podinfo to podinfo:${version}`);
}

/** Waits until Flux says that it applied the tip. */
async function appliedTip(world: World, applier: Flux): Promise<void> {
  await until("Flux applied the tip", async () => {
    const tip = await world.git.tip(REPOSITORY) ?? "";
    const applied = stringAt(await applier.kustomization(), "status", "lastAppliedRevision") ?? "";
    return applied.endsWith(tip) || (await machineClock.sleep(200), false);
  }, 60_000);
}

/** Images of pods that are there. */
async function images(world: World): Promise<readonly string[]> {
  const pods = await world.plane.cluster.list({ apiVersion: "v1", kind: "Pod", namespace: CANARY.namespace });
  return pods.map((pod) => stringAt(pod, "spec", "containers", 0, "image") ?? "");
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}
