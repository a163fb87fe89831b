/**
 * What goes wrong with an engine in the middle of a rollout: it cannot apply, it restarts, it prunes. None of it is the
 * release's fault, and none may cost users a request. Git is asked seldom: the agent hears of commits from the engine.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { numberAt, objectAt, type ObjectRef, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { until } from "../../support/until.ts";
import { askedByAgent } from "../audit.ts";
import { served } from "../shares.ts";
import type { Run } from "../suite.ts";
import type { World } from "../world.ts";
import { canaryObject } from "./canary_object.ts";
import { allLeaves, canaryComesBack, canaryLeaves, comesBack } from "./engine_leaves.ts";
import {
  bumped,
  type FaultyApplier,
  gone,
  LOAD_PER_SECOND,
  LOOK_EVERY_MS,
  midway,
  PRIMARY,
  push,
  routeWeight,
  type Story,
  TARGET,
} from "./engine_scene.ts";
import { appliedTip, images, promoted, shareOf } from "./engine_stories.ts";

/** So seldom that what is sooner came from the engine. */
export const SLOW_POLL = { pollInterval: "30s" } as const;

const INTERVAL_MS = 6_000;
/** Beside an engine whose ConfigMaps cannot be fenced: from the changed ConfigMap to a route without the canary. */
const CONFIG_LAG_MS_MAX = 3_000;
/** From traffic that is back to the engine's apply of what the fence held back. */
const CONFIG_LATE_MS_MAX = 15_000;

const REFUSED = "apps/podinfo/refused.yaml";
const REFUSED_MANIFEST = `apiVersion: v1
kind: ConfigMap
metadata:
  name: Refused_By_The_Server
  namespace: ${CANARY.namespace}
`;
const CONFIG_FILE = "apps/podinfo/config.yaml";
const CONFIG = { apiVersion: "v1", kind: "ConfigMap", ...CANARY };

export async function engineFaults({ checks }: Run, world: World, applier: FaultyApplier): Promise<void> {
  const story = { world, applier };
  await checks.check("at rest", async () => {
    await world.see("at rest", ({ phase, last }) => phase === "idle" && last !== null);
  });
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a bump that cannot be applied waits, and nothing is held against it", () => cannotApply(story));
  await checks.check(
    "an apply that fails in the middle of an analysis changes nothing of it",
    () => failsMidway(story),
  );
  await checks.check("the engine is killed and started in the middle, on a newer commit", () => restarts(story));
  await canaryObject(story, checks);
  await checks.check("a ConfigMap changes in the middle: traffic goes to the primary", () => configChanges(story));
  await checks.check("a ConfigMap leaves Git in the middle: gone once nothing is fenced", () => configLeaves(story));
  await checks.check("the Deployment leaves Git in the middle: no outage, and it is gone", () => targetLeaves(story));
  await checks.check("it comes back at what users are on: applied, at rest", () => targetComesBack(story));
  await checks.check("the Canary leaves Git in the middle: the primary stays and serves", () => canaryLeaves(story));
  await checks.check("it comes back: what waited is analysed and promoted", () => canaryComesBack(story));
  await load.stop();
  await checks.check("no request was lost, none failed", () => {
    const all = served(load.log);
    deepStrictEqual(all.lost.slice(0, 5), []);
    strictEqual(all.errors, 0);
    return `${all.requests} requests`;
  });
  await checks.check(
    "all of it leaves Git in the middle: nothing is left of it, its lock neither",
    () => allLeaves(story),
  );
  await checks.check("all of it comes back, newer: a first start", () => comesBack(story));
}

