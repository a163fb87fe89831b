/**
 * Flagger's eight webhook types over real HTTP: what is sent, in which order, when and when not; gates that open,
 * people who approve and reject; retries and time-outs.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { JsonObject } from "../../src/core/kube_object.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { startLoadTester } from "../../src/sandbox/loadtester/load_tester.ts";
import { type AppFiles, appFiles } from "../support/app_files.ts";
import { HookReceiver, type Received } from "../support/hook_receiver.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { bumpAll } from "../support/tale.ts";
import { until } from "../support/until.ts";

const TYPES = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "post-rollout",
  "rollback",
  "event",
];

interface Servers {
  readonly hooks: HookReceiver;
  readonly tester: ReturnType<typeof startLoadTester>;
}

async function withServers(body: (servers: Servers) => Promise<void>): Promise<void> {
  const servers = { hooks: new HookReceiver(), tester: startLoadTester() };
  try {
    await body(servers);
  } finally {
    await servers.hooks.stop();
    await servers.tester.stop();
  }
}

function appsOf({ hooks, tester }: Servers): readonly AppFiles[] {
  const steps = { stepWeights: [30, 60], metrics: [] };
  const hook = (app: string, type: string, more: JsonObject = {}): JsonObject => ({
    name: `${app}-${type}`,
    type,
    url: `${hooks.url}/${app}/${type}`,
    ...more,
  });
  const gate = (type: string, path: string, more: JsonObject = {}): JsonObject => ({
    name: type,
    type,
    url: `${tester.url}/${path}`,
    ...more,
  });
  return [
    {
      name: "all",
      analysis: { ...steps, webhooks: TYPES.map((type) => hook("all", type, { metadata: { b: "2", a: "1" } })) },
    },
    {
      name: "failing",
      analysis: { ...steps, threshold: 1, webhooks: [hook("failing", "rollout"), hook("failing", "post-rollout")] },
    },
    { name: "gated", analysis: { ...steps, webhooks: [gate("confirm-rollout", "gate/check")] } },
    {
      name: "approved",
      analysis: { ...steps, webhooks: [gate("confirm-rollout", "gate/halt"), gate("confirm-promotion", "gate/halt")] },
    },
    {
      name: "refused",
      analysis: { ...steps, webhooks: [gate("confirm-promotion", "gate/halt", { muteAlert: true })] },
    },
    {
      name: "worse",
      analysis: {
        ...steps,
        threshold: 1,
        webhooks: [hook("worse", "rollout"), gate("confirm-promotion", "gate/halt")],
      },
    },
    { name: "traffic", analysis: { ...steps, webhooks: [hook("traffic", "confirm-traffic-increase")] } },
    {
      name: "manual",
      analysis: { ...steps, webhooks: [hook("manual", "rollback"), gate("confirm-promotion", "gate/halt")] },
    },
    {
      name: "patient",
      analysis: { ...steps, stepWeights: [30], webhooks: [hook("patient", "rollout", { retries: 1, timeout: "1s" })] },
    },
    {
      name: "impatient",
      analysis: {
        ...steps,
        stepWeights: [30],
        threshold: 1,
        webhooks: [hook("impatient", "rollout", { timeout: "1s" })],
      },
    },
  ];
}

Deno.test("webhooks", async (t) => {
  await withServers(async (servers) => {
    const { hooks, tester } = servers;
    const apps = appsOf(servers);
    const names = apps.map(({ name }) => name);
    const held = Promise.withResolvers<void>();
    hooks.reply("/all/rollback", { status: 403, body: "no" });
    hooks.reply("/manual/rollback", { status: 403 });
    hooks.reply("/failing/rollout", { status: 500, body: "the acceptance test failed" });
    hooks.reply("/traffic/confirm-traffic-increase", { status: 403, body: "not on a Friday" });
    hooks.reply("/patient/rollout", { status: 503 }, { status: 200 });
    hooks.reply("/impatient/rollout", { status: 200, until: held.promise });
    await withStage({ files: appFiles(...apps), initialised: names }, async (stage) => {
      await bumpAll(stage, names, "1.1.0");
      await t.step("every type: what is sent, in order", () => everyType(stage, hooks));
      await t.step("a failed test hook ends the rollout; post-rollout is told Failed", () => failing(stage, hooks));
      await t.step("a gate of the load tester: Waiting, then it opens", () => gated(stage, tester.url));
      await t.step("a person approves: the commit names them", () => approved(stage));
      await t.step("a person rejects: the revert names them", () => refused(stage));
      await t.step("while a promotion waits, checks go on and can fail it", () => worse(stage, hooks));
      await t.step("no share before confirm-traffic-increase; a person opens it", () => traffic(stage, hooks));
      await t.step("a rollback hook that opens turns the rollout back", () => manual(stage, hooks));
      await t.step("retries", () => patient(stage, hooks));
      await t.step("a hook that does not answer in time is no yes", () => impatient(stage));
      await t.step("a rollout is told to have started once", () => {
        for (const name of names) {
          const started = stage.of(name).announced().filter(({ kind }) => kind === "started");
          strictEqual(started.length, 1, JSON.stringify(started));
        }
      });
      held.resolve();
    });
  });
});

const REVISION = "[0-9a-f]{8,64}";

async function everyType(stage: TestStage, hooks: HookReceiver): Promise<void> {
  await stage.of("all").see("promoted", (view) => view.phase === "idle" && view.last?.outcome === "succeeded");
  await until("post-rollout was called", () => hooks.on("/all/post-rollout").length > 0);
  for (const { contentType, method } of hooks.received) {
    deepStrictEqual([method, contentType], ["POST", "application/json"]);
  }
  const metadata = '"metadata":{"a":"1","b":"2"}';
  const body = (phase: string) =>
    new RegExp(`^\\{"name":"all","namespace":"demo","phase":"${phase}","checksum":"${REVISION}",${metadata}\\}$`);
  for (const [type, phase] of [["confirm-rollout", "Waiting"], ["post-rollout", "Succeeded"]] as const) {
    const calls = hooks.on(`/all/${type}`);
    strictEqual(calls.length, 1, type);
    match(calls[0]?.body ?? "", body(phase));
  }
  const all = hooks.received.filter(({ path }) => path.startsWith("/all/"));
  const ruling = all.map(({ path }) => path.slice("/all/".length)).filter((type) =>
    type !== "event" && type !== "post-rollout"
  );
  // Behind the last gate checks go on while the promotion is pushed, as long as that takes.
  deepStrictEqual(ruling.slice(0, ruling.indexOf("confirm-promotion") + 1), [
    "confirm-rollout",
    "pre-rollout",
    "confirm-traffic-increase",
    "rollback",
    "rollout",
    "confirm-traffic-increase",
    "rollback",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
  ]);
  for (const call of all.filter(({ path }) => /\/(pre-rollout|rollout|confirm-t|confirm-p|rollback)/.test(path))) {
    match(call.body, body("Progressing"));
  }
  strictEqual(
    new Set(all.filter(({ path }) => path !== "/all/event").map(checksum)).size,
    1,
    "one checksum a revision",
  );
  events(hooks);
}

function checksum(call: Received): string {
  return /"checksum":"(\w+)"/.exec(call.body)?.[1] ?? "";
}

/** Flagger's event payload; the user's metadata stands beside it. */
function events(hooks: HookReceiver): void {
  const calls = hooks.on("/all/event");
  for (const { body } of calls) {
    match(
      body,
      new RegExp(
        `^\\{"name":"all","namespace":"demo","phase":"\\w+","checksum":"${REVISION}","metadata":\\{"a":"1","b":"2",` +
          `"eventMessage":"[^"]+","eventType":"(Normal|Warning)","timestamp":"\\d{13}"\\}\\}$`,
      ),
    );
  }
  const said = calls.map(({ body }) => /"phase":"(\w+)".*"eventMessage":"([^"]+)"/.exec(body)?.slice(1).join(": "));
  deepStrictEqual(said.map((line) => line?.replace(/committed as .*/, "committed")), [
    "Initialized: New Deployment detected, initialization completed.",
    "Progressing: New revision detected, progressing canary analysis.",
    "Progressing: Advance all.demo canary weight 30",
    "Progressing: Advance all.demo canary weight 60",
    "Promoting: Promotion of all.demo is committed",
    "Promoting: Routing all traffic to primary",
    "Succeeded: Canary analysis completed successfully, promotion finished.",
  ]);
}

