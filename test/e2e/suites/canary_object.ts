/**
 * The Canary object in the cluster, edited and deleted by hand in the middle of a rollout, beside an engine: the agent
 * reads Git and nothing else, so no traffic moves for it, and the engine puts the object back.
 */
import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { at, type KubeObject } from "../../../src/core/kube_object.ts";
import { CANARY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { until } from "../../support/until.ts";
import { callApi } from "../../wire/api_case.ts";
import type { Checks } from "../suite.ts";
import { LOOK_EVERY_MS, midway, routeWeight, type Story } from "./engine_scene.ts";
import { promoted } from "./engine_stories.ts";

const OBJECT = { apiVersion: "serin.dev/v1", kind: "Canary", ...CANARY };
const PATH = `/apis/serin.dev/v1/namespaces/${CANARY.namespace}/canaries/${CANARY.name}?fieldManager=kubectl-edit`;

/** Flux applies every 10 s here; Argo CD heals as soon as it has seen it. */
const PUT_BACK_MS_MAX = 60_000;

/** Were it read by the agent, the rollout would stop: nothing above 1 %, and no failed check is borne. */
const EDIT = { spec: { analysis: { stepWeights: [1], threshold: 1 } } };

export async function canaryObject(story: Story, checks: Checks): Promise<void> {
  await checks.check("the Canary in the cluster is edited by hand: the engine puts it back, no traffic moves", () => {
    return byHand(story, "6.1.40", "PATCH");
  });
  await checks.check("the Canary in the cluster is deleted by hand: the engine puts it back, no traffic moves", () => {
    return byHand(story, "6.1.41", "DELETE");
  });
}

async function byHand(story: Story, version: string, method: "PATCH" | "DELETE"): Promise<string> {
  const { world } = story;
  const before = await midway(story, version);
  const declared = await live(story);
  const fromMs = machineClock.now();
  const patching = { contentType: "application/merge-patch+json", body: EDIT };
  const deleting = { body: { propagationPolicy: "Background" } };
  const answer = await callApi(world.plane.admin, {
    method,
    path: PATH,
    ...(method === "PATCH" ? patching : deleting),
  });
  strictEqual(answer.status, 200);
  if (method === "PATCH") notStrictEqual(specOf(answer.body), specOf(declared), "the edit has changed it");
  const isNew = (object: KubeObject | undefined): boolean =>
    method === "PATCH" || at(object, "metadata", "uid") !== at(declared, "metadata", "uid");
  const putBack = async (): Promise<number> => {
    await until("the engine has put it back", async () => {
      const now = await live(story);
      const isBack = now !== undefined && isNew(now) && specOf(now) === specOf(declared);
      return isBack || (await machineClock.sleep(LOOK_EVERY_MS), false);
    }, PUT_BACK_MS_MAX);
    return machineClock.now();
  };
  const [backMs, seen] = await Promise.all([putBack(), rising(story, before)]);
  await promoted(world, version);
  return `put back after ${((backMs - fromMs) / 1000).toFixed(1)} s; shares were ${seen.join(", ")} %`;
}

/** Shares in the live route up to the last step: they only rise, as Git declares them, in the same rollout. */
async function rising({ world }: Story, before: CanaryDetail): Promise<readonly number[]> {
  const weights: number[] = [];
  await until("60 %", async () => {
    const view = await world.agent.canary(CANARY.namespace, CANARY.name);
    const { candidate, failedChecks } = before;
    deepStrictEqual({ candidate: view?.candidate, failedChecks: view?.failedChecks }, { candidate, failedChecks });
    const weight = await routeWeight(world);
    if (weight !== weights.at(-1)) weights.push(weight);
    return weight === 60 || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, PUT_BACK_MS_MAX);
  // The view may be ahead of the route by a write.
  deepStrictEqual(weights[0] === 10 ? weights.slice(1) : weights, [30, 60]);
  return weights;
}

async function live({ world }: Story): Promise<KubeObject | undefined> {
  return await world.plane.cluster.live(OBJECT);
}

function specOf(object: unknown): string {
  return JSON.stringify(at(object, "spec"));
}
