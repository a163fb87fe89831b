/**
 * An agent that is killed (SIGKILL, a process of its own) in the middle of everything, over real HTTP: at its return it
 * goes on where it was, promotes nothing twice, loses no decision, and takes traffic off what has failed at once.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { State } from "../../src/core/state.ts";
import { manifestOf } from "../support/app_files.ts";
import { bump, closeGate, decisionsOf, gated, openGate, replicasOf, rests, weightOf } from "../support/fault_stage.ts";
import { isSound } from "../support/fsck.ts";
import { type KillableAgent, type KillableStage, withKillable } from "../support/killable_agent.ts";
import { followRoute } from "../support/route_history.ts";
import { until } from "../support/until.ts";

const atRest = (state: State): boolean => state.phase === "idle";
const atHalf = (state: State): boolean => state.phase === "waiting-promotion" && state.run?.weight === 50;
const ended = (outcome: string) => (state: State): boolean => atRest(state) && state.last?.outcome === outcome;

async function firstStart(stage: KillableStage, names: readonly string[]): Promise<KillableAgent> {
  const agent = await stage.start("serin-0");
  await Promise.all(names.map((name) => stage.remembers(name, "is initialised", ended("initialised"))));
  return agent;
}

async function allAtHalf(stage: KillableStage, tag: string, names: readonly string[]): Promise<void> {
  closeGate(stage, ...names);
  await bump(stage.sandbox, tag, ...names);
  await Promise.all(names.map((name) => stage.remembers(name, "is at half", atHalf)));
}

/** One application a phase; each is held there while the agent is killed. */
const PHASES = ["half", "counting", "pushing", "promoting", "turning", "reverting"] as const;

Deno.test("an agent killed while canaries stand in six phases", async (t) => {
  await withKillable(
    { speed: 10, election: false, apps: (hooks) => PHASES.map((name) => gated(name, hooks)) },
    async (stage) => {
      const { sandbox, hooks } = stage;
      const agent = await firstStart(stage, PHASES);
      await allAtHalf(stage, "2.0.0", PHASES);
      const users = PHASES.filter((name) => name !== "turning" && name !== "reverting").map((name) =>
        stage.users(name)
      );
      await hold(stage);
      const [half, counting] = [stage.state("half"), stage.state("counting")];
      const history = followRoute(sandbox, "half");
      await agent.kill();
      hooks.reply("/counting/check", { status: 200 });
      sandbox.api.faults.clear();
      sandbox.git.faults.set({});

      const callsBefore = hooks.on("/turning/check").length;
      await stage.start("serin-1");
      await t.step("no traffic stays on what has failed", async () => {
        await until("the failed one has no share", () => weightOf(sandbox, "turning") === 0, 3_000);
        strictEqual(hooks.on("/turning/check").length, callsBefore, "and it was not judged again before");
      });
      await t.step("failed: reverted, once", async () => {
        for (const name of ["turning", "reverting"]) {
          await stage.remembers(name, "is reverted", ended("failed"));
          deepStrictEqual((await decisionsOf(sandbox, name)).slice(1), [`Revert demo/${name} to ${name}:1.0.0`]);
          await rests(sandbox, name, "1.0.0");
        }
      });
      await t.step("on its way to be promoted: promoted, once", async () => {
        for (const name of ["pushing", "promoting"]) {
          await stage.remembers(name, "is promoted", ended("succeeded"));
          deepStrictEqual((await decisionsOf(sandbox, name)).slice(1), [`Promote demo/${name} to ${name}:2.0.0`]);
          await rests(sandbox, name, "2.0.0");
        }
      });
      await t.step("under analysis: the same rollout goes on at its share, with its failed checks", async () => {
        deepStrictEqual(stage.state("half")?.run?.id, half?.run?.id);
        deepStrictEqual(history.weights(), [50], "its share was not touched");
        strictEqual(stage.state("counting")?.run?.id, counting?.run?.id);
        openGate(stage, "half", "counting");
        for (const name of ["half", "counting"]) {
          await stage.remembers(name, "is promoted", ended("succeeded"));
          deepStrictEqual((await decisionsOf(sandbox, name)).slice(1), [`Promote demo/${name} to ${name}:2.0.0`]);
        }
      });
      history.stop();
      for (const load of users) {
        await load.stop();
        deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
      }
      await isSound(sandbox.git.path(REPOSITORY));
    },
  );
});