async function failing(stage: TestStage, hooks: HookReceiver): Promise<void> {
  const view = await stage.of("failing").see(
    "failed",
    ({ phase, last }) => phase === "idle" && last?.outcome === "failed",
  );
  match(view.evidence.length === 0 ? view.last?.reason ?? "" : "", /threshold reached 1/);
  await until("post-rollout was called", () => hooks.on("/failing/post-rollout").length > 0);
  deepStrictEqual(hooks.on("/failing/post-rollout").map(({ body }) => /"phase":"(\w+)"/.exec(body)?.[1]), ["Failed"]);
  ok(stage.of("failing").announced().some(({ message }) => message.includes("the acceptance test failed")));
}

async function gated(stage: TestStage, tester: string): Promise<void> {
  const canary = stage.of("gated");
  const view = await canary.see("waiting", ({ phase }) => phase === "waiting");
  strictEqual(view.flaggerPhase, "Waiting");
  strictEqual(view.gate, "confirm-rollout");
  deepStrictEqual(canary.announced().filter(({ message }) => message === "Canary is waiting for approval.").length, 1);
  strictEqual(stage.sandbox.api.store.get(workload("gated"))?.spec?.["replicas"], 0, "nothing of it runs");
  const opened = await fetch(`${tester}/gate/open`, {
    method: "POST",
    body: JSON.stringify({ name: "gated", namespace: "demo" }),
  });
  await opened.body?.cancel();
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
}

