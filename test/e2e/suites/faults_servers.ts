/**
 * Servers around the agent fail in the middle of a rollout: etcd forgets what watches would go on from, Envoy and
 * Prometheus are frozen and killed, the Git server hangs. No share goes up on numbers that are not there, nobody's
 * repository is rewritten for an outage, and the rollout goes on afterwards.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY, MANIFEST } from "../../../src/demo/stage.ts";
import type { Load } from "../../../src/sandbox/load/load_generator.ts";
import { openGate } from "../../support/fault_stage.ts";
import { until } from "../../support/until.ts";
import { askedByAgent } from "../audit.ts";
import {
  byHand,
  decisionsOf,
  ended,
  type FaultStage,
  holdAtHalf,
  lostOf,
  nothingLost,
  openFaultStage,
  PATHS,
  promotedTo,
  remembers,
  rests,
  stateOf,
  usersOf,
  weightOf,
} from "../fault_stage.ts";
import { fleetFiles } from "../fleet.ts";
import { served } from "../shares.ts";
import type { Checks, Suite } from "../suite.ts";
import { setWeight } from "./faults_hand.ts";

const LOAD_PER_SECOND = 30;
/** A round of checks and a part of the next: three without numbers end the rollout. */
const FROZEN_MS = 10_000;
const ENDS_MS_MAX = 150_000;

export const faultsServers: Suite = {
  name: "faults-servers",
  about: "etcd compacted, Envoy and Prometheus frozen and killed, the Git server hanging, in the middle of a rollout",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  tier: "all",
  async run(run) {
    const { checks } = run;
    const stage = await openFaultStage(run, ["compacted", "slow-git", "slow-git-bad"], { files: await fleetFiles() });
    try {
      await remembers(stage, CANARY.name, "is initialised", ended("initialised"));
      await etcdCompacted(stage, checks);
      await gitHangs(stage, checks);
      await envoyFrozen(stage, checks, { from: "6.0.0", to: "6.0.1" });
      await envoyFrozenForLong(stage, checks, { from: "6.0.1", to: "6.0.2" });
      await envoyKilled(stage, checks, { from: "6.0.2", to: "6.0.3" });
      await prometheusKilled(stage, checks, { from: "6.0.3", to: "6.0.4" });
      await prometheusFrozen(stage, checks, { from: "6.0.4", to: "6.0.5" });
      await apiServerAway(stage, checks, { from: "6.0.5", to: "6.0.6" });
    } finally {
      await stage.close();
    }
  },
};

/** With the agent asleep meanwhile, all that its watches would go on from is gone when it wakes. */
export async function etcdCompacted(stage: FaultStage, checks: Checks): Promise<void> {
  const app = "compacted";
  const { world } = stage;
  await checks.check(
    "etcd is compacted and the API server killed: the agent lists anew and misses nothing",
    async () => {
      await holdAtHalf(stage, "2.0.0", app);
      const load = usersOf(stage, app);
      const run = (await stateOf(stage, app))?.run?.id;
      world.agent.running.signal("SIGSTOP");
      await setWeight(stage, app, 1);
      await byHand(stage, {
        method: "PATCH",
        path: PATHS.service(app),
        body: { spec: { selector: { app: "nobody" } } },
      });
      await world.plane.compact();
      await world.plane.restartApiServer(0);
      const wokenMs = machineClock.now();
      world.agent.running.signal("SIGCONT");
      const put = async () => await weightOf(stage, app) === 50 || (await machineClock.sleep(50), false);
      await until("what was edited meanwhile is put right", put, 20_000);
      const seconds = (machineClock.now() - wokenMs) / 1000;
      strictEqual((await stateOf(stage, app))?.run?.id, run, "the same rollout goes on");
      const listed = async () =>
        new Set(
          (await askedByAgent(world.plane.auditLog)).flatMap(({ atMs, verb, namespace, resource }) =>
            verb === "list" && namespace === null && atMs >= wokenMs ? [resource] : []
          ),
        );
      const anew = async () => (await listed()).size >= 4 || (await machineClock.sleep(200), false);
      await until("it has listed anew what it watches", anew, 20_000);
      openGate(stage, app);
      await remembers(stage, app, "is promoted", promotedTo("2.0.0"));
      await rests(stage, app, "2.0.0");
      await nothingLost([load]);
      return `put right ${seconds.toFixed(1)} s after it woke; listed anew: ${[...await listed()].join(", ")}`;
    },
  );
}

