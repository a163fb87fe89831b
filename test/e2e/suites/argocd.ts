/**
 * The main job with Argo CD: its real application-controller syncs the whole repository, `.serin/` included, with
 * self-heal and pruning on, and the agent analyses what it synced. A push is told to it as a forge's webhook would.
 */
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, REPOSITORY } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { type ArgoCd, ARGOCD_NAMESPACE, argocdKinds, isSynced, startArgoCd } from "../servers/argocd.ts";
import type { Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";
import { type Applier, engineStories } from "./engine_stories.ts";

export const argocd: Suite = {
  name: "argocd",
  about: "the main job while the real Argo CD syncs, also in the middle of an analysis",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus", "argocd", "redis"],
  async run(run) {
    const { programs, processes, folder } = run;
    let applier: ArgoCd | undefined;
    const world = await openWorld(run, {
      files: await fleetFiles(),
      engine: "argocd",
      rights: [...RIGHTS, "engine_argocd"],
      namespaces: [ARGOCD_NAMESPACE],
      kinds: await argocdKinds(programs),
      prepare: async (plane, git) => {
        const repositoryUrl = git.urlOf(REPOSITORY);
        const destination = CANARY.namespace;
        applier = await startArgoCd({ processes, programs, folder, plane, repositoryUrl, destination });
      },
    });
    try {
      if (applier === undefined) throw new Error("Argo CD was not started");
      await engineStories(run, world, argocdApplier(world, applier));
      await run.keep([`kubectl --kubeconfig ${world.plane.kubeconfig} -n argocd get applications`]);
    } finally {
      await world.close();
    }
  },
};

function argocdApplier(world: World, applier: ArgoCd): Applier {
  return {
    nudge: () => applier.refresh(),
    async hasAppliedTip() {
      return isSynced(await applier.application(), await world.git.tip(REPOSITORY) ?? "");
    },
    async inventory() {
      return listAt(await applier.application(), "status", "resources").map((entry) => {
        const group = stringAt(entry, "group");
        const [kind, namespace, name] = ["kind", "namespace", "name"].map((field) => stringAt(entry, field));
        return `${group === undefined ? "" : `${group}/`}${kind} ${namespace}/${name}`;
      }).sort();
    },
    suspend: () => applier.annotate({ "argocd.argoproj.io/skip-reconcile": "true" }),
    async resume() {
      await applier.annotate({ "argocd.argoproj.io/skip-reconcile": null });
      await applier.refresh();
    },
  };
}
