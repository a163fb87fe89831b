/** What people ask for at the wrong time, twice, or of the wrong revision: each answer says why, and nothing is lost. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { CommandAnswer } from "../../src/ports/agent.ts";
import { canaryFileOf, manifestOf } from "../support/app_files.ts";
import {
  bump,
  decisionsOf,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  rests,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import { until } from "../support/until.ts";

function said(answer: CommandAnswer): string {
  switch (answer.type) {
    case "done":
      return `done: ${answer.message}`;
    case "refused":
      return `refused: ${answer.reason}`;
    default:
      return answer.type;
  }
}

Deno.test("commands that do not apply, and those that do", async (t) => {
  const names = ["gate", "idle", "flight", "pause", "once"];
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks)) }, async (stage) => {
    const { sandbox } = stage;
    const loads = names.map((name) => usersOf(stage, name));
    await t.step("approve: for nothing, for the wrong revision and gate, then right, then twice", async () => {
      const gate = stage.of("gate");
      match(said(await gate.command({ type: "approve", revision: "x" })), /^refused: It does not wait for an approval/);
      await holdAtHalf(stage, "2.0.0", "gate");
      const revision = gate.view()?.candidate ?? "";
      match(said(await gate.command({ type: "approve" })), /^refused: Name the revision/);
      match(
        said(await gate.command({ type: "approve", revision: "0badc0de" })),
        /^refused: It waits for revision .*, not/,
      );
      match(
        said(await gate.command({ type: "approve", revision, gate: "confirm-rollout" })),
        /^refused: It waits at "confirm-promotion", not at/,
      );
      strictEqual(weightOf(sandbox, "gate"), 50);
      const [first, second] = await Promise.all([
        gate.command({ type: "approve", revision, gate: "confirm-promotion", reason: "looks good" }),
        gate.command({ type: "approve", revision, gate: "confirm-promotion" }),
      ]);
      match(said(first), /^done: Approved "confirm-promotion"/);
      match(said(second), /^refused: /);
      await gate.see("promoted", promoted("2.0.0"));
      match(await sandbox.git.read(REPOSITORY, ".serin/sandbox/demo/gate/status.yaml") ?? "", /robin/);
    });
    await t.step("rollback of an idle canary: at once, committed, once; then there is nothing earlier", async () => {
      const idle = stage.of("idle");
      match(said(await idle.command({ type: "rollback" })), /^refused: No earlier lock/);
      await bump(sandbox, "2.0.0", "idle");
      await idle.see("promoted", promoted("2.0.0"));
      const [first, second] = await Promise.all([
        idle.command({ type: "rollback", reason: "too slow" }),
        idle.command({ type: "rollback" }),
      ]);
      match(said(first), /^done: The previous release is applied at once/);
      match(said(second), /^refused: /);
      await idle.see("rolled back", ({ phase, last }) => phase === "idle" && last?.outcome === "rolled-back");
      await rests(sandbox, "idle", "1.0.0");
      match(await sandbox.git.read(REPOSITORY, manifestOf("idle")) ?? "", /idle:1\.0\.0/);
      deepStrictEqual((await decisionsOf(sandbox, "idle")).length, 3);
      match(told(stage, "idle", "rolling-back").join("\n"), /Rolled back by robin: too slow/);
    });
    await t.step("rollback in flight: traffic back, reverted, quarantined; retry lifts it", async () => {
      const flight = stage.of("flight");
      await holdAtHalf(stage, "2.0.0", "flight");
      match(said(await flight.command({ type: "rollback" })), /^done: Traffic goes back/);
      await flight.see("reverted", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
      await rests(sandbox, "flight", "1.0.0");
      await bump(sandbox, "2.0.0", "flight");
      await flight.see("quarantined", ({ waitsFor }) => /quarantined/.test(waitsFor ?? ""));
      openGate(stage, "flight");
      match(said(await flight.command({ type: "retry" })), /^done: /);
      await flight.see("promoted after all", promoted("2.0.0"));
      match(said(await flight.command({ type: "retry" })), /^refused: Nothing to retry/);
    });
    await t.step("pause holds everything where it is, resume goes on", async () => {
      const pause = stage.of("pause");
      match(said(await pause.command({ type: "resume" })), /^refused: It is not paused/);
      await holdAtHalf(stage, "2.0.0", "pause");
      match(said(await pause.command({ type: "pause", reason: "lunch" })), /^done: /);
      match(said(await pause.command({ type: "pause" })), /^refused: It is paused already, by robin/);
      openGate(stage, "pause");
      const asked = stage.hooks.on("/pause/check").length;
      await pause.see("says so", ({ paused, waitsFor }) => paused?.by === "robin" && /Suspended/.test(waitsFor ?? ""));
      const at = stage.composed.agent.sources()[0]?.fetchedAt ?? 0;
      await until("several checks were due", () => (stage.composed.agent.sources()[0]?.fetchedAt ?? 0) > at + 6_000);
      deepStrictEqual([weightOf(sandbox, "pause"), stage.hooks.on("/pause/check").length], [50, asked]);
      match(said(await pause.command({ type: "resume" })), /^done: /);
      await pause.see("promoted", promoted("2.0.0"));
    });
    await t.step("adopt, confirm-removal: once, where something waits for it", async () => {
      const once = stage.of("once");
      const { agent } = stage.composed;
      match(said(await agent.confirmRemoval("robin")), /^refused: No removal waits/);
      match(said(await once.command({ type: "adopt" })), /^(done|refused): /);
      match(said(await once.command({ type: "adopt" })), /^refused: /);
      const ghost = { namespace: "demo", name: "ghost" };
      const asked = { type: "pause", by: "robin", reason: "", revision: null, gate: null } as const;
      strictEqual((await agent.command(ghost, asked)).type, "unknown-canary");
    });
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
  });
});

Deno.test("all Canaries gone at once: held until a person confirms, then handed back without losing a request", async () => {
  const names = ["one", "two"];
  const revert = { spec: { revertOnDeletion: true } };
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks, revert)) }, async (stage) => {
    const { sandbox, composed } = stage;
    const loads = names.map((name) => usersOf(stage, name));
    const files = Object.fromEntries(names.map((name) => [canaryFileOf(name), null]));
    await sandbox.git.commit(REPOSITORY, files, { message: "No more canaries" });
    for (const name of names) {
      const view = await stage.of(name).see("held", ({ waitsFor }) => waitsFor !== null);
      match(view.waitsFor ?? "", /run "serin confirm-removal" or bring them back/);
    }
    match(said(await composed.agent.confirmRemoval("robin")), /^done: The removal of 2 canaries is confirmed/);
    for (const name of names) {
      await until("its target serves again", () => stage.of(name).view() === undefined, 20_000);
      strictEqual(
        sandbox.api.store.get({ apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name })?.spec?.[
          "replicas"
        ],
        1,
      );
    }
    match(said(await composed.agent.confirmRemoval("robin")), /^refused: No removal waits/);
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
  });
});
