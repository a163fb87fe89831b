/**
 * The main job with Flux: the real kustomize-controller applies the whole repository, `.serin/` included, and the agent
 * analyses what it applied. Also what Flux does in the middle of a rollout, with the agent up and down, and what goes
 * wrong with it.
 */
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { type Flux, FLUX_NAMESPACE, fluxKinds, startFlux } from "../servers/flux.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World, type WorldOptions } from "../world.ts";
import { engineFaults, SLOW_POLL } from "./engine_faults.ts";
import type { FaultyApplier } from "./engine_scene.ts";
import { engineStories } from "./engine_stories.ts";

const SERVERS = ["etcd", "kubernetes", "contour", "envoy", "prometheus", "kustomize-controller"];

export const flux: Suite = {
  name: "flux",
  about: "the main job while the real kustomize-controller applies, also in the middle of an analysis",
  servers: SERVERS,
  run: (run) => besideFlux(run, {}, (world, applier) => engineStories(run, world, applier)),
};

export const fluxFaults: Suite = {
  name: "flux-faults",
  about: "Flux fails, restarts and prunes in the middle of a rollout",
  servers: SERVERS,
  tier: "all",
  run: (run) => besideFlux(run, SLOW_POLL, (world, applier) => engineFaults(run, world, applier)),
};

async function besideFlux(
  run: Run,
  options: Pick<WorldOptions, "pollInterval">,
  story: (world: World, applier: FaultyApplier) => Promise<void>,
): Promise<void> {
  const { programs, processes } = run;
  let applier: Flux | undefined;
  const world = await openWorld(run, {
    ...options,
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
    await story(world, fluxApplier(world, applier));
    await run.keeper.keep();
  } finally {
    await applier?.stop();
    await world.close();
  }
}

function fluxApplier(world: World, applier: Flux): FaultyApplier {
  return {
    // Our source looks every second.
    nudge: () => Promise.resolve(),
    async hasAppliedTip() {
      const tip = await world.git.tip(REPOSITORY) ?? "";
      const applied = stringAt(await applier.kustomization(), "status", "lastAppliedRevision") ?? "";
      return applied.endsWith(tip);
    },
    async inventory() {
      const entries = listAt(await applier.kustomization(), "status", "inventory", "entries");
      return entries.map((entry) => {
        const [namespace, name, group, kind] = (stringAt(entry, "id") ?? "").split("_");
        return `${group === "" ? "" : `${group}/`}${kind} ${namespace}/${name}`;
      }).sort();
    },
    suspend: () => applier.patch({ suspend: true }),
    resume: () => applier.patch({ suspend: false }),
    restart: () => applier.restart(),
    async hasFailed() {
      const live = await applier.kustomization();
      const attempted = stringAt(live, "status", "lastAttemptedRevision") ?? "";
      const ready = listAt(live, "status", "conditions").find((one) => stringAt(one, "type") === "Ready");
      return stringAt(ready, "status") === "False" && attempted.endsWith(await world.git.tip(REPOSITORY) ?? "");
    },
    failure:
      /Kustomization "flux-system\/apps" could not apply main@sha1:[0-9a-f]{40}: ReconciliationFailed: .*Refused/,
    fencesConfigs: true,
  };
}
