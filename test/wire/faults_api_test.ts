/**
 * An API server that fails in the middle of a rollout, over real HTTP: what the user sees meanwhile, that users of the
 * applications notice nothing, and that every rollout ends as it would have, once.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { FaultEffect } from "../../src/sandbox/api/faults.ts";
import { hostOf } from "../support/app_files.ts";
import {
  bump,
  closeGate,
  decisionsOf,
  type FaultStage,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  replicasOf,
  rests,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import type { HookReceiver } from "../support/hook_receiver.ts";
import { until } from "../support/until.ts";

type Where = "route" | "primary" | "state" | "scale";

interface Row {
  readonly app: string;
  readonly at: readonly Where[];
  readonly effect: FaultEffect;
  readonly times: number;
  /** What `stalled` or the log says meanwhile; null where it is dealt with at once. */
  readonly says: RegExp | null;
}

const ROWS: readonly Row[] = [
  {
    app: "e403",
    at: ["route"],
    effect: { type: "status", code: 403 },
    times: 1,
    says: /Cannot patch httproutes\S* "demo\/e403".*(forbidden|403)/i,
  },
  {
    app: "e422",
    at: ["primary"],
    effect: { type: "status", code: 422 },
    times: 1,
    says: /Cannot patch deployments\S* "demo\/e422-primary"/,
  },
  { app: "e409", at: ["route", "primary", "state"], effect: { type: "status", code: 409 }, times: 2, says: null },
  {
    app: "e410",
    at: ["route", "state"],
    effect: { type: "status", code: 410 },
    times: 1,
    says: /"demo\/(serin-)?e410"/,
  },
  {
    app: "e429",
    at: ["route", "state"],
    effect: { type: "status", code: 429, retryAfterSeconds: 3 },
    times: 1,
    says: /"demo\/(serin-)?e429"/,
  },
  {
    app: "e500",
    at: ["route", "primary", "state", "scale"],
    effect: { type: "status", code: 500 },
    times: 1,
    says: /Cannot \w+ \S+ "demo\/(serin-)?e500/,
  },
  { app: "cut", at: ["route", "state", "primary"], effect: { type: "cut" }, times: 1, says: /"demo\/(serin-)?cut/ },
  {
    app: "lost",
    at: ["route", "state", "primary", "scale"],
    effect: { type: "drop-answer" },
    times: 1,
    says: /"demo\/(serin-)?lost/,
  },
  { app: "hang", at: ["route", "state"], effect: { type: "hang" }, times: 1, says: /no answer within 1500 ms/ },
];

function pathOf(app: string, where: Where): RegExp {
  switch (where) {
    case "route":
      return new RegExp(`/httproutes/${app}\\b(?!-)`);
    case "primary":
      return new RegExp(`/deployments/${app}-primary\\?`);
    case "state":
      return new RegExp(`/configmaps/serin-${app}\\b`);
    case "scale":
      return new RegExp(`/deployments/${app}/scale`);
  }
}

Deno.test("an API server that refuses, loses or never answers writes of a promotion", async (t) => {
  const names = ROWS.map(({ app }) => app);
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks)) }, async (stage) => {
    const { sandbox } = stage;
    const loads = names.map((name) => stage.loadOn({ host: hostOf(name), ratePerSecond: 10 }));
    await holdAtHalf(stage, "2.0.0", ...names);
    for (const { app, at, effect, times } of ROWS) {
      for (const where of at) {
        sandbox.api.faults.add({
          verb: where === "state" ? "update" : "patch",
          path: pathOf(app, where),
          times,
          effect,
        });
      }
    }
    openGate(stage, ...names);
    const shown = new Map(names.map((name) => [name, new Set<string>()]));
    const all = Promise.all(names.map((name) => stage.of(name).see("promoted", promoted("2.0.0"), 60_000)));
    const watching = new AbortController();
    const watched = watchStalled(stage, shown, watching.signal);
    try {
      await all;
    } finally {
      watching.abort();
      await watched;
    }
    strictEqual(sandbox.api.faults.armed, 0, "every fault met its request");
    for (const row of ROWS) await t.step(row.app, () => afterwards(stage, row, [...shown.get(row.app) ?? []]));
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
  });
});

