/**
 * One fault of each kind in the middle of a rollout, on real servers and under load: the outcome is what a user would
 * want, and nothing is lost. The other rows of each kind are suites of their own, for `--all`.
 */
import { strictEqual } from "node:assert/strict";
import { CANARY } from "../../../src/demo/stage.ts";
import { openGate } from "../../support/fault_stage.ts";
import {
  decisionsOf,
  ended,
  type FaultStage,
  holdAtHalf,
  nothingLost,
  openFaultStage,
  promotedTo,
  remembers,
  rests,
  stateOf,
  usersOf,
} from "../fault_stage.ts";
import { fleetFiles } from "../fleet.ts";
import type { Checks, Suite } from "../suite.ts";
import { CLOCK_APPS, CLOCK_BEHAVIOURS, clockForward } from "./faults_clock.ts";
import { lockDeleted } from "./faults_git.ts";
import { HAND_ROWS, handStories } from "./faults_hand.ts";
import { frozenLeader, leaderKilled, PAIR_APPS, SECOND } from "./faults_leader.ts";
import { envoyFrozen, etcdCompacted, gitHangs, prometheusFrozen } from "./faults_servers.ts";

const HAND = HAND_ROWS.filter(({ app }) => app === "primary-deleted" || app === "route-edited");
const APPS = ["killed", "compacted", "slow-git", "slow-git-bad", "gone", ...HAND.map(({ app }) => app)];
const WITH_ORDERS = "test/e2e/agent_main.ts";

export const faults: Suite = {
  name: "faults",
  about: "one fault of each kind in the middle of a rollout: agent, leader, clock, servers, Git, hands",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run({ checks, ...run }) {
    const names = [...APPS, ...PAIR_APPS, ...CLOCK_APPS];
    const options = { files: await fleetFiles(), behaviours: CLOCK_BEHAVIOURS };
    const stage = await openFaultStage({ ...run, checks }, names, options);
    try {
      await remembers(stage, CANARY.name, "is initialised", ended("initialised"));
      await agentKilled(stage, checks, "killed");
      await etcdCompacted(stage, checks);
      // Nobody else's checks ask Prometheus.
      await Promise.all([
        prometheusFrozen(stage, checks, { from: "6.0.0", to: "6.0.1" }),
        besidePrometheus(stage, checks),
      ]);
      await envoyFrozen(stage, checks, { from: "6.0.1", to: "6.0.2" });
      const first = stage.world.agent;
      const second = await stage.world.startAgent("", { ...SECOND, entry: WITH_ORDERS });
      await leaderKilled(stage, checks, first);
      await clockForward(stage, checks);
      await second.order({ offsetMs: 0 });
      await frozenLeader(stage, checks, second);
    } finally {
      await stage.close();
    }
  },
};

async function besidePrometheus(stage: FaultStage, checks: Checks): Promise<void> {
  await gitHangs(stage, checks);
  await holdAtHalf(stage, "2.0.0", "gone");
  await lockDeleted(stage, checks, "gone");
  await handStories(stage, checks, HAND);
}

async function agentKilled(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check("the agent is killed and started again: the same rollout goes on and is promoted", async () => {
    const load = usersOf(stage, app);
    await holdAtHalf(stage, "2.0.0", app);
    const run = (await stateOf(stage, app))?.run?.id;
    await stage.world.agent.running.kill();
    openGate(stage, app);
    await stage.world.startAgent();
    const { last } = await remembers(stage, app, "is promoted", promotedTo("2.0.0"));
    strictEqual(last?.run, run, "the same rollout");
    strictEqual((await decisionsOf(stage, app)).length, 2);
    await rests(stage, app, "2.0.0");
    return await nothingLost([load]);
  });
}
