/**
 * A Prometheus and webhooks that fail in the middle of a rollout, over real HTTP: the release is held, not failed; a
 * short outage costs nothing; nobody's repository is rewritten; other canaries go on.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { JsonObject } from "../../src/core/kube_object.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { MetricsFault } from "../../src/sandbox/metrics/metrics_server.ts";
import { METRICS } from "../support/app_files.ts";
import {
  bump,
  closeGate,
  decisionsOf,
  type FaultStage,
  gated,
  openGate,
  promoted,
  rests,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import type { HookReceiver } from "../support/hook_receiver.ts";
import { until } from "../support/until.ts";

const FAULTS: readonly { readonly fault: MetricsFault; readonly says: RegExp }[] = [
  { fault: "down", says: /Metric query failed for request-\S+: .*(refused|Cannot|reach)/i },
  { fault: "slow", says: /Metric query failed for request-\S+: .*no answer within 5000 ms/ },
  { fault: "error", says: /Metric query failed for request-\S+: .*500/ },
  { fault: "garbage", says: /Metric query failed for request-\S+: / },
  { fault: "empty", says: /no values found for metric request-\S+, probably without traffic/ },
];

const measured = (name: string, hooks: HookReceiver, more: JsonObject = {}) =>
  gated(name, hooks, { analysis: { metrics: METRICS, ...more } });

Deno.test("a Prometheus that is down, slow, wrong or empty: held, and nobody's repository is rewritten", async (t) => {
  await withFaults({ apps: (hooks) => [measured("shop", hooks)] }, async (stage) => {
    const load = usersOf(stage, "shop");
    closeGate(stage, "shop");
    for (const [index, row] of FAULTS.entries()) {
      await t.step(row.fault, () => outage(stage, { ...row, tag: `${index + 2}.0.0` }));
    }
    await t.step("retry, when it is back", async () => {
      openGate(stage, "shop");
      const answer = await stage.of("shop").command({ type: "retry" });
      strictEqual(answer.type, "done", JSON.stringify(answer));
      await stage.of("shop").see("promoted", promoted(`${FAULTS.length + 1}.0.0`));
    });
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});

async function outage(
  stage: FaultStage,
  row: (typeof FAULTS)[number] & { readonly tag: string },
): Promise<void> {
  const { sandbox } = stage;
  const shop = stage.of("shop");
  const heard = shop.announced().length;
  const tip = await bump(sandbox, row.tag, "shop");
  await shop.see("at half", ({ weight, phase }) => weight === 50 && phase === "waiting-promotion");
  await sandbox.metrics.faults.set(row.fault);
  const view = await shop.see(
    "held",
    ({ phase, last, waitsFor }) => phase === "idle" && last?.outcome === "held" && /^Held: /.test(waitsFor ?? ""),
  );
  match(view.waitsFor ?? "", /All failed checks were inconclusive|were inconclusive/);
  await sandbox.metrics.faults.set("none");
  match(shop.announced().slice(heard).map(({ message }) => message).join("\n"), row.says);
  await rests(sandbox, "shop", "1.0.0");
  strictEqual(await sandbox.git.tip(REPOSITORY), tip, "nothing was written");
  const kinds = shop.announced().slice(heard).map(({ kind }) => kind);
  strictEqual(kinds.filter((kind) => kind === "held").length, 1, kinds.join(" "));
  ok(!kinds.includes("failed"), kinds.join(" "));
}

Deno.test("an outage of Prometheus that is shorter than the threshold costs nothing; holding and passing are choices", async (t) => {
  const apps = (hooks: HookReceiver) => [
    measured("short", hooks, { threshold: 20 }),
    measured("waits", hooks, { onInconclusive: "hold" }),
    measured("passes", hooks, { onInconclusive: "pass" }),
  ];
  await withFaults({ apps }, async (stage) => {
    const { sandbox } = stage;
    const names = ["short", "waits", "passes"];
    const loads = names.map((name) => usersOf(stage, name));
    closeGate(stage, "short");
    await bump(sandbox, "2.0.0", "short");
    await stage.of("short").see("at half", ({ weight, phase }) => weight === 50 && phase === "waiting-promotion");
    await t.step("two checks could not be made: they are forgotten at the first that could", async () => {
      await sandbox.metrics.faults.set("down");
      await stage.of("short").see("has failed checks", ({ failedChecks }) => failedChecks >= 2);
      await sandbox.metrics.faults.set("none");
      await stage.of("short").see("counts from 0 again", ({ failedChecks }) => failedChecks === 0);
      strictEqual(weightOf(sandbox, "short"), 50);
      openGate(stage, "short");
      await stage.of("short").see("promoted", promoted("2.0.0"));
    });
    await sandbox.metrics.faults.set("down");
    await bump(sandbox, "2.0.0", "waits", "passes");
    await t.step("pass: it goes on without; hold: it waits, and says for what", async () => {
      await stage.of("passes").see("promoted", promoted("2.0.0"));
      const view = await stage.of("waits").see("waits", ({ waitsFor }) => /^Halt advancement/.test(waitsFor ?? ""));
      match(view.waitsFor ?? "", /Metric query failed for request-\S+: .*refused/);
      deepStrictEqual([view.failedChecks, weightOf(sandbox, "waits")], [0, 50]);
    });
    await sandbox.metrics.faults.set("none");
    await t.step("and goes on", async () => {
      await stage.of("waits").see("promoted", promoted("2.0.0"));
    });
    for (const name of names) deepStrictEqual((await decisionsOf(sandbox, name)).length, 2, name);
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
  });
});

Deno.test("webhooks that hang: no yes, no verdict, and only their own canary waits", async (t) => {
  const apps = (hooks: HookReceiver) => {
    const hook = (name: string, type: string) => ({
      name: type,
      type,
      url: `${hooks.url}/${name}/${type}`,
      timeout: "5s",
    });
    const hooked = (name: string, type: string) => gated(name, hooks, { analysis: { webhooks: [hook(name, type)] } });
    return [
      hooked("start", "confirm-rollout"),
      hooked("judge", "rollout"),
      hooked("after", "post-rollout"),
      gated("other", hooks),
    ];
  };
  await withFaults({ apps }, async (stage) => {
    const { sandbox, hooks } = stage;
    const held = Promise.withResolvers<void>();
    const hanging = { status: 200, until: held.promise };
    hooks.reply("/start/confirm-rollout", hanging);
    hooks.reply("/judge/rollout", hanging);
    hooks.reply("/after/post-rollout", hanging);
    try {
      await bump(sandbox, "2.0.0", "start", "judge", "after", "other");
      await t.step("another canary is promoted meanwhile", async () => {
        await stage.of("other").see("promoted", promoted("2.0.0"));
      });
      await t.step("a gate that hangs is closed", async () => {
        await until("it was asked twice", () => hooks.on("/start/confirm-rollout").length > 1);
        const view = await stage.of("start").see(
          "waits",
          ({ phase, waitsFor }) => phase === "waiting" && waitsFor !== null,
        );
        strictEqual(view.waitsFor, "Canary is waiting for approval.");
        await rests(sandbox, "start", "1.0.0");
      });
      await t.step("a judge that hangs: held, with what it was, and no revert", async () => {
        const view = await stage.of("judge").see(
          "held",
          ({ phase, last, waitsFor }) => phase === "idle" && last?.outcome === "held" && waitsFor !== null,
        );
        match(told(stage, "judge", "check-failed").join("\n"), /rollout failed: .*no answer within 5000 ms/);
        match(view.waitsFor ?? "", /^Held: .*serin retry/);
        await rests(sandbox, "judge", "1.0.0");
        strictEqual((await decisionsOf(sandbox, "judge")).length, 1);
      });
      await t.step("a hook whose answer decides nothing delays nothing", async () => {
        await stage.of("after").see("promoted", promoted("2.0.0"));
        await rests(sandbox, "after", "2.0.0");
      });
    } finally {
      held.resolve();
    }
    hooks.reply("/start/confirm-rollout", { status: 200 });
    await stage.of("start").see("promoted, once the gate answers", promoted("2.0.0"));
  });
});