function workload(name: string) {
  return { apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name };
}

async function approved(stage: TestStage): Promise<void> {
  const canary = stage.of("approved");
  const waiting = await canary.see("waiting", ({ phase }) => phase === "waiting");
  const other = await canary.command({ type: "approve", by: "kim", revision: "0123456789ab" });
  strictEqual(other.type, "refused", "an approval is bound to its revision");
  const first = await canary.command({ type: "approve", by: "kim", revision: waiting.candidate });
  strictEqual(first.type, "done");
  const last = await canary.see("waits with the promotion", ({ gate }) => gate === "confirm-promotion");
  strictEqual(last.flaggerPhase, "WaitingPromotion");
  strictEqual(last.weight, 60, "the share stays on while it waits");
  strictEqual((await canary.command({ type: "approve", by: "lee", revision: last.candidate })).type, "done");
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
  const message = await commitOf(stage, "Promote demo/approved");
  match(message, /^Serin-Approved-By: kim \(confirm-rollout\)$/m);
  match(message, /^Serin-Approved-By: lee \(confirm-promotion\)$/m);
}

async function commitOf(stage: TestStage, subject: string): Promise<string> {
  await stage.clone.pull();
  return await stage.clone.git("log", "-1", "--format=%B", `--grep=^${subject}`);
}

async function refused(stage: TestStage): Promise<void> {
  const canary = stage.of("refused");
  const waiting = await canary.see("waits", ({ gate }) => gate === "confirm-promotion");
  const told = canary.announced().filter(({ message }) => message === "Canary promotion is waiting for approval.");
  deepStrictEqual(told.map(({ alert }) => alert), [false], "muteAlert keeps it from notifiers");
  const answer = await canary.command({
    type: "reject",
    by: "kim",
    reason: "wrong colour",
    revision: waiting.candidate,
  });
  strictEqual(answer.type, "done");
  await canary.see("reverted", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
  const message = await commitOf(stage, "Revert demo/refused");
  match(message, /Rejected by kim: wrong colour/);
  match(message, /^Serin-Rejected-By: kim \(confirm-promotion\)$/m);
}

async function worse(stage: TestStage, hooks: HookReceiver): Promise<void> {
  const canary = stage.of("worse");
  await canary.see("waits", ({ gate }) => gate === "confirm-promotion");
  hooks.reply("/worse/rollout", { status: 500, body: "it got worse" });
  await canary.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
  match(await stage.sandbox.git.read(REPOSITORY, "apps/worse/deployment.yaml") ?? "", /worse:1\.0\.0/);
}

async function traffic(stage: TestStage, hooks: HookReceiver): Promise<void> {
  const canary = stage.of("traffic");
  const waiting = await canary.see("waits", ({ gate }) => gate === "confirm-traffic-increase");
  strictEqual(waiting.weight, 0);
  const before = hooks.on("/traffic/confirm-traffic-increase").length;
  strictEqual((await canary.command({ type: "approve", by: "kim", revision: waiting.candidate })).type, "done");
  await canary.see("one step further", ({ weight, gate }) => weight === 30 && gate === "confirm-traffic-increase");
  ok(hooks.on("/traffic/confirm-traffic-increase").length > before, "the gate is asked again for the next step");
  hooks.reply("/traffic/confirm-traffic-increase", { status: 202 });
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
}

async function manual(stage: TestStage, hooks: HookReceiver): Promise<void> {
  const canary = stage.of("manual");
  await canary.see("waits", ({ gate }) => gate === "confirm-promotion");
  hooks.reply("/manual/rollback", { status: 200 });
  const view = await canary.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
  strictEqual(view.last?.reason, "Rolling back manual webhook invoked");
}

async function patient(stage: TestStage, hooks: HookReceiver): Promise<void> {
  const canary = stage.of("patient");
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
  const calls = hooks.on("/patient/rollout");
  ok(calls.length >= 2, "asked, and asked again");
  strictEqual(calls[0]?.body, calls[1]?.body);
  deepStrictEqual(canary.announced().filter(({ kind }) => kind === "check-failed"), []);
}

async function impatient(stage: TestStage): Promise<void> {
  const canary = stage.of("impatient");
  const view = await canary.see("held", ({ phase, last }) => phase === "idle" && last?.outcome === "held");
  match(view.last?.reason ?? "", /impatient-rollout failed: .*(1000|1 s|in time)/);
  match(await stage.sandbox.git.read(REPOSITORY, "apps/impatient/deployment.yaml") ?? "", /impatient:1\.1\.0/);
}
