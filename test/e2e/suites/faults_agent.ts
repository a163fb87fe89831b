/**
 * The agent itself fails in the middle of rollouts: killed again and again at moments that a seed picks, killed or frozen
 * as the leader of two, with writes on their way, and with its clock set. Nothing is lost, and nothing is done twice.
 */
import { deepStrictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import type { Phase, State } from "../../../src/core/state.ts";
import type { Load } from "../../../src/sandbox/load/load_generator.ts";
import { closeGate, openGate } from "../../support/fault_stage.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import { isSound } from "../../support/fsck.ts";
import { until } from "../../support/until.ts";
import { type Dice, seededDice } from "../../sim/dice.ts";
import {
  bump,
  decisionsOf,
  each,
  type FaultStage,
  nothingLost,
  openFaultStage,
  remembers,
  rests,
  stateOf,
  usersOf,
} from "../fault_stage.ts";
import { leaseOf } from "../lease.ts";
import type { Checks, Suite } from "../suite.ts";
import { CLOCK_APPS, CLOCK_BEHAVIOURS, clockStories } from "./faults_clock.ts";
import { leaderStories, PAIR_APPS, PUSH_APP } from "./faults_leader.ts";

const KILLS = 10;
const KILLED_APPS = ["ada", "bea", "cat", "dot"] as const;
/** Phases in which an agent is killed. */
const PHASES: readonly Phase[] = [
  "starting",
  "progressing",
  "waiting-promotion",
  "pushing",
  "promoting",
  "finalising",
  "rolling-back",
  "reverting",
];
const AFTER_GATE: readonly Phase[] = ["pushing", "promoting", "finalising"];

export const faultsAgent: Suite = {
  name: "faults-agent",
  about: "ten seeded kills; two agents, the leader killed, frozen and woken; the clock set by an hour both ways",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  tier: "all",
  async run(run) {
    const names = [...KILLED_APPS, ...PAIR_APPS, PUSH_APP, ...CLOCK_APPS];
    const stage = await openFaultStage(run, names, {
      replica: { entry: "test/e2e/agent_main.ts" },
      behaviours: CLOCK_BEHAVIOURS,
    });
    try {
      await kills(stage, run.checks);
      await clockStories(stage, run.checks);
      await leaderStories(stage, run.checks);
    } finally {
      await stage.close();
    }
  },
};

/** What became of each application's releases. */
interface Releases {
  readonly app: string;
  readonly load: Load;
  /** Decisions that Git must have, in this order. */
  readonly decided: string[];
  /** Tag that users are on. */
  tag: string;
  next: number;
}

/** The seed is the run's own unless E2E_SEED has one to be told again. */
function seedOfRun(): number {
  const text = Deno.env.get("E2E_SEED");
  return text === undefined ? Math.floor(machineClock.random() * 1_000_000) : Number(text);
}

async function kills(stage: FaultStage, checks: Checks): Promise<void> {
  const seed = seedOfRun();
  const dice = seededDice(seed);
  const all: readonly Releases[] = KILLED_APPS.map((app) => ({
    app,
    load: usersOf(stage, app),
    decided: [],
    tag: "1.0.0",
    next: 2,
  }));
  const met: string[] = [];
  await checks.check(`${KILLS} kills of the agent while canaries stand in all phases, seed ${seed}`, async () => {
    for (const phase of phasesOf(dice)) met.push(await killOnce(stage, all, phase, dice));
    return `E2E_SEED=${seed}: ${met.join("; ")}`;
  });
  await checks.check(
    "after ten kills each release was promoted or reverted once, and users rest on the last",
    async () => {
      openGate(stage, ...KILLED_APPS);
      await each(KILLED_APPS, (app) => remembers(stage, app, "is at rest", ({ phase }) => phase === "idle", 120_000));
      for (const one of all) {
        deepStrictEqual((await decisionsOf(stage, one.app)).slice(1), one.decided);
        await rests(stage, one.app, one.tag);
      }
      await isSound(stage.world.git.path(REPOSITORY));
      return all.map(({ app, decided }) => `${app} ${decided.length} decisions`).join(", ");
    },
  );
  await checks.check("no request was lost in ten kills", () => nothingLost(all.map(({ load }) => load)));
}

/** Each phase at least once, in an order of the seed's. */
function phasesOf(dice: Dice): readonly Phase[] {
  const rest = [...PHASES, ...Array.from({ length: KILLS - PHASES.length }, () => dice.pick(PHASES))];
  const order: Phase[] = [];
  while (rest.length > 0) order.push(...rest.splice(dice.int(0, rest.length - 1), 1));
  return order;
}

/** Brings one into a phase while the others stand where they are, and kills the agent a moment later. */
async function killOnce(
  stage: FaultStage,
  all: readonly Releases[],
  phase: Phase,
  dice: Dice,
): Promise<string> {
  const [one, afterMs] = [dice.pick(all), dice.int(0, 800)];
  openGate(stage, one.app);
  await remembers(stage, one.app, "is at rest", (state) => state.phase === "idle");
  for (const other of all) {
    const isIdle = (await stateOf(stage, other.app))?.phase === "idle";
    if (other !== one && isIdle && dice.chance(0.5)) await release(stage, other, "waiting-promotion");
  }
  await release(stage, one, phase);
  const met = await meets(stage, one.app, phase);
  await machineClock.sleep(afterMs);
  const stood = await Promise.all(all.map(async ({ app }) => `${app} ${(await stateOf(stage, app))?.phase}`));
  const { epoch } = await leaseOf(stage);
  await stage.world.agent.running.kill();
  await machineClock.sleep(dice.int(0, 3_000));
  await stage.world.startAgent();
  // It lets the Lease of the one that was killed run out: names of pods may be used twice.
  const leads = async () => (await leaseOf(stage)).epoch > epoch || (await machineClock.sleep(200), false);
  await until("it leads again", leads, 40_000);
  return `${phase}${met ? "" : " (missed)"} of ${one.app} +${afterMs} ms (${stood.join(", ")})`;
}

/** Bumps one that is idle to a release that comes into a phase: one that fails, for those of a rollback. */
async function release(stage: FaultStage, one: Releases, phase: Phase): Promise<void> {
  const { app } = one;
  const tag = `${one.next++}.0.0`;
  const fails = phase === "rolling-back" || phase === "reverting";
  stage.hooks.reply(`/${app}/check`, { status: fails ? 500 : 200 });
  if (AFTER_GATE.includes(phase)) openGate(stage, app);
  else closeGate(stage, app);
  one.decided.push(fails ? `Revert demo/${app} to ${app}:${one.tag}` : `Promote demo/${app} to ${app}:${tag}`);
  if (!fails) one.tag = tag;
  await bump(stage, tag, app);
}

/** Whether a phase was met before the rollout was over. */
async function meets(stage: FaultStage, app: string, phase: Phase): Promise<boolean> {
  const before = await stateOf(stage, app);
  let state: State | undefined;
  await until(`${app} comes into ${phase}`, async () => {
    state = await stateOf(stage, app);
    return state?.phase === phase || (state?.phase === "idle" && state.last?.run !== before?.last?.run);
  }, 40_000);
  return state?.phase === phase;
}
