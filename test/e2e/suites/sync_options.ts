/**
 * Sync options beside a fence, with the real Argo CD: the option that keeps the target from being pruned comes with the
 * fence and goes with it; where the manifest declares options of its own, those are what is there afterwards.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { objectAt, stringAt } from "../../../src/core/kube_object.ts";
import { ARGOCD_SYNC_OPTIONS_ANNOTATION, FORMER_SYNC_OPTIONS_ANNOTATION } from "../../../src/core/names.ts";
import { MANIFEST } from "../../../src/demo/stage.ts";
import type { Run } from "../suite.ts";
import type { World } from "../world.ts";
import {
  bumped,
  type FaultyApplier,
  LOAD_PER_SECOND,
  LOOK_EVERY_MS,
  push,
  type Story,
  TARGET,
} from "./engine_scene.ts";
import { appliedTip, promoted } from "./engine_stories.ts";

const NONE = "none";
const OWN = "Validate=false";
const NO_PRUNE = "Prune=false";

export async function syncOptions({ checks }: Run, world: World, applier: FaultyApplier): Promise<void> {
  const story = { world, applier };
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("the fence keeps the target from being pruned, and nothing of that is left", async () => {
    const { seen } = await watched(story, "6.0.3", await bumped(story, "6.0.3"));
    deepStrictEqual(seen, [NONE, NO_PRUNE, NONE]);
  });
  await checks.check("sync options that the manifest declares are there afterwards", async () => {
    const [text] = Object.values(await bumped(story, "6.0.4"));
    ok(typeof text === "string" && text.includes("\n  labels:\n"));
    const own = text.replace(
      "\n  labels:\n",
      `\n  annotations:\n    ${ARGOCD_SYNC_OPTIONS_ANNOTATION}: ${OWN}\n  labels:\n`,
    );
    const { seen, forMs } = await watched(story, "6.0.4", { [MANIFEST]: own });
    deepStrictEqual([seen.at(-1), seen.includes(`${OWN},${NO_PRUNE}`)], [OWN, true], seen.join());
    await push(story, "No sync options", { [MANIFEST]: text });
    await appliedTip(applier);
    strictEqual(await options(world), NONE);
    return `${seen.join(", then ")}; ours for ${(forMs / 1000).toFixed(1)} s, until self-heal took it for drift`;
  });
  await load.stop();
}

/** What the target's sync options said, one after the other, from a bump to its promotion; and for how long ours stood. */
async function watched(
  story: Story,
  version: string,
  change: Readonly<Record<string, string | null>>,
): Promise<{ readonly seen: readonly string[]; readonly forMs: number }> {
  const { world } = story;
  const end = new AbortController();
  const seen = [await options(world)];
  let forMs = 0;
  const looking = (async () => {
    let before = machineClock.now();
    while (!end.signal.aborted) {
      const now = await options(world);
      const at = machineClock.now();
      if (now !== seen.at(-1)) seen.push(now);
      if (now.endsWith(NO_PRUNE)) forMs += at - before;
      before = at;
      await machineClock.sleep(LOOK_EVERY_MS, end.signal).catch(() => {});
    }
  })();
  try {
    await push(story, `Bump podinfo to ${version}`, change);
    await promoted(world, version);
  } finally {
    end.abort();
    await looking;
  }
  const annotations = objectAt(await world.plane.cluster.live(TARGET), "metadata", "annotations");
  strictEqual(annotations[FORMER_SYNC_OPTIONS_ANNOTATION], undefined);
  return { seen, forMs };
}

async function options({ plane }: World): Promise<string> {
  const annotations = objectAt(await plane.cluster.live(TARGET), "metadata", "annotations");
  return stringAt(annotations, ARGOCD_SYNC_OPTIONS_ANNOTATION) ?? NONE;
}
