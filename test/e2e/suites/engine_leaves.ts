/**
 * What leaves Git beside an engine, and what comes back: the Canary alone, then all of it, of which nothing may be left in
 * the cluster, nor its lock in Git.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { numberAt, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import {
  ARGOCD_SYNC_OPTIONS_ANNOTATION,
  FENCE_ANNOTATION,
  FORMER_SYNC_OPTIONS_ANNOTATION,
} from "../../../src/core/names.ts";
import { lockPath } from "../../../src/ledger/lock_file.ts";
import { statusPath } from "../../../src/ledger/status_file.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { until } from "../../support/until.ts";
import type { World } from "../world.ts";
import {
  CANARY_FILE,
  gone,
  LOAD_PER_SECOND,
  LOOK_EVERY_MS,
  midway,
  PRIMARY,
  push,
  ROUTE,
  routeWeight,
  type Story,
  TARGET,
} from "./engine_scene.ts";
import { initialised, promoted } from "./engine_stories.ts";

/** Whatever else a repository declares: a tip that declares nothing at all would be taken for a mistake. */
const OTHER = `apiVersion: v1
kind: ConfigMap
metadata:
  name: other
  namespace: ${CANARY.namespace}
`;

export async function canaryLeaves(story: Story): Promise<void> {
  const { world } = story;
  await midway(story, "6.1.9");
  await push(story, "Remove the Canary", { [CANARY_FILE]: null });
  await removalConfirmed(world);
  await forgotten(world);
  ok((numberAt(await world.plane.cluster.live(PRIMARY), "status", "readyReplicas") ?? 0) > 0);
  strictEqual(await routeWeight(world), 0);
  const annotations = objectAt(await world.plane.cluster.live(TARGET), "metadata", "annotations");
  for (const mark of [FENCE_ANNOTATION, FORMER_SYNC_OPTIONS_ANNOTATION, ARGOCD_SYNC_OPTIONS_ANNOTATION]) {
    strictEqual(stringAt(annotations, mark), undefined, "nothing of the fence is left");
  }
}

/** The only Canary of a source is not believed to be gone until a person says so. */
async function removalConfirmed(world: World): Promise<void> {
  await until("the removal can be confirmed", async () => {
    return await world.agent.confirmRemoval() === 200 || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 60_000);
}

async function forgotten(world: World): Promise<void> {
  await until("the agent has forgotten the canary", async () => {
    const view = await world.agent.canary(CANARY.namespace, CANARY.name);
    return view === undefined || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 60_000);
}

export async function canaryComesBack(story: Story): Promise<void> {
  const { world } = story;
  await world.clone.pull();
  const left = (await world.clone.git("log", "-1", "--format=%H", "--diff-filter=D", "--", CANARY_FILE)).trim();
  const text = await world.clone.git("show", `${left}~1:${CANARY_FILE}`);
  // From here on it is meant to be handed back, or to go with its target.
  const back = text.replace("\nspec:\n", "\nspec:\n  revertOnDeletion: true\n");
  await push(story, "Bring the Canary back", { [CANARY_FILE]: back });
  await promoted(world, "6.1.9");
}

export async function allLeaves(story: Story): Promise<void> {
  const { world } = story;
  const load = world.load(LOAD_PER_SECOND);
  await midway(story, "6.1.10");
  // From here on nobody is to be served.
  await load.stop();
  await push(story, "Remove podinfo", { [MANIFEST]: null, [CANARY_FILE]: null, "apps/other.yaml": OTHER });
  await removalConfirmed(world);
  for (const ref of [TARGET, ROUTE, PRIMARY]) await gone(story, ref);
  await forgotten(world);
  for (const path of [lockPath("e2e", CANARY), statusPath("e2e", CANARY)]) {
    strictEqual(await world.git.read(REPOSITORY, path), undefined, path);
  }
  await world.clone.pull();
  const message = await world.clone.git("log", "-1", "--format=%B");
  match(message, /^Remove the lock of demo\/podinfo\n[\s\S]*\nSerin-Decision: removal\n/);
  deepStrictEqual(await world.clone.git("ls-files", ".serin"), "");
}

/** Nothing is remembered of what it once was: what serves by then is the first lock. */
export async function comesBack(story: Story): Promise<void> {
  const { world } = story;
  const left = (await world.clone.git("log", "-1", "--format=%H", "--diff-filter=D", "--", CANARY_FILE)).trim();
  const before = (path: string): Promise<string> => world.clone.git("show", `${left}~1:${path}`);
  const manifest = (await before(MANIFEST)).replace(/podinfo:[\w.-]+/, "podinfo:6.2.0");
  await push(story, "Bring podinfo back", { [MANIFEST]: manifest, [CANARY_FILE]: await before(CANARY_FILE) });
  await initialised(world);
  await world.clone.pull();
  const subjects = await world.clone.git("log", "-2", "--format=%s");
  deepStrictEqual(subjects.trim().split("\n"), ["Initialise demo/podinfo at podinfo:6.2.0", "Bring podinfo back"]);
}