/** The Git server accepts and never answers. */
export async function gitHangs(stage: FaultStage, checks: Checks): Promise<void> {
  const [good, bad] = ["slow-git", "slow-git-bad"] as const;
  const loads = [good, bad].map((app) => usersOf(stage, app));
  await checks.check(
    "the Git server hangs: bad traffic goes back without it, what was decided lands after it",
    async () => {
      await holdAtHalf(stage, "2.0.0", good, bad);
      stage.world.git.faults.set({ hang: true });
      openGate(stage, good);
      stage.hooks.reply(`/${bad}/check`, { status: 500 });
      await remembers(stage, bad, "has its traffic back", ({ phase }) => phase === "reverting");
      strictEqual(await weightOf(stage, bad), 0);
      await remembers(stage, good, "waits for the push", ({ phase }) => phase === "pushing");
      strictEqual(await weightOf(stage, good), 50);
      await machineClock.sleep(3_000);
      stage.world.git.faults.set({});
      await remembers(stage, good, "is promoted", promotedTo("2.0.0"));
      await remembers(stage, bad, "is reverted", ended("failed"));
      deepStrictEqual((await decisionsOf(stage, good)).slice(1), [`Promote demo/${good} to ${good}:2.0.0`]);
      deepStrictEqual((await decisionsOf(stage, bad)).slice(1), [`Revert demo/${bad} to ${bad}:1.0.0`]);
      await rests(stage, good, "2.0.0");
      await rests(stage, bad, "1.0.0");
    },
  );
  await checks.check("no request was lost while Git hung", () => nothingLost(loads));
}

interface Bump {
  readonly from: string;
  readonly to: string;
}

/** Users of the demo; one whose request hangs gives up soon. */
function demoUsers({ world }: FaultStage): Load {
  return world.load(LOAD_PER_SECOND, { timeoutMs: 2_000 });
}

async function toTen({ world }: FaultStage, { from, to }: Bump): Promise<void> {
  await world.clone.pull();
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
  await world.see(`${to} at 10 %`, ({ weight, phase }) => weight === 10 && phase === "progressing");
}

async function promoted(stage: FaultStage, { to }: Bump): Promise<void> {
  const { world } = stage;
  await remembers(stage, CANARY.name, `is promoted to ${to}`, promotedTo(to), ENDS_MS_MAX);
  await world.clone.pull();
  const subject = (await world.clone.git("log", "-1", "--format=%s", "--", `.serin/e2e/demo/podinfo`)).trim();
  strictEqual(subject, `Promote demo/podinfo to podinfo:${to}`);
}

/** Requests are lost while the proxy is away, and for a moment after; at no other time, and to no bad answer. */
async function lostOnlyWithin(load: Load, fromMs: number, toMs: number): Promise<string> {
  await load.stop();
  const others = [...lostOf(load, 0, fromMs - 2_000), ...lostOf(load, toMs + 2_000)];
  deepStrictEqual(others.slice(0, 3), []);
  return `${lostOf(load).length} of ${load.log.length} requests lost while it was away`;
}

