/**
 * Two agents with a Lease, each a process of its own, over real HTTP: the leader is killed, or frozen (SIGSTOP) until
 * its Lease is over and then woken. What it still sends has no effect: the new leader's decision stands.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { State } from "../../src/core/state.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import {
  bump,
  closeGate,
  decisionsOf,
  deployment,
  gated,
  openGate,
  rests,
  routeOf,
  tagOf,
  weightOf,
} from "../support/fault_stage.ts";
import { type KillableAgent, type KillableStage, withKillable } from "../support/killable_agent.ts";
import { followRoute } from "../support/route_history.ts";
import { until } from "../support/until.ts";

const SPEED = 5;
const atHalf = (state: State): boolean => state.phase === "waiting-promotion" && state.run?.weight === 50;
const ended = (outcome: string) => (state: State): boolean => state.phase === "idle" && state.last?.outcome === outcome;

function lease(sandbox: Sandbox) {
  const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "serin-system", name: "serin" };
  const object = sandbox.api.store.get(ref);
  return {
    holder: stringAt(object, "spec", "holderIdentity") ?? "",
    epoch: numberAt(object, "spec", "leaseTransitions") ?? 0,
  };
}

/** Two agents; the first leads and has brought the shop up, and another release of it to half of the traffic. */
async function pair(stage: KillableStage): Promise<{ readonly first: KillableAgent; readonly second: KillableAgent }> {
  const first = await stage.start("first");
  await until("the first leads", () => first.said("leading"), 20_000);
  const second = await stage.start("second");
  await stage.remembers("shop", "is initialised", ended("initialised"));
  closeGate(stage, "shop");
  await bump(stage.sandbox, "2.0.0", "shop");
  await stage.remembers("shop", "is at half", atHalf);
  deepStrictEqual([lease(stage.sandbox).holder, second.said("leading")], ["first", false]);
  return { first, second };
}

const apps: Parameters<typeof withKillable>[0]["apps"] = (hooks) => [gated("shop", hooks)];

Deno.test("the leader is killed: the other one goes on with the same rollout", async () => {
  await withKillable({ speed: SPEED, election: true, apps }, async (stage) => {
    const { sandbox } = stage;
    const { first, second } = await pair(stage);
    const [run, epoch] = [stage.state("shop")?.run?.id, lease(sandbox).epoch];
    const history = followRoute(sandbox, "shop");
    const load = stage.users("shop");
    await first.kill();
    await until("the second leads", () => second.said("leading"), 20_000);
    deepStrictEqual(lease(sandbox), { holder: "second", epoch: epoch + 1 });
    openGate(stage, "shop");
    await stage.remembers("shop", "is promoted", ended("succeeded"));
    strictEqual(stage.state("shop")?.last?.run, run, "the same rollout");
    deepStrictEqual(history.weights(), [50, 0]);
    deepStrictEqual((await decisionsOf(sandbox, "shop")).slice(1), ["Promote demo/shop to shop:2.0.0"]);
    await rests(sandbox, "shop", "2.0.0");
    history.stop();
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});

const ROUTE = /httproutes\/shop\?/;

/** Waits until the Lease was renewed so many times: a leader had that long to do something. */
async function renewals(sandbox: Sandbox, count: number): Promise<void> {
  const from = sandbox.api.requests.length;
  const renewed = () =>
    sandbox.api.requests.slice(from).filter(({ path, verb }) => verb === "update" && /leases/.test(path));
  await until("the Lease was renewed", () => renewed().length >= count, 30_000);
}

/** What the new leader left: versions of all that a write of the old one could change. */
function left(stage: KillableStage): readonly unknown[] {
  const { sandbox } = stage;
  const objects = [routeOf(sandbox, "shop"), deployment(sandbox, "shop"), deployment(sandbox, "shop-primary")];
  return [...objects.map((object) => object?.metadata.generation), JSON.stringify(stage.state("shop"))];
}

Deno.test("the leader is frozen over its Lease and woken, with a write on the way: nothing of it takes effect", async () => {
  await withKillable({ speed: SPEED, election: true, apps }, async (stage) => {
    const { sandbox, hooks } = stage;
    const { first, second } = await pair(stage);
    const load = stage.users("shop");
    // The first routes its promotion's traffic back; the server keeps that request until all is over.
    sandbox.api.faults.add({ verb: "patch", path: ROUTE, effect: { type: "delay", ms: 60_000 } });
    const answered = sandbox.api.requests.length;
    openGate(stage, "shop");
    await until("the promotion's route is on its way", () => sandbox.api.faults.armed === 0, 20_000);
    first.freeze();
    const arrivedBefore = sandbox.api.cluster.clock.now();
    await until("the second leads", () => second.said("leading"), 20_000);
    await stage.remembers("shop", "is promoted by the second", ended("succeeded"));
    closeGate(stage, "shop");
    await bump(sandbox, "3.0.0", "shop");
    await stage.remembers("shop", "is at half again", atHalf);
    hooks.reply("/shop/check", { status: 500 });
    await stage.remembers("shop", "is reverted by the second", ended("failed"));
    await rests(sandbox, "shop", "2.0.0");
    // The target follows the reverted manifest before all is at rest.
    await until("the target is as Git has it", () => tagOf(sandbox, "shop") === "2.0.0");
    await renewals(sandbox, 2);
    const before = left(stage);

    first.wake();
    await until("the first knows that it does not lead", () => first.said("not-leading"), 20_000);
    const held = () =>
      sandbox.api.requests.slice(answered).filter(({ path, verb, atMs }) =>
        verb === "patch" && ROUTE.test(path) && atMs <= arrivedBefore
      );
    await until("the held request is answered", () => held().length > 0, 30_000);
    deepStrictEqual(held().map(({ status }) => status), [409]);
    await renewals(sandbox, 4);
    deepStrictEqual(left(stage), before);
    const subjects = await decisionsOf(sandbox, "shop");
    deepStrictEqual(subjects.slice(1), ["Promote demo/shop to shop:2.0.0", "Revert demo/shop to shop:2.0.0"]);
    strictEqual(lease(sandbox).holder, "second");

    hooks.reply("/shop/check", { status: 200 });
    await bump(sandbox, "4.0.0", "shop");
    await stage.remembers("shop", "is at half with the next release", atHalf);
    strictEqual(weightOf(sandbox, "shop"), 50);
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});

Deno.test("the leader is frozen while its promotion waits for Git, and woken: the promotion is pushed once", async () => {
  await withKillable({ speed: SPEED, election: true, apps }, async (stage) => {
    const { sandbox } = stage;
    const { first, second } = await pair(stage);
    sandbox.git.faults.set({ only: "push", status: 503 });
    openGate(stage, "shop");
    await stage.remembers(
      "shop",
      "waits for Git",
      ({ phase, waitsFor }) => phase === "pushing" && waitsFor !== undefined,
    );
    first.freeze();
    await until("the second leads", () => second.said("leading"), 20_000);
    sandbox.git.faults.set({});
    // Woken just when the other one pushes: both have the same decision in hand.
    first.wake();
    await stage.remembers("shop", "is promoted", ended("succeeded"));
    await until("the first knows that it does not lead", () => first.said("not-leading"), 20_000);
    deepStrictEqual((await decisionsOf(sandbox, "shop")).slice(1), ["Promote demo/shop to shop:2.0.0"]);
    await rests(sandbox, "shop", "2.0.0");
    strictEqual(lease(sandbox).holder, "second");
  });
});
