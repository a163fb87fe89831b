/**
 * Git's history as the way back: a promotion commit reverted by a person with stock git, `serin rollback` on an idle
 * canary, and a cluster that is lost in the middle of a rollout and built anew from what Git declares.
 */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import type { LoadEntry } from "../../../src/sandbox/load/load_generator.ts";
import { until } from "../../support/until.ts";
import { fleetFiles } from "../fleet.ts";
import { served, toldOf } from "../shares.ts";
import { SECOND_SITE } from "../site.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World, type WorldOptions } from "../world.ts";

const LOAD_PER_SECOND = 40;
const IMAGE = "registry.example/podinfo";
/** Users stay on the version that is left for so long after the older one was asked for. */
const SLOW_START = { [`${IMAGE}:6.0.0`]: { startupMs: 4_000 } };
const FOLDER = ".serin/e2e/demo/podinfo";
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

export const history: Suite = {
  name: "history",
  about: "git revert of a promotion, rollback by command, and a cluster rebuilt from Git in the middle of a rollout",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run(run) {
    const options: WorldOptions = { files: await fleetFiles(), engine: "self", rights: RIGHTS, behaviours: SLOW_START };
    const world = await openWorld(run, options);
    try {
      await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
      await rollbacks(run, world);
      await rebuilding(run, world, options);
    } finally {
      await world.close();
    }
  },
};

async function rollbacks({ checks }: Run, world: World): Promise<void> {
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a bump is promoted", async () => {
    await bump(world, "6.0.0", "6.0.1");
    await world.see("promoted", promoted("6.0.1"), 150_000);
  });
  await checks.check(
    "a person reverts the promotion commit: that is a rollback, at once, without an analysis",
    async () => {
      await world.clone.pull();
      strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.1");
      await world.clone.git(...PERSON, "revert", "--no-edit", "HEAD");
      await world.clone.git("push", "--quiet", "origin", "HEAD:main");
      const told = await rolledBack(world, { from: "6.0.1", to: "6.0.0", log: load.log, askedMs: machineClock.now() });
      await world.clone.pull();
      strictEqual(await subject(world), "Roll back demo/podinfo to podinfo:6.0.0");
      return told;
    },
  );
  await checks.check("what was left is quarantined: pushed again, it gets no traffic", async () => {
    match(await world.git.read(REPOSITORY, `${FOLDER}/status.yaml`) ?? "", /quarantine:\n[^]*podinfo:6\.0\.1/);
    await bump(world, "6.0.0", "6.0.1");
    const pushedMs = machineClock.now();
    const view = await world.see("quarantined", ({ waitsFor }) => waitsFor?.includes("quarantined") === true);
    strictEqual(view.weight, 0);
    await until("users go on", () => load.log.filter(({ atMs }) => atMs > pushedMs).length > 100, 30_000);
    deepStrictEqual(Object.keys(served(load.log, pushedMs).versions), ["6.0.0"]);
    return view.waitsFor ?? "";
  });
  await checks.check("a newer bump takes its place and is promoted; a command rolls it back, at once", async () => {
    await bump(world, "6.0.1", "6.0.2");
    await world.see("promoted", promoted("6.0.2"), 150_000);
    const askedMs = machineClock.now();
    strictEqual(await world.agent.command(CANARY.namespace, CANARY.name, "rollback"), 200);
    const told = await rolledBack(world, { from: "6.0.2", to: "6.0.0", log: load.log, askedMs });
    await world.clone.pull();
    strictEqual(await subject(world), "Roll back demo/podinfo to podinfo:6.0.0");
    return told;
  });
  await load.stop();
  await checks.check("no request was lost, none failed", () => clean(load.log));
}

interface Back {
  readonly from: string;
  readonly to: string;
  readonly log: readonly LoadEntry[];
  readonly askedMs: number;
}

/** Once it is reported nobody meets the left version, Git declares the other one, and the primary runs it. */
async function rolledBack(world: World, { from, to, log, askedMs }: Back): Promise<string> {
  await world.see(
    "rolled back",
    ({ phase, last, lockImages }) =>
      phase === "idle" && last?.outcome === "rolled-back" && lockImages[0] === `${IMAGE}:${to}`,
  );
  const reportedMs = machineClock.now();
  match(await world.git.read(REPOSITORY, MANIFEST) ?? "", new RegExp(`podinfo:${to} `));
  match(await world.git.read(REPOSITORY, `${FOLDER}/primary.yaml`) ?? "", new RegExp(`podinfo:${to}`));
  await until("users go on", () => log.filter(({ atMs }) => atMs > reportedMs).length > 150, 30_000);
  const late = log.filter(({ atMs, version }) => atMs >= reportedMs && version === from);
  deepStrictEqual(late.slice(0, 3), [], `${late.length} requests met ${from} after the rollback was reported`);
  const seconds = ((reportedMs - askedMs) / 1000).toFixed(1);
  return `reported after ${seconds} s; nobody met ${from} since (${served(log, reportedMs).requests} requests)`;
}

