/**
 * The agent's wall clock is set by an hour, forward and back, in the middle of rollouts: no deadline ends early and none
 * is put off, checks go on, the Lease is kept, and the rollout ends as it would have.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import type { Behaviour } from "../../../src/sandbox/apps/behaviour.ts";
import { imageOf } from "../../support/app_files.ts";
import { closeGate, openGate } from "../../support/fault_stage.ts";
import { until } from "../../support/until.ts";
import {
  atHalf,
  bump,
  each,
  type FaultStage,
  holdAtHalf,
  nothingLost,
  promotedTo,
  remembers,
  rests,
  stateOf,
  usersOf,
} from "../fault_stage.ts";
import { leaseOf } from "../lease.ts";
import type { Checks } from "../suite.ts";

/** One is at half when the clock is set; the other one's pods are still coming. */
export const CLOCK_APPS = ["early", "late"] as const;

const HOUR_MS = 3_600_000;
/** Long enough to set the clock in, well within the deadline of a minute. */
const STARTUP_MS = 8_000;
/** An interval of the analysis is 2 s. */
const CHECKED_MS_MAX = 8_000;
/** Of a rollout from half to its end, undisturbed: a few seconds. */
const ENDS_MS_MAX = 40_000;

export const CLOCK_BEHAVIOURS: Readonly<Record<string, Partial<Behaviour>>> = Object.fromEntries(
  ["2.0.0", "3.0.0", "4.0.0"].map((tag) => [imageOf("late", tag), { startupMs: STARTUP_MS }]),
);

export async function clockStories(stage: FaultStage, checks: Checks): Promise<void> {
  const loads = CLOCK_APPS.map((app) => usersOf(stage, app));
  await checks.check(
    "the clock is set forward by an hour: no deadline ends early",
    () => story(stage, "2.0.0", HOUR_MS),
  );
  await checks.check("the clock is set back by an hour: nothing waits for it", () => story(stage, "3.0.0", 0));
  await checks.check("the clock is set back by another hour", () => story(stage, "4.0.0", -HOUR_MS));
  await stage.world.agent.order({ offsetMs: 0 });
  await checks.check("no request was lost while clocks were set", () => nothingLost(loads));
}

export async function clockForward(stage: FaultStage, checks: Checks): Promise<void> {
  await checks.check(
    "the clock is set forward by an hour: no deadline ends early",
    () => story(stage, "2.0.0", HOUR_MS),
  );
}

async function story(stage: FaultStage, tag: string, offsetMs: number): Promise<string> {
  const lease = await leaseOf(stage);
  await holdAtHalf(stage, tag, "early");
  closeGate(stage, "late");
  await bump(stage, tag, "late");
  await remembers(stage, "late", `begins ${tag}`, ({ phase, run }) => phase === "starting" && run !== null);
  await machineClock.sleep(3_000);
  const runs = await runsOf(stage);
  const checked = (): number => stage.hooks.on("/early/check").length;
  await stage.world.agent.order({ offsetMs });
  const setMs = machineClock.monotonic();
  const before = checked();
  await until("checks go on", () => checked() >= before + 2, CHECKED_MS_MAX);
  await remembers(stage, "late", "is at half", atHalf, STARTUP_MS + ENDS_MS_MAX);
  deepStrictEqual(await runsOf(stage), runs, "the same rollouts go on");
  openGate(stage, ...CLOCK_APPS);
  await each(CLOCK_APPS, (app) => remembers(stage, app, `is promoted to ${tag}`, promotedTo(tag), ENDS_MS_MAX));
  for (const app of CLOCK_APPS) await rests(stage, app, tag);
  const { holder, epoch } = await leaseOf(stage);
  deepStrictEqual([holder, epoch], [lease.holder, lease.epoch], "the Lease was kept");
  const tookMs = machineClock.monotonic() - setMs;
  ok(tookMs < STARTUP_MS + 2 * ENDS_MS_MAX);
  return `both promoted ${(tookMs / 1000).toFixed(0)} s after it`;
}

async function runsOf(stage: FaultStage): Promise<readonly unknown[]> {
  return await Promise.all(CLOCK_APPS.map(async (app) => (await stateOf(stage, app))?.run?.id));
}