/** Brings each application from half into the phase that it is named after, and keeps it there by a fault. */
async function hold(stage: KillableStage): Promise<void> {
  const { sandbox, hooks } = stage;
  const refused = { type: "status", code: 500 } as const;
  const always = Number.POSITIVE_INFINITY;
  sandbox.api.faults.add({ verb: "patch", path: /deployments\/promoting-primary/, times: always, effect: refused });
  openGate(stage, "promoting");
  await stage.remembers("promoting", "is committed", ({ phase }) => phase === "promoting");
  sandbox.git.faults.set({ only: "push", status: 503 });
  openGate(stage, "pushing");
  hooks.reply("/reverting/check", { status: 500 });
  await stage.remembers("pushing", "waits for Git", ({ phase }) => phase === "pushing");
  await stage.remembers("reverting", "waits for Git", ({ phase }) => phase === "reverting");
  sandbox.api.faults.add({ verb: "patch", path: /httproutes\/turning/, times: always, effect: refused });
  hooks.reply("/turning/check", { status: 500 });
  await stage.remembers("turning", "has failed", ({ phase }) => phase === "rolling-back");
  strictEqual(weightOf(sandbox, "turning"), 50, "its traffic cannot go back yet");
  hooks.reply("/counting/check", { status: 500 });
  await stage.remembers("counting", "has a failed check", ({ run }) => run?.failedChecks === 1);
}

Deno.test("an agent killed between a push that landed and its knowing so", async () => {
  await withKillable({ speed: 10, election: false, apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const agent = await firstStart(stage, ["shop"]);
    await allAtHalf(stage, "2.0.0", ["shop"]);
    // All is as if it were killed before it could write down what it heard: no write of its gets through any more.
    const before = await sandbox.git.tip(REPOSITORY);
    openGate(stage, "shop");
    await stage.remembers("shop", "pushes", ({ phase }) => phase === "pushing");
    sandbox.api.faults.add({
      verb: "update",
      path: /configmaps\/serin-shop/,
      times: Number.POSITIVE_INFINITY,
      effect: { type: "hang" },
    });
    await until("the promotion is in Git", async () => await sandbox.git.tip(REPOSITORY) !== before);
    await agent.kill();
    ok(["pushing", "promoting"].includes(stage.state("shop")?.phase ?? ""));
    sandbox.api.faults.clear();
    await stage.start("serin-1");
    await stage.remembers("shop", "is promoted", ended("succeeded"));
    deepStrictEqual((await decisionsOf(sandbox, "shop")).slice(1), ["Promote demo/shop to shop:2.0.0"]);
    await rests(sandbox, "shop", "2.0.0");
  });
});

Deno.test("an agent killed again and again, whatever it is doing", async () => {
  const names = ["good", "bad"];
  await withKillable(
    { speed: 4, election: false, apps: (hooks) => names.map((name) => gated(name, hooks)) },
    async (stage) => {
      const { sandbox, hooks } = stage;
      let agent = await firstStart(stage, names);
      const load = stage.users("good");
      hooks.reply("/bad/check", { status: 500 });
      await bump(sandbox, "2.0.0", ...names);
      const over = () => ended("succeeded")(stateOf(stage, "good")) && ended("failed")(stateOf(stage, "bad"));
      let kills = 0;
      for (; !over(); kills += 1) {
        ok(kills < 40, "it gets on between two kills");
        // Killed at the second, third … change of anything it keeps, so that the moments are all different.
        await changes(stage, names, 2 + kills % 3);
        if (over()) break;
        await agent.kill();
        agent = await stage.start(`serin-${kills + 1}`);
      }
      ok(kills >= 3, `killed ${kills} times`);
      deepStrictEqual((await decisionsOf(sandbox, "good")).slice(1), ["Promote demo/good to good:2.0.0"]);
      deepStrictEqual((await decisionsOf(sandbox, "bad")).slice(1), ["Revert demo/bad to bad:1.0.0"]);
      await rests(sandbox, "good", "2.0.0");
      await rests(sandbox, "bad", "1.0.0");
      ok((await sandbox.git.read(REPOSITORY, manifestOf("bad")))?.includes("bad:1.0.0"));
      strictEqual(replicasOf(sandbox, "bad"), 0);
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    },
  );
});

function stateOf(stage: KillableStage, name: string): State {
  const state = stage.state(name);
  ok(state !== undefined, name);
  return state;
}

/** Waits for so many changes of the applications' states and routes, or for a second without any. */
async function changes(stage: KillableStage, names: readonly string[], count: number): Promise<void> {
  let seen = 0;
  let lastMs = machineClock.monotonic();
  const stop = stage.sandbox.api.store.watch(({ object }) => {
    if (!names.some((name) => object.metadata.name === name || object.metadata.name === `serin-${name}`)) return;
    seen += 1;
    lastMs = machineClock.monotonic();
  });
  await until("things change", () => seen >= count || machineClock.monotonic() - lastMs > 1_000);
  stop();
}