async function failed({ applier }: Story): Promise<void> {
  await until("the engine says that it has failed", async () => {
    return await applier.hasFailed() || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 90_000);
}

async function cannotApply(story: Story): Promise<string> {
  const { world, applier } = story;
  await push(story, "Bump podinfo to 6.1.1, and a mistake", {
    ...await bumped(story, "6.1.1"),
    [REFUSED]: REFUSED_MANIFEST,
  });
  await failed(story);
  const told = await world.see("told of the failure", ({ waitsFor }) => applier.failure.test(waitsFor ?? ""));
  const tip = await world.git.tip(REPOSITORY);
  await machineClock.sleep(2 * INTERVAL_MS);
  const later = await world.see("still there", () => true);
  for (const { weight, failedChecks, phase } of [told, later]) {
    deepStrictEqual({ weight, failedChecks, phase }, { weight: 0, failedChecks: 0, phase: "starting" });
  }
  strictEqual(await world.git.tip(REPOSITORY), tip, "nothing was written to Git");
  await push(story, "Mend the mistake", { [REFUSED]: null });
  await promoted(world, "6.1.1");
  return told.waitsFor?.slice(0, 220) ?? "";
}

async function failsMidway(story: Story): Promise<void> {
  const { world } = story;
  const before = await midway(story, "6.1.2");
  await push(story, "A mistake elsewhere", { [REFUSED]: REFUSED_MANIFEST });
  await failed(story);
  const seen = await world.see("60 %", ({ weight }) => weight === 60);
  deepStrictEqual([seen.candidate, seen.failedChecks], [before.candidate, 0]);
  await promoted(world, "6.1.2");
  await push(story, "Mend the mistake", { [REFUSED]: null });
  await appliedTip(story.applier);
}

async function restarts(story: Story): Promise<void> {
  const { world, applier } = story;
  await midway(story, "6.1.3");
  const restarted = applier.restart();
  await push(story, "Bump podinfo to 6.1.4", await bumped(story, "6.1.4"));
  await restarted;
  const shareless = await shareOf(world, "6.1.4");
  const running = await images(world);
  await promoted(world, "6.1.4");
  ok(shareless > 0 && running.some((image) => image.endsWith(":6.1.4")));
}

async function configChanges(story: Story): Promise<string> {
  const { world, applier } = story;
  await midway(story, "6.1.5");
  const config = await world.git.read(REPOSITORY, CONFIG_FILE) ?? "";
  await push(story, "Change the greeting", { [CONFIG_FILE]: config.replace(/greeting: .*/, "greeting: hello again") });
  let changedMs: number | undefined;
  let backMs: number | undefined;
  await until("the ConfigMap has changed and traffic is back", async () => {
    // The route is read last: what it said then was so after the ConfigMap had changed.
    const greeting = stringAt(objectAt(await world.plane.cluster.live(CONFIG), "data"), "greeting");
    if (greeting === "hello again") changedMs ??= machineClock.now();
    if (await routeWeight(world) === 0) backMs ??= machineClock.now();
    return changedMs !== undefined && backMs !== undefined || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 90_000);
  const lagMs = (backMs ?? 0) - (changedMs ?? 0);
  ok(lagMs <= (applier.fencesConfigs ? LOOK_EVERY_MS : CONFIG_LAG_MS_MAX), `${lagMs} ms after the ConfigMap`);
  // Otherwise the rollout that follows would be analysed with the old one.
  ok(-lagMs < CONFIG_LATE_MS_MAX, `the ConfigMap changed only ${-lagMs} ms after traffic was back`);
  await promoted(world, "6.1.5");
  return lagMs <= 0 ? `${-lagMs} ms before the ConfigMap changed` : `${lagMs} ms after the ConfigMap changed`;
}

/** Without the ConfigMap and what names it. */
async function configLeaves(story: Story): Promise<void> {
  const { world } = story;
  await midway(story, "6.1.6");
  const [manifest] = Object.values(await bumped(story, "6.1.7"));
  const without = (manifest ?? "").replace(/\n {10}env:[\s\S]*$/, "\n");
  ok(!without.includes("configMapKeyRef"));
  await push(story, "Bump podinfo to 6.1.7, without its ConfigMap", { [MANIFEST]: without, [CONFIG_FILE]: null });
  await promoted(world, "6.1.7");
  await gone(story, CONFIG);
  await deletedByUs(story, CONFIG);
}

/** What left Git behind a fence is ours to delete: Flux forgets it, Argo CD passes it over. No ConfigMap is fenced there. */
async function deletedByUs({ world, applier }: Story, ref: ObjectRef): Promise<void> {
  const asked = await askedByAgent(world.plane.auditLog);
  const ours = asked.filter(({ verb, name, resource, code }) =>
    verb === "delete" && name === ref.name && resource === `${ref.kind.toLowerCase()}s` && code < 300
  );
  const isFenced = ref.kind !== "ConfigMap" || applier.fencesConfigs;
  strictEqual(ours.length, isFenced ? 1 : 0, `${ref.kind} ${ref.name} was deleted by us`);
}

async function targetLeaves(story: Story): Promise<string> {
  const { world } = story;
  await midway(story, "6.1.8");
  const pushedMs = machineClock.now();
  await push(story, "Remove the Deployment", { [MANIFEST]: null });
  await until("traffic is back", async () => {
    // The target is read last: it was there when the route still had a share.
    const weight = await routeWeight(world);
    const target = await world.plane.cluster.live(TARGET);
    ok(target !== undefined && target.metadata.deletionTimestamp === undefined, `it is gone at weight ${weight}`);
    return weight === 0 || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 90_000);
  await gone(story, TARGET, 120_000);
  await deletedByUs(story, TARGET);
  const seconds = ((machineClock.now() - pushedMs) / 1000).toFixed(1);
  // Said a turn after the rollout's end, which may be seen before.
  const view = await world.see(
    "at rest, and says what is missing",
    ({ phase, weight, waitsFor }) => phase === "idle" && weight === 0 && /podinfo/.test(waitsFor ?? ""),
  );
  ok((numberAt(await world.plane.cluster.live(PRIMARY), "status", "readyReplicas") ?? 0) > 0);
  return `gone ${seconds} s after it left Git; ${view.last?.reason ?? ""} ${view.waitsFor ?? ""}`;
}

async function targetComesBack(story: Story): Promise<void> {
  const { world } = story;
  const lock = await world.see("a lock", ({ lockImages }) => lockImages.length > 0);
  const last = await world.clone.git("log", "-1", "--format=%H", "origin/main", "--", MANIFEST);
  await world.clone.pull();
  const left = (await world.clone.git("log", "-1", "--format=%H", "--diff-filter=D", "--", MANIFEST)).trim();
  const text = await world.clone.git("show", `${left}~1:${MANIFEST}`);
  ok(last !== "");
  await push(story, "Bring the Deployment back", {
    [MANIFEST]: text.replace(/registry\.example\/podinfo:[\w.-]+/, lock.lockImages[0] ?? ""),
  });
  await until("the target rests at no replicas", async () => {
    const live = await world.plane.cluster.live(TARGET);
    const rests = live !== undefined && numberAt(live, "spec", "replicas") === 0;
    return rests || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 60_000);
  const view = await world.see(
    "at rest",
    ({ phase, waitsFor, stalled }) => phase === "idle" && waitsFor === null && stalled === null,
  );
  strictEqual(view.candidate, view.lock);
}
