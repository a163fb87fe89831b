/**
 * The main job with Flux: the real kustomize-controller applies the whole repository, `.serin/` included, and the agent
 * analyses what it applied. Also what Flux does in the middle of a rollout, with the agent up and down.
 */
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { type Flux, FLUX_NAMESPACE, fluxKinds, startFlux } from "../servers/flux.ts";
import type { Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";
import { type Applier, engineStories } from "./engine_stories.ts";

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
      await engineStories(run, world, fluxApplier(world, applier));
      await run.keep([`kubectl --kubeconfig ${world.plane.kubeconfig} -n flux-system get kustomizations`]);
    } finally {
      await applier?.stop();
      await world.close();
    }
  },
};

function fluxApplier(world: World, applier: Flux): Applier {
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
  };
}
