/**
 * Two agents, one of which leads. The leader is killed: the other goes on with the same rollout. The leader is frozen past
 * its Lease, with writes that had passed all its checks, and woken: the audit log has their 409, and nothing has changed.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import { openGate } from "../../support/fault_stage.ts";
import { until } from "../../support/until.ts";
import { HELD } from "../agent_main.ts";
import {
  decisionsOf,
  each,
  type FaultStage,
  holdAtHalf,
  live,
  nothingLost,
  promotedTo,
  remembers,
  rests,
  stateOf,
  usersOf,
  weightOf,
} from "../fault_stage.ts";
import { leaseOf, writesOf } from "../lease.ts";
import type { InstalledAgent } from "../servers/agent.ts";
import type { Checks } from "../suite.ts";

/** Each is named after its write that is on the way when the leader freezes. */
const HOLDS = [
  { app: "held-route", hold: "PATCH .*/httproutes/held-route$", write: "patch httproutes/held-route" },
  { app: "held-scale", hold: "PATCH .*/deployments/held-scale(/scale)?$", write: "patch deployments/held-scale" },
  { app: "held-state", hold: "PUT .*/configmaps/serin-held-state$", write: "update configmaps/serin-held-state" },
  {
    app: "held-primary",
    hold: "PATCH .*/deployments/held-primary-primary$",
    write: "patch deployments/held-primary-primary",
  },
] as const;
const HELD_APPS = HOLDS.map(({ app }) => app);

export const PAIR_APPS: readonly string[] = ["pair", ...HELD_APPS];
export const PUSH_APP = "held-push";

export const SECOND = { pod: "serin-1", port: 8091 };
/** A Lease lasts 15 s, and is looked at every 5 s. */
const TAKEOVER_MS_MAX = 40_000;

export async function leaderStories(stage: FaultStage, checks: Checks): Promise<void> {
  const first = stage.world.agent;
  const second = await stage.world.startAgent("", SECOND);
  const loads = PAIR_APPS.map((app) => usersOf(stage, app));
  await leaderKilled(stage, checks, first);
  await frozenLeader(stage, checks, second);
  await frozenPush(stage, checks, stage.world.agent);
  await checks.check("no request was lost while leaders came and went", () => nothingLost(loads));
}

/** One of two is killed, the one that leads. */
export async function leaderKilled(stage: FaultStage, checks: Checks, leader: InstalledAgent): Promise<void> {
  await checks.check("the leader is killed: the other one goes on with the same rollout", async () => {
    await holdAtHalf(stage, "2.0.0", "pair");
    const run = (await stateOf(stage, "pair"))?.run?.id;
    const { holder } = await leaseOf(stage);
    const killedMs = machineClock.monotonic();
    await leader.running.kill();
    await until(
      "the other one leads",
      async () => (await leaseOf(stage)).holder !== holder || await pause(),
      TAKEOVER_MS_MAX,
    );
    const seconds = (machineClock.monotonic() - killedMs) / 1000;
    strictEqual(await weightOf(stage, "pair"), 50);
    openGate(stage, "pair");
    const { last } = await remembers(stage, "pair", "is promoted", promotedTo("2.0.0"));
    strictEqual(last?.run, run, "the same rollout");
    await rests(stage, "pair", "2.0.0");
    return `the other one leads after ${seconds.toFixed(0)} s`;
  });
}

