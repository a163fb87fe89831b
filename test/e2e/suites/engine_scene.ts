/** What the stories of an engine's faults share: the scene, a commit on the tip, a rollout at one of its steps. */
import { machineClock } from "../../../adapters/platform/clock.ts";
import { listAt, numberAt, type ObjectRef, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { until } from "../../support/until.ts";
import type { World } from "../world.ts";
import type { Applier } from "./engine_stories.ts";

export interface FaultyApplier extends Applier {
  /** Kills the engine and starts it again. */
  restart(): Promise<void>;
  /** Whether it says that it could not apply the tip. */
  hasFailed(): Promise<boolean>;
  /** How the agent tells people so. */
  readonly failure: RegExp;
  /** Whether ConfigMaps are kept as they are while a share is on. */
  readonly fencesConfigs: boolean;
}

export const LOAD_PER_SECOND = 40;
export const LOOK_EVERY_MS = 50;

export const CANARY_FILE = "apps/podinfo/canary.yaml";
export const TARGET = { apiVersion: "apps/v1", kind: "Deployment", ...CANARY };
export const PRIMARY = { ...TARGET, name: `${CANARY.name}-primary` };
export const ROUTE = { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", ...CANARY };

type Change = Readonly<Record<string, string | null>>;

export interface Story {
  readonly world: World;
  readonly applier: FaultyApplier;
}

/** Commits on the tip, and tells the engine as a forge would. */
export async function push({ world, applier }: Story, message: string, change: Change): Promise<void> {
  await world.git.commit(REPOSITORY, change, { message });
  await applier.nudge();
}

/** The manifest with another tag. */
export async function bumped({ world }: Story, to: string): Promise<Change> {
  const text = await world.git.read(REPOSITORY, MANIFEST) ?? "";
  return { [MANIFEST]: text.replace(/podinfo:[\w.-]+/, `podinfo:${to}`) };
}

/** A rollout of a version at its 30 % step. */
export async function midway(story: Story, version: string): Promise<CanaryDetail> {
  await push(story, `Bump podinfo to ${version}`, await bumped(story, version));
  return await story.world.see(
    `${version} at 30 %`,
    ({ weight, candidateImages }) => weight === 30 && candidateImages.some((image) => image.endsWith(`:${version}`)),
  );
}

/** Weight of the canary in the live route. */
export async function routeWeight({ plane }: World): Promise<number> {
  const route = await plane.cluster.live(ROUTE);
  const weights = listAt(route, "spec", "rules").flatMap((rule) => listAt(rule, "backendRefs"))
    .filter((backend) => stringAt(backend, "name") === `${CANARY.name}-canary`)
    .map((backend) => numberAt(backend, "weight") ?? 1);
  return Math.max(0, ...weights);
}

export async function gone({ world }: Story, ref: ObjectRef, timeoutMs = 60_000): Promise<void> {
  await until(`${ref.kind} ${ref.name} is gone`, async () => {
    return await world.plane.cluster.live(ref) === undefined || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, timeoutMs);
}
