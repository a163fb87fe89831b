/**
 * The main job with Argo CD: its real application-controller syncs the whole repository, `.serin/` included, with
 * self-heal and pruning on, and the agent analyses what it synced. A push is told to it as a forge's webhook would.
 */
import { at, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, REPOSITORY } from "../../../src/demo/stage.ts";
import { fleetFiles } from "../fleet.ts";
import { type ArgoCd, ARGOCD_NAMESPACE, argocdKinds, isSynced, startArgoCd } from "../servers/argocd.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World, type WorldOptions } from "../world.ts";
import { engineFaults, SLOW_POLL } from "./engine_faults.ts";
import type { FaultyApplier } from "./engine_scene.ts";
import { engineStories } from "./engine_stories.ts";
import { syncOptions } from "./sync_options.ts";
import { syncWaves } from "./sync_waves.ts";

const SERVERS = ["etcd", "kubernetes", "contour", "envoy", "prometheus", "argocd", "redis"];

export const argocd: Suite = {
  name: "argocd",
  about: "the main job while the real Argo CD syncs, also in the middle of an analysis",
  servers: SERVERS,
  run: (run) => besideArgoCd(run, {}, (world, applier) => engineStories(run, world, applier)),
};

export const argocdFaults: Suite = {
  name: "argocd-faults",
  about: "Argo CD fails, restarts, prunes and waits for sync waves in the middle of a rollout",
  servers: SERVERS,
  tier: "all",
  run: (run) =>
    besideArgoCd(run, SLOW_POLL, async (world, applier, argocd) => {
      await syncWaves(run, world, { ...argocd, nudge: applier.nudge });
      await syncOptions(run, world, applier);
      await engineFaults(run, world, applier);
    }),
};

async function besideArgoCd(
  run: Run,
  options: Pick<WorldOptions, "pollInterval">,
  story: (world: World, applier: FaultyApplier, argocd: ArgoCd) => Promise<void>,
): Promise<void> {
  const { programs, processes, folder } = run;
  let applier: ArgoCd | undefined;
  const world = await openWorld(run, {
    ...options,
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
    await story(world, argocdApplier(world, applier), applier);
  } finally {
    await world.close();
  }
}

function argocdApplier(world: World, applier: ArgoCd): FaultyApplier {
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
    restart: () => applier.restart(),
    async hasFailed() {
      const result = at(await applier.application(), "status", "operationState", "syncResult");
      const failed = listAt(result, "resources").some((one) => stringAt(one, "status") === "SyncFailed");
      return failed && stringAt(result, "revision") === await world.git.tip(REPOSITORY);
    },
    failure: /Application "argocd\/fleet" could not sync [0-9a-f]{40}: .+/,
    fencesConfigs: false,
  };
}