export async function envoyFrozen(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  const { world } = stage;
  await checks.check("Envoy is frozen for a while: no share goes up without numbers, then it goes on", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    const fromMs = machineClock.now();
    world.data.envoy.signal("SIGSTOP");
    const before = (await stateOf(stage, CANARY.name))?.run;
    await machineClock.sleep(FROZEN_MS);
    const after = (await stateOf(stage, CANARY.name))?.run;
    world.data.envoy.signal("SIGCONT");
    const toMs = machineClock.now();
    deepStrictEqual([after?.id, after?.weight], [before?.id, before?.weight], "its share went up on nothing");
    ok(before !== null && before !== undefined, "it was over before the proxy was back");
    await promoted(stage, bump);
    return await lostOnlyWithin(load, fromMs, toMs);
  });
}

async function envoyFrozenForLong(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  const { world } = stage;
  await checks.check("Envoy is frozen for long: held, nothing reverted; thawed and retried, it promotes", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    const fromMs = machineClock.now();
    world.data.envoy.signal("SIGSTOP");
    await world.see("held", (view) => view.phase === "idle" && view.waitsFor?.startsWith("Held") === true, ENDS_MS_MAX);
    world.data.envoy.signal("SIGCONT");
    const toMs = machineClock.now();
    await world.clone.pull();
    strictEqual(
      (await world.clone.git("log", "-1", "--format=%s", "--", MANIFEST)).trim(),
      `Bump podinfo to ${bump.to}`,
    );
    await machineClock.sleep(5_000);
    const { versions } = served(load.log, toMs + 2_000);
    deepStrictEqual(Object.keys(versions), [bump.from], "users are on what they were on");
    strictEqual(await world.agent.command(CANARY.namespace, CANARY.name, "retry"), 200);
    await promoted(stage, bump);
    return await lostOnlyWithin(load, fromMs, toMs);
  });
}

async function apiServerAway(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  await checks.check("the API server is killed and back after 10 s: it goes on and promotes", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    await stage.world.plane.restartApiServer(10_000);
    await promoted(stage, bump);
    return await nothingLost([load]);
  });
}

async function envoyKilled(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  const { world } = stage;
  await checks.check("Envoy is killed, and another one started after 5 s: it goes on and promotes", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    const fromMs = machineClock.now();
    await world.data.envoy.kill();
    await machineClock.sleep(5_000);
    await world.data.restartEnvoy();
    const toMs = machineClock.now();
    await promoted(stage, bump);
    return await lostOnlyWithin(load, fromMs, toMs);
  });
}

/** Numbers stay away until all failed checks were inconclusive. */
export async function prometheusFrozen(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  const { world } = stage;
  await checks.check("Prometheus is frozen: held, nothing reverted; thawed and retried, it promotes", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    world.prometheus.running.signal("SIGSTOP");
    await world.see("held", (view) => view.phase === "idle" && view.waitsFor?.startsWith("Held") === true, ENDS_MS_MAX);
    world.prometheus.running.signal("SIGCONT");
    strictEqual(await weightOf(stage, CANARY.name), 0);
    await world.clone.pull();
    strictEqual(
      (await world.clone.git("log", "-1", "--format=%s", "--", MANIFEST)).trim(),
      `Bump podinfo to ${bump.to}`,
    );
    await machineClock.sleep(5_000);
    strictEqual(await world.agent.command(CANARY.namespace, CANARY.name, "retry"), 200);
    await promoted(stage, bump);
    return await nothingLost([load]);
  });
}

async function prometheusKilled(stage: FaultStage, checks: Checks, bump: Bump): Promise<void> {
  const { world } = stage;
  await checks.check("Prometheus is killed, and another one started after 10 s: it goes on and promotes", async () => {
    const load = demoUsers(stage);
    await toTen(stage, bump);
    await world.prometheus.running.kill();
    const before = (await stateOf(stage, CANARY.name))?.run;
    await machineClock.sleep(10_000);
    const after = (await stateOf(stage, CANARY.name))?.run;
    await world.prometheus.restart();
    ok((after?.weight ?? 0) <= (before?.weight ?? 0), "its share went up without Prometheus");
    await promoted(stage, bump);
    return await nothingLost([load]);
  });
}