/** All of the cluster is lost, etcd too. What Git declares is all that the next one has. */
async function rebuilding(run: Run, world: World, options: WorldOptions): Promise<void> {
  const { checks, processes } = run;
  const before = await uidOf(world);
  let tip = "";
  await checks.check("the cluster is lost while a bump has a share of 30 %", async () => {
    const load = world.load(LOAD_PER_SECOND);
    await bump(world, "6.0.0", "6.0.3");
    await world.see("at 30 %", ({ weight }) => weight === 30);
    await load.stop();
    await world.agent.running.kill();
    await processes.killAll();
    tip = await world.git.tip(REPOSITORY) ?? "";
  });
  const startedMs = machineClock.now();
  const rebuilt = await openWorld(run, { ...options, site: SECOND_SITE, git: world.git });
  try {
    const load = rebuilt.load(LOAD_PER_SECOND);
    await checks.check(
      "a new cluster serves the last release that passed, and nothing of the candidate runs",
      async () => {
        notStrictEqual(await uidOf(rebuilt), before);
        const view = await rebuilt.see("on the lock", ({ phase, stalled }) => phase === "idle" && stalled !== null);
        match(view.stalled ?? "", /belongs to another cluster, "e2e" \(.*\): nothing is written until "serin adopt/);
        const upMs = machineClock.now();
        await until("users are answered", () => (served(load.log, upMs).versions["6.0.0"] ?? 0) > 100, 30_000);
        deepStrictEqual(Object.keys(served(load.log).versions), ["6.0.0"]);
        const pods = await rebuilt.plane.cluster.list({ apiVersion: "v1", kind: "Pod", namespace: CANARY.namespace });
        const images = pods.map((pod) => stringAt(pod, "spec", "containers", 0, "image"));
        deepStrictEqual([...new Set(images)], [`${IMAGE}:6.0.0`]);
        return `${((upMs - startedMs) / 1000).toFixed(0)} s after its etcd was started`;
      },
    );
    await checks.check("before it is adopted nothing is written to Git, and it goes on serving", async () => {
      await machineClock.sleep(5_000);
      strictEqual(await rebuilt.git.tip(REPOSITORY), tip);
    });
    const settledMs = machineClock.now();
    await checks.check("adopted, the lock is this cluster's; the candidate is analysed and promoted", async () => {
      strictEqual(await rebuilt.agent.command(CANARY.namespace, CANARY.name, "adopt"), 200);
      await rebuilt.see("promoted", promoted("6.0.3"), 150_000);
      await rebuilt.clone.pull();
      const said = (await rebuilt.clone.git("log", "-2", "--format=%s")).trim().split("\n");
      deepStrictEqual(said, ["Promote demo/podinfo to podinfo:6.0.3", "Take over demo/podinfo at podinfo:6.0.0"]);
      const lock = await rebuilt.git.read(REPOSITORY, `${FOLDER}/primary.yaml`) ?? "";
      ok(lock.includes(await uidOf(rebuilt)) && !lock.includes(before));
    });
    await load.stop();
    await checks.check("since it serves no request was lost, none failed", () => {
      return clean(load.log.filter(({ atMs }) => atMs >= settledMs));
    });
  } finally {
    await rebuilt.close();
  }
}

const promoted = (version: string) => ({ phase, last, lockImages }: CanaryDetail): boolean =>
  phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === `${IMAGE}:${version}`;

async function bump(world: World, from: string, to: string): Promise<void> {
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}

async function uidOf({ plane }: World): Promise<string> {
  const live = await plane.cluster.live({ apiVersion: "v1", kind: "Namespace", name: "kube-system" });
  return stringAt(live, "metadata", "uid") ?? "";
}

function clean(log: readonly LoadEntry[]): string {
  const { lost, errors } = served(log);
  deepStrictEqual({ lost: lost.slice(0, 5), errors }, { lost: [], errors: 0 }, toldOf(log));
  return toldOf(log);
}
