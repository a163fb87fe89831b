/** Shares under checks: gate, capacity, routing, check, and the gate before the promotion. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aCheck,
  aHook,
  aPrimary,
  aWorkload,
  closed,
  MINUTE,
  NEW,
  NOW,
  OLD,
  OPEN,
  rollingOut,
  shop,
  type SituationOptions,
  unknown,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import { canaryFrom } from "../../../test/support/scenario_canary.ts";

const at = (options: SituationOptions = {}) => rollingOut("progressing", options);
const routes = { exists: true, weight: 20, mirror: false, accepted: "yes" as const, reason: null, drifted: false };
const gated = shop({ analysis: { webhooks: [aHook("confirm-traffic-increase"), aHook("confirm-promotion")] } });
const traffic = "confirm-traffic-increase";
const checked = (metrics = [aCheck()]) => ({ answers: { metrics } });

// Gates

for (
  const [name, options, place, says] of [
    ["no hook", {}, "progressing/capacity", []],
    ["open", { canary: gated, seen: { answers: { hooks: { [traffic]: OPEN } } } }, "progressing/capacity", []],
    ["approved by a person", { canary: gated, run: { openGates: [traffic] } }, "progressing/capacity", []],
    [
      "closed, with a share on: checks go on",
      { canary: gated, seen: { answers: { hooks: { [traffic]: closed("g") } } } },
      "progressing/check",
      ["waiting"],
    ],
    [
      "no answer is not open",
      { canary: gated, seen: { answers: { hooks: { [traffic]: unknown("g") } } } },
      "progressing/check",
      ["waiting"],
    ],
    ["not asked yet", { canary: gated }, "progressing/gate", []],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[]])[]
) {
  Deno.test(`progressing: the traffic gate, ${name}: ${place}`, () => {
    const next = stepped(
      at({ stage: "gate", ...options, run: { nextWeight: 40, ...("run" in options ? options.run : {}) } }),
    );
    deepEqual([next.place, next.says, next.state.run?.weight], [place, says, 20]);
  });
}

Deno.test("progressing: a closed gate before the first share waits without checks, and is told once", () => {
  const options = {
    stage: "gate" as const,
    canary: gated,
    weight: 0,
    seen: { answers: { hooks: { [traffic]: closed("g") } } },
  };
  const next = stepped(at(options));
  deepEqual([next.place, next.says, next.wakes], ["progressing/gate", ["waiting"], [NOW + MINUTE]]);
  deepEqual(stepped({ state: next.state, seen: at(options).seen }).says, []);
});

Deno.test("progressing: an approval is used up by the share it let through", () => {
  const next = stepped(at({ stage: "gate", canary: gated, run: { openGates: [traffic], nextWeight: 40 } }));
  deepEqual(next.state.run?.openGates, []);
});

Deno.test("progressing: a muted gate alerts nobody", () => {
  const hooks = { [traffic]: closed("g", { muteAlert: true }) };
  const next = stepped(at({ stage: "gate", canary: gated, seen: { answers: { hooks } } }));
  const [told] = next.actions.flatMap((action) => action.type === "announce" ? [action.announcement] : []);
  equal(told?.alert, false);
});

Deno.test("progressing: at the last weight the traffic gate leads to the promotion's", () => {
  equal(stepped(at({ stage: "gate", weight: 60, run: { nextWeight: 60 } })).place, "progressing/promotion-gate");
});

for (
  const [name, options, phase] of [
    ["no hook", {}, "pushing"],
    ["open", { canary: gated, seen: { answers: { hooks: { "confirm-promotion": OPEN } } } }, "pushing"],
    ["approved", { canary: gated, run: { openGates: ["confirm-promotion"] } }, "pushing"],
    [
      "closed",
      { canary: gated, seen: { answers: { hooks: { "confirm-promotion": closed("g") } } } },
      "waiting-promotion",
    ],
    [
      "silent",
      { canary: gated, seen: { answers: { hooks: { "confirm-promotion": unknown("g") } } } },
      "waiting-promotion",
    ],
  ] as const satisfies readonly (readonly [string, SituationOptions, string])[]
) {
  Deno.test(`progressing: the promotion gate, ${name}: ${phase}`, () => {
    const next = stepped(at({ stage: "promotion-gate", weight: 60, ...options }));
    equal(next.state.phase, phase);
    deepEqual(next.does, phase === "pushing" ? ["submit promotion"] : []);
    equal(next.state.run?.weight, 60);
  });
}

// Capacity and routing

Deno.test("progressing: pods first: the canary is scaled before its share rises", () => {
  const next = stepped(at({ stage: "capacity", run: { nextWeight: 40 } }));
  deepEqual([next.place, next.does, next.state.run?.weight], ["progressing/capacity", ["scale-target 2"], 20]);
});

for (
  const [name, ready, nextStage, weight] of [
    ["not enough pods are ready", 1, "capacity", 20],
    ["enough pods are ready", 2, "routing", 40],
  ] as const
) {
  Deno.test(`progressing: ${name}: ${nextStage} at ${weight} %`, () => {
    const cluster = { target: aWorkload(NEW, 2, { ready }) };
    const next = stepped(at({ stage: "capacity", run: { nextWeight: 40 }, seen: { cluster } }));
    deepEqual([next.place, next.state.run?.weight, next.does], [`progressing/${nextStage}`, weight, []]);
  });
}

Deno.test("progressing: pods that do not come by the deadline fail the rollout", () => {
  const cluster = { target: aWorkload(NEW, 2, { ready: 1 }) };
  const late = { nextWeight: 40, stageSince: NOW - 10 * MINUTE };
  const next = stepped(at({ stage: "capacity", run: late, seen: { cluster } }));
  deepEqual([next.state.phase, next.state.run?.rollback?.cause, next.says], ["rolling-back", "failed", [
    "rolling-back",
  ]]);
});

Deno.test("progressing: checks go on while pods are awaited, and can end the rollout", () => {
  const cluster = { target: aWorkload(NEW, 2, { ready: 1 }) };
  const waiting = (failedChecks: number) =>
    stepped(
      at({
        stage: "capacity",
        run: { nextWeight: 40, failedChecks },
        seen: { cluster, ...checked([aCheck("failed")]) },
      }),
    );
  deepEqual([waiting(0).place, waiting(0).state.run?.failedChecks], ["progressing/capacity", 1]);
  deepEqual([waiting(2).state.phase, waiting(2).state.run?.rollback?.cause], ["rolling-back", "failed"]);
});

Deno.test("progressing: the route is written, observed, and only then time counts for the check", () => {
  const written = stepped(
    at({ stage: "routing", weight: 40, seen: { cluster: { routes, target: aWorkload(NEW, 2) } } }),
  );
  deepEqual([written.place, written.does, written.says], ["progressing/routing", ["route 40"], ["advanced"]]);
  const unseen = { ...routes, weight: 40, accepted: "unknown" as const };
  const waiting = stepped(at({ stage: "routing", weight: 40, seen: { cluster: { routes: unseen } } }));
  deepEqual([waiting.place, waiting.does], ["progressing/routing", []]);
  const seen = stepped(
    at({
      stage: "routing",
      weight: 40,
      seen: { cluster: { routes: { ...routes, weight: 40 }, target: aWorkload(NEW, 3) } },
    }),
  );
  deepEqual([seen.place, seen.state.run?.nextCheckAt, seen.state.run?.routedAt], [
    "progressing/check",
    NOW + MINUTE,
    NOW,
  ]);
});

Deno.test("progressing: no route is written to pods that went away since", () => {
  const next = stepped(
    at({ stage: "routing", weight: 40, seen: { cluster: { routes, target: aWorkload(NEW, 2, { ready: 0 }) } } }),
  );
  deepEqual([next.place, next.does], ["progressing/routing", []]);
});

Deno.test("progressing: the fence is on before the route is written", () => {
  const cluster = { routes, target: aWorkload(NEW, 2), fenceNeeded: true };
  deepEqual(stepped(at({ stage: "routing", weight: 40, seen: { cluster } })).does, ["fence"]);
});

Deno.test("progressing: a route that is not accepted by the deadline holds the rollout, and fails nobody", () => {
  const cluster = { routes: { ...routes, accepted: "no" as const, reason: "no Gateway" } };
  const run = { stageSince: NOW - 10 * MINUTE };
  const next = stepped(at({ stage: "routing", run, seen: { cluster } }));
  deepEqual([next.state.phase, next.state.run?.rollback?.cause], ["rolling-back", "held"]);
});

// Checks

for (
  const [name, options, place, failed] of [
    ["not asked yet", {}, "progressing/check", 0],
    ["passed", { seen: checked() }, "progressing/gate", 0],
    ["failed once", { seen: checked([aCheck("failed")]) }, "progressing/check", 1],
    [
      "failed for the third time",
      { run: { failedChecks: 2 }, seen: checked([aCheck("failed")]) },
      "rolling-back/check",
      3,
    ],
    ["critical", { seen: checked([aCheck("failed", { critical: true })]) }, "rolling-back/check", 3],
    [
      "passed though the primary is not ready",
      { seen: { ...checked(), cluster: { primary: aPrimary(OLD, { ready: 0 }) } } },
      "progressing/check",
      0,
    ],
    [
      "passed though the route drifted",
      { seen: { ...checked(), cluster: { routes: { ...routes, drifted: true } } } },
      "progressing/check",
      0,
    ],
    [
      "passed though the route is refused",
      { seen: { ...checked(), cluster: { routes: { ...routes, accepted: "no" } } } },
      "progressing/routing",
      0,
    ],
    [
      "passed though no pod of the canary is ready",
      { seen: { ...checked(), cluster: { target: aWorkload(NEW, 1, { ready: 0 }) } } },
      "rolling-back/check",
      0,
    ],
    [
      "the canary's rollout gave up",
      { seen: { cluster: { target: aWorkload(NEW, 1, { failed: "ProgressDeadlineExceeded" }) } } },
      "rolling-back/check",
      0,
    ],
    [
      "a rollback hook opened",
      { seen: { answers: { metrics: [aCheck()], hooks: { rollback: OPEN } } } },
      "rolling-back/check",
      0,
    ],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, number])[]
) {
  Deno.test(`progressing: a check, ${name}: ${place}`, () => {
    const next = stepped(at(options));
    deepEqual([next.place, next.state.run?.failedChecks], [place, failed]);
    equal((next.state.run?.weight ?? 0) <= 20, true, "A check alone raises nothing");
  });
}

for (
  const [name, cluster, does, place] of [
    ["the apex", { apex: "target" }, ["apply-services primary"], "gate"],
    ["a Service", { servicesReady: false }, ["apply-services primary"], "gate"],
    ["the primary", { primaryDrifted: true }, ["apply-primary"], "gate"],
    ["a primary that cannot carry its part", { primary: aPrimary(OLD, { replicas: 3 }) }, ["scale-primary 4"], "gate"],
    ["the fence", { fenceNeeded: true }, ["fence"], "gate"],
    ["the fence, and the share is gone", { fenceNeeded: true, routes: { ...routes, weight: 0 } }, ["fence"], "routing"],
  ] as const satisfies readonly (readonly [string, object, readonly string[], string])[]
) {
  Deno.test(`progressing: a round that passed does not put off ${name}: ${does.join()}`, () => {
    const next = stepped(at({ seen: { ...checked(), cluster } }));
    deepEqual([next.place, next.does], [`progressing/${place}`, does]);
  });
}

for (
  const [phase, stage] of [
    ["progressing", "capacity"],
    ["progressing", "routing"],
    ["progressing", "check"],
    ["pushing", "check"],
  ] as const
) {
  Deno.test(`${phase}/${stage}: a share that was lost with its fence waits until the fence is seen`, () => {
    const lost = (fence: object) => {
      const cluster = { fenceNeeded: true, routes: { ...routes, weight: 0 }, target: aWorkload(NEW, 2), ...fence };
      return stepped(rollingOut(phase, { stage, run: { nextWeight: 60 }, seen: { cluster } })).does.filter((one) =>
        one === "fence" || one.startsWith("route")
      );
    };
    deepEqual(lost({}), ["fence"]);
    deepEqual(lost({ fence: "ours", fenceRun: "run0000001" }), ["route 20"]);
  });
}

Deno.test("progressing: when all failed checks were inconclusive the rollout is held, when one failed it failed", () => {
  for (const [inconclusiveChecks, cause] of [[2, "held"], [1, "failed"]] as const) {
    const run = { failedChecks: 2, inconclusiveChecks };
    equal(stepped(at({ run, seen: checked([aCheck("inconclusive")]) })).state.run?.rollback?.cause, cause);
  }
});

Deno.test("progressing: while traffic is on, its time is remembered for the metric windows of the next rollout", () => {
  equal(stepped(at({ seen: checked() })).state.lastTrafficAt, NOW);
  equal(stepped(at({ weight: 0, seen: checked() })).state.lastTrafficAt, null);
});

for (
  const [name, words, run, place, next] of [
    ["weights: the next step", "weights=20,40", { weight: 20 }, "gate", 40],
    ["weights: the last one", "weights=20,40", { weight: 40 }, "gate", 40],
    ["weights after a mirror", "weights=20,40 mirror", { weight: 0, mirror: true }, "capacity", 20],
    ["A/B: another round", "ab=3", { weight: 100, iterations: 1 }, "check", 0],
    ["A/B: the last round", "ab=3", { weight: 100, iterations: 2 }, "promotion-gate", 0],
    ["blue/green: another round", "blue-green=3", { weight: 0, iterations: 0 }, "check", 0],
    ["blue/green: the gate comes before the switch", "blue-green=3", { weight: 0, iterations: 2 }, "promotion-gate", 0],
  ] as const
) {
  Deno.test(`progressing: after a round that passed, ${name}: ${place}`, () => {
    const canary = canaryFrom(words.split(" "));
    const mirror = "mirror" in run ? run.mirror : false;
    const cluster = { routes: { ...routes, weight: run.weight, mirror }, target: aWorkload(NEW, 4) };
    const result = stepped(
      at({ canary, weight: run.weight, run: { ...run, nextWeight: 0 }, seen: { ...checked(), cluster } }),
    );
    deepEqual([result.place, result.state.run?.nextWeight], [`progressing/${place}`, next]);
  });
}

Deno.test("progressing: blue/green switches through an open gate, and is not asked again after the switch", () => {
  const canary = canaryFrom(["blue-green=3"]);
  const switching = stepped(at({ canary, stage: "promotion-gate", weight: 0, run: { iterations: 3 } }));
  deepEqual([switching.place, switching.state.run?.nextWeight], ["progressing/capacity", 100]);
  const cluster = { routes: { ...routes, weight: 100 }, target: aWorkload(NEW, 4) };
  const after = stepped(at({ canary, weight: 100, run: { iterations: 3 }, seen: { ...checked(), cluster } }));
  deepEqual([after.state.phase, after.does], ["pushing", ["submit promotion"]]);
});

Deno.test("progressing: paused or suspended, routes are kept, nothing is asked or moved, and no deadline runs", () => {
  for (const state of [{ paused: { by: "robin", at: NOW, reason: "" } }, { suspended: true }] as const) {
    const seen = {
      git: { canary: shop({ suspend: "suspended" in state }) },
      cluster: { routes: { ...routes, drifted: true } },
    };
    const next = stepped(at({ stage: "capacity", run: { nextWeight: 40, stageSince: 0 }, state, seen }));
    deepEqual([next.place, next.does, next.state.run?.weight, next.state.run?.stageSince], [
      "progressing/capacity",
      ["route 20"],
      20,
      NOW,
    ]);
  }
});
