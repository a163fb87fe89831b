/** What a paused Deployment holds up beside Argo CD, measured: the application's health, and later sync waves. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { until } from "../../support/until.ts";
import type { ArgoCd } from "../servers/argocd.ts";
import type { Run } from "../suite.ts";
import type { World } from "../world.ts";
import { initialised, promoted } from "./engine_stories.ts";

const LOOK_EVERY_MS = 100;
const LOAD_PER_SECOND = 40;

function inWave(name: string, wave: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
  namespace: ${CANARY.namespace}
  annotations:
    argocd.argoproj.io/sync-wave: "${wave}"
`;
}

export async function syncWaves(
  { checks }: Run,
  world: World,
  argocd: ArgoCd & { readonly nudge: () => Promise<void> },
): Promise<void> {
  const isThere = async (name: string): Promise<boolean> =>
    await world.plane.cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace: CANARY.namespace, name }) !==
      undefined;
  const appears = async (name: string): Promise<number> => {
    await until(`ConfigMap ${name} is there`, async () => {
      return await isThere(name) || (await machineClock.sleep(LOOK_EVERY_MS), false);
    }, 150_000);
    return machineClock.now();
  };
  await checks.check("while a share is on, the application is Suspended and later sync waves wait", async () => {
    await initialised(world);
    const load = world.load(LOAD_PER_SECOND);
    const text = await world.git.read(REPOSITORY, MANIFEST) ?? "";
    const change = { [MANIFEST]: text.replace(":6.0.0", ":6.0.1") };
    await world.git.commit(REPOSITORY, change, { message: "Bump podinfo to 6.0.1" });
    await argocd.nudge();
    await world.see("at 10 %", ({ weight }) => weight === 10);
    const files = { "apps/early.yaml": inWave("early", -1), "apps/later.yaml": inWave("later", 1) };
    const pushedMs = machineClock.now();
    await world.git.commit(REPOSITORY, files, { message: "Add two ConfigMaps" });
    await argocd.nudge();
    const earlyMs = await appears("early");
    await world.see("at 60 %", ({ weight }) => weight === 60);
    ok(!await isThere("later"), "the later wave did not wait");
    const held = await argocd.application();
    const [health, operation, message] = [
      stringAt(held, "status", "health", "status"),
      stringAt(held, "status", "operationState", "phase"),
      stringAt(held, "status", "operationState", "message"),
    ];
    strictEqual(health, "Suspended");
    strictEqual(operation, "Running", message ?? "");
    await promoted(world, "6.0.1");
    const promotedMs = machineClock.now();
    const laterMs = await appears("later");
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200).slice(0, 5), []);
    const seconds = (ms: number): string => ((ms - pushedMs) / 1000).toFixed(1);
    return `health ${health}, operation ${operation} (${message}); the earlier wave after ${seconds(earlyMs)} s, ` +
      `the promotion after ${seconds(promotedMs)} s, the later wave after ${seconds(laterMs)} s`;
  });
  await checks.check("the next rollout says what it holds up", async () => {
    const load = world.load(LOAD_PER_SECOND);
    const text = await world.git.read(REPOSITORY, MANIFEST) ?? "";
    const change = { [MANIFEST]: text.replace(":6.0.1", ":6.0.2") };
    await world.git.commit(REPOSITORY, change, { message: "Bump podinfo to 6.0.2" });
    await argocd.nudge();
    const view = await world.see("at 10 %", ({ weight }) => weight === 10);
    const told = view.events.map(({ message }) => message).find((message) => message.includes("later sync waves"));
    match(told ?? "", /^Application "fleet" syncs ConfigMap "later" in later sync waves/);
    await promoted(world, "6.0.2");
    await load.stop();
    return told ?? "";
  });
}