/** The leader, which takes orders, is frozen with its writes past all checks; the other one is started here. */
export async function frozenLeader(stage: FaultStage, checks: Checks, leader: InstalledAgent): Promise<void> {
  await checks.check(
    "the leader is frozen over its Lease with writes on the way, and woken: each gets a 409",
    async () => {
      const { holder } = await leaseOf(stage);
      const next = holder === SECOND.pod ? {} : SECOND;
      await stage.world.startAgent("", next);
      await holdAtHalf(stage, "2.0.0", ...HELD_APPS);
      await leader.order({ hold: HOLDS.map(({ hold }) => hold) });
      openGate(stage, ...HELD_APPS);
      await until(
        "its writes are on the way",
        async () => await heldCount(leader) >= HOLDS.length || await pause(),
        14_000,
      );
      leader.running.signal("SIGSTOP");
      await until(
        "another one leads",
        async () => (await leaseOf(stage)).holder !== holder || await pause(),
        TAKEOVER_MS_MAX,
      );
      await each(HELD_APPS, (app) => remembers(stage, app, "is promoted by the other one", promotedTo("2.0.0")));
      for (const app of HELD_APPS) {
        await rests(stage, app, "2.0.0");
      }
      await holdAtHalf(stage, "3.0.0", ...HELD_APPS);
      const [before, wokenMs] = [await left(stage), machineClock.now()];
      leader.running.signal("SIGCONT");
      const late = async () =>
        (await writesOf(stage.world.plane.auditLog, leader.credential)).filter(({ atMs }) => atMs >= wokenMs);
      const answered = async () => {
        const writes = await late();
        return HOLDS.every(({ write }) => writes.some(({ what }) => what.startsWith(write))) || await pause();
      };
      await until("what it held is answered", answered, 20_000);
      // It looks at the Lease every 5 s: whatever else it has in mind, it has tried it by then.
      await machineClock.sleep(6_000);
      const writes = await late();
      deepStrictEqual(writes.filter(({ code }) => code !== 409), [], "nothing it sent took effect");
      deepStrictEqual(await left(stage), before, "nothing has changed");
      openGate(stage, ...HELD_APPS);
      await each(HELD_APPS, (app) => remembers(stage, app, "is promoted", promotedTo("3.0.0")));
      for (const app of HELD_APPS) {
        deepStrictEqual(
          (await decisionsOf(stage, app)).slice(1),
          ["2.0.0", "3.0.0"].map((tag) => `Promote demo/${app} to ${app}:${tag}`),
        );
      }
      ok((await leaseOf(stage)).holder !== holder);
      return writes.map(({ what, code }) => `${what} ${code}`).join(", ");
    },
  );
}

/** The same with a push on the way; the other one stands by already. */
async function frozenPush(stage: FaultStage, checks: Checks, leader: InstalledAgent): Promise<void> {
  await checks.check("the leader is frozen with a push on the way, and woken: Git does not take it", async () => {
    const { world } = stage;
    const { holder } = await leaseOf(stage);
    const before = await heldCount(leader);
    await holdAtHalf(stage, "2.0.0", PUSH_APP);
    await leader.order({ hold: ["POST .*/git-receive-pack$"] });
    openGate(stage, PUSH_APP);
    await until("its push is on the way", async () => await heldCount(leader) > before || await pause(), 14_000);
    leader.running.signal("SIGSTOP");
    await until(
      "another one leads",
      async () => (await leaseOf(stage)).holder !== holder || await pause(),
      TAKEOVER_MS_MAX,
    );
    await remembers(stage, PUSH_APP, "is promoted by the other one", promotedTo("2.0.0"));
    await holdAtHalf(stage, "3.0.0", PUSH_APP);
    const [tip, pushes] = [await world.git.tip(REPOSITORY), pushesOf(stage)];
    leader.running.signal("SIGCONT");
    await until("its push is answered", async () => pushesOf(stage) > pushes || await pause(), 20_000);
    await machineClock.sleep(6_000);
    strictEqual(await world.git.tip(REPOSITORY), tip, "the branch did not move");
    openGate(stage, PUSH_APP);
    await remembers(stage, PUSH_APP, "is promoted", promotedTo("3.0.0"));
    const wanted = ["2.0.0", "3.0.0"].map((tag) => `Promote demo/${PUSH_APP} to ${PUSH_APP}:${tag}`);
    deepStrictEqual((await decisionsOf(stage, PUSH_APP)).slice(1), wanted);
  });
}

function pushesOf({ world }: FaultStage): number {
  return world.git.requests.get(`POST /${REPOSITORY}.git/git-receive-pack`) ?? 0;
}

async function pause(): Promise<false> {
  await machineClock.sleep(200);
  return false;
}

async function heldCount(agent: InstalledAgent): Promise<number> {
  const log = await Deno.readTextFile(agent.running.logFile);
  return log.split("\n").filter((line) => line.includes(`"${HELD}"`)).length;
}

/** Versions of all that a late write could change, and what is remembered. */
async function left(stage: FaultStage): Promise<unknown> {
  return await Promise.all(HELD_APPS.map(async (app) => {
    const objects = [
      await live(stage, "gateway.networking.k8s.io/v1", "HTTPRoute", app),
      await live(stage, "apps/v1", "Deployment", app),
      await live(stage, "apps/v1", "Deployment", `${app}-primary`),
    ];
    const state = await stateOf(stage, app);
    return [
      app,
      await weightOf(stage, app),
      state?.run?.id,
      state?.epoch,
      ...objects.map((one) => one?.metadata.generation),
    ];
  }));
}