async function watchStalled(
  stage: FaultStage,
  shown: ReadonlyMap<string, Set<string>>,
  signal: AbortSignal,
): Promise<void> {
  await until("the end", () => {
    for (const [name, set] of shown) {
      const stalled = stage.of(name).view()?.stalled ?? null;
      if (stalled !== null) set.add(stalled);
    }
    return signal.aborted;
  }, 120_000);
}

async function afterwards(stage: FaultStage, row: Row, stalled: readonly string[]): Promise<void> {
  const { app, says } = row;
  await rests(stage.sandbox, app, "2.0.0");
  deepStrictEqual(await decisionsOf(stage.sandbox, app), [
    `Initialise demo/${app} at ${app}:1.0.0`,
    `Promote demo/${app} to ${app}:2.0.0`,
  ]);
  for (const kind of ["promoting", "succeeded"]) strictEqual(told(stage, app, kind).length, 1, kind);
  const logged = stage.logged.filter(({ event, fields }) =>
    event.startsWith("turn-") && fields["canary"] === `demo/${app}`
  );
  if (says === null) {
    ok(logged.every(({ event }) => event === "turn-again"), JSON.stringify(logged));
    return;
  }
  match(logged.map(({ fields }) => fields["error"]).join("\n"), says);
  match(stalled.join("\n"), says);
  ok(logged.every(({ event }) => event !== "turn-stopped"), JSON.stringify(logged));
  strictEqual(stage.of(app).view()?.stalled, null, "it is over");
}

Deno.test("watches that are cut, hang, are forgotten; an API server that is away", async (t) => {
  const impatient = { spec: { progressDeadlineSeconds: 10 } };
  const apps = (hooks: HookReceiver) => [gated("shop", hooks, impatient), gated("bad", hooks)];
  await withFaults({ apps }, async (stage) => {
    const { sandbox, hooks } = stage;
    const { faults } = sandbox.api;
    const load = usersOf(stage, "shop");
    await t.step("cut all the time: a rollout goes through", async () => {
      const cutting = setInterval(() => faults.cutWatches(), 40);
      try {
        openGate(stage, "shop");
        await bump(sandbox, "2.0.0", "shop");
        await stage.of("shop").see("promoted", promoted("2.0.0"));
      } finally {
        clearInterval(cutting);
      }
    });
    await t.step("answered 410, then 500, then not for longer than the deadline: it goes through", async () => {
      for (const code of [410, 500] as const) {
        faults.add({ verb: "watch", path: /deployments/, times: 2, effect: { type: "status", code } });
      }
      faults.add({ verb: "watch", path: /deployments/, times: 1, effect: { type: "hang" } });
      faults.compact();
      faults.cutWatches();
      await until("a watch hangs", () => faults.armed === 0);
      closeGate(stage, "shop");
      await bump(sandbox, "3.0.0", "shop");
      await stage.of("shop").see("at half", ({ weight }) => weight === 50, 60_000);
      faults.compact();
      faults.closeWatches();
      openGate(stage, "shop");
      await stage.of("shop").see("promoted", promoted("3.0.0"));
    });
    await t.step(
      "away while a release fails: at its return traffic goes back first, the verdict is not lost",
      async () => {
        await holdAtHalf(stage, "2.0.0", "bad");
        await sandbox.api.down();
        hooks.reply("/bad/check", { status: 500, body: "does not sell" });
        await until(
          "the log says so",
          () =>
            stage.logged.some(({ event, fields }) =>
              event === "turn-again" && fields["canary"] === "demo/bad" && /serin-bad/.test(String(fields["error"]))
            ),
        );
        sandbox.api.up();
        await until("no share is on", () => weightOf(sandbox, "bad") === 0);
        await stage.of("bad").see("reverted", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
        deepStrictEqual((await decisionsOf(sandbox, "bad")).slice(1), ["Revert demo/bad to bad:1.0.0"]);
        strictEqual(replicasOf(sandbox, "bad"), 0);
      },
    );
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    await rests(sandbox, "shop", "3.0.0");
  });
});
