/** The committed promotion: primary first, then the traffic, then the canary; and the way back when it cannot. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aLock,
  aPrimary,
  aWorkload,
  MINUTE,
  NEW,
  NEWER,
  NOW,
  OLD,
  rollingOut,
  SECOND,
  type SituationOptions,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import { canaryFrom } from "../../../test/support/scenario_canary.ts";
import { lockDigest } from "../decision.ts";

const promoting = (options: SituationOptions = {}) =>
  rollingOut("promoting", { stage: "applying", weight: 50, ...options });
const route = (weight: number) => ({
  exists: true,
  weight,
  mirror: false,
  accepted: "yes" as const,
  reason: null,
  drifted: false,
});
const late = { stageSince: NOW - 10 * MINUTE };

for (
  const [name, options, phase, does, weight] of [
    ["the primary is applied from the commit", { seen: { cluster: { primary: aPrimary(OLD) } } }, "promoting", [
      "apply-primary",
    ], 50],
    [
      "a field of the primary drifted",
      { seen: { cluster: { primaryDrifted: true } } },
      "promoting",
      ["apply-primary"],
      50,
    ],
    ["its pods are not ready", { seen: { cluster: { primary: aPrimary(NEW, { ready: 2 }) } } }, "promoting", [], 50],
    ["older pods still run", { seen: { cluster: { primary: aPrimary(NEW, { old: 1 }) } } }, "promoting", [], 50],
    [
      "its controller has not looked yet",
      { seen: { cluster: { primary: aPrimary(NEW, { observed: false }) } } },
      "promoting",
      [],
      50,
    ],
    ["it is ready", {}, "promoting", ["route 0"], 0],
    ["it is ready, in steps", { canary: canaryFrom(["weights=50", "step-weight-promotion=30"]) }, "promoting", [
      "route 20",
    ], 20],
    [
      "the step's time has not come",
      {
        canary: canaryFrom(["weights=50", "step-weight-promotion=30"]),
        stage: "routing",
        run: { nextCheckAt: NOW + MINUTE },
      },
      "promoting",
      [],
      50,
    ],
    [
      "the route was written and is not accepted",
      { weight: 0, seen: { cluster: { routes: { ...route(0), accepted: "unknown" } } } },
      "promoting",
      [],
      0,
    ],
    ["all traffic is back, and seen to be", { weight: 0 }, "finalising", [], 0],
    ["the deadline", { run: late, seen: { cluster: { primary: aPrimary(NEW, { ready: 2 }) } } }, "restoring", [
      "apply-primary",
    ], 50],
    [
      "its rollout gave up",
      { seen: { cluster: { primary: aPrimary(NEW, { ready: 0, failed: "ProgressDeadlineExceeded" }) } } },
      "restoring",
      ["apply-primary"],
      50,
    ],
    [
      "the deadline, with no lock to go back to",
      { run: { ...late, previous: null }, seen: { cluster: { primary: aPrimary(NEW, { ready: 2 }) } } },
      "promoting",
      [],
      50,
    ],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[], number])[]
) {
  Deno.test(`promoting: ${name}: ${phase} at ${weight} %`, () => {
    const next = stepped(promoting(options));
    deepEqual([next.state.phase, next.does, next.state.run?.weight], [phase, does, weight]);
  });
}

Deno.test("promoting: a primary that cannot carry its share is relieved: the canary is scaled up, then takes it", () => {
  const primary = aPrimary(NEW, { ready: 0, available: 1 });
  const scaled = stepped(promoting({ seen: { cluster: { primary } } }));
  deepEqual([scaled.does, scaled.state.run?.weight], [["scale-target 4"], 50]);
  const ready = stepped(promoting({ seen: { cluster: { primary, target: aWorkload(NEW, 4) } } }));
  deepEqual([ready.does, ready.state.run?.weight], [["route 100"], 100]);
});

for (
  const [name, cluster, does] of [
    ["the target is fenced first", { fenceNeeded: true }, ["fence"]],
    ["a target that is not what was analysed gets nothing", { target: aWorkload(NEWER, 4) }, []],
    ["pods that carry the share are enough", { primary: aPrimary(NEW, { ready: 0, available: 2 }) }, []],
    ["a share that was saved but never routed stays as it is", { routes: route(80) }, []],
  ] as const
) {
  Deno.test(`promoting: relief: ${name}`, () => {
    const primary = aPrimary(NEW, { ready: 0, available: 1 });
    deepEqual(stepped(promoting({ seen: { cluster: { primary, target: aWorkload(NEW, 4), ...cluster } } })).does, does);
  });
}

Deno.test("promoting: with all of the traffic, a rolling primary is let be, one without a pod is relieved", () => {
  const rolling = { primary: aPrimary(NEW, { ready: 1, available: 3 }), target: aWorkload(NEW, 4) };
  deepEqual(stepped(promoting({ weight: 0, seen: { cluster: rolling } })).does, []);
  const none = { primary: aPrimary(NEW, { ready: 0, available: 0 }), target: aWorkload(NEW, 4) };
  deepEqual(stepped(promoting({ weight: 0, seen: { cluster: none } })).does, ["route 100"]);
});

Deno.test("promoting: giving up makes the previous lock the lock, and what was promoted withdrawn", () => {
  const { state, says } = stepped(
    promoting({ run: late, seen: { cluster: { primary: aPrimary(NEW, { ready: 2 }) } } }),
  );
  deepEqual([state.lock?.release.revision, state.withdrawn, says], [OLD.revision, [lockDigest(aLock(NEW))], [
    "rolling-back",
  ]]);
});

// Finalising

const finalising = (options: SituationOptions = {}) =>
  rollingOut("finalising", { weight: 0, ...options, run: { routedAt: NOW - MINUTE, ...options.run } });

for (
  const [name, options, phase, does] of [
    ["proxies follow", { run: { routedAt: NOW - 3 * SECOND } }, "finalising", []],
    ["the route drifted", { seen: { cluster: { routes: { ...route(0), drifted: true } } } }, "finalising", ["route 0"]],
    ["the canary goes to zero, its fence off", { seen: { cluster: { fence: "ours" } } }, "finalising", [
      "unfence",
      "scale-target 0",
      "floor-primary",
    ]],
    [
      "the primary lost a pod: the canary stays",
      { seen: { cluster: { primary: aPrimary(NEW, { ready: 3, available: 3 }) } } },
      "finalising",
      [],
    ],
    [
      "the primary lost all its pods",
      { seen: { cluster: { primary: aPrimary(NEW, { ready: 0, available: 0 }) } } },
      "promoting",
      [],
    ],
    ["at zero", { seen: { cluster: { target: aWorkload(NEW, 0) } } }, "idle", [
      "floor-primary",
      "prune-copies",
      "call post-rollout Succeeded",
    ]],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[]])[]
) {
  Deno.test(`finalising: ${name}: ${phase}`, () => {
    const next = stepped(finalising(options));
    deepEqual([next.state.phase, next.does], [phase, does]);
    equal(next.state.last?.outcome === "succeeded", phase === "idle");
  });
}

Deno.test("finalising: the end is announced, and its cookie is the next to be expired", () => {
  const run = { cookies: { canary: "shop=abc", previous: null, primary: null } };
  const next = stepped(finalising({ run, seen: { cluster: { target: aWorkload(NEW, 0) } } }));
  deepEqual([next.says, next.state.previousCookie, next.state.last?.revision], [
    ["succeeded"],
    "shop=abc",
    NEW.revision,
  ]);
});

// Restoring

const restoring = (options: SituationOptions = {}) =>
  rollingOut("restoring", { weight: 50, ...options, run: { routedAt: NOW - MINUTE, ...options.run } });

for (
  const [name, options, phase, does, weight] of [
    [
      "the previous lock is applied",
      { seen: { cluster: { primary: aPrimary(NEW) } } },
      "restoring",
      ["apply-primary"],
      50,
    ],
    [
      "its pods are not ready",
      { seen: { cluster: { primary: aPrimary(OLD, { ready: 1, available: 2 }) } } },
      "restoring",
      [],
      50,
    ],
    [
      "it cannot carry its share",
      { seen: { cluster: { primary: aPrimary(OLD, { ready: 0, available: 0 }) } } },
      "restoring",
      ["scale-target 4"],
      50,
    ],
    ["ready: traffic goes back", {}, "restoring", ["route 0"], 0],
    ["traffic is back, proxies follow", { weight: 0, run: { routedAt: NOW - 3 * SECOND } }, "restoring", [], 0],
    ["the canary goes to zero", { weight: 0 }, "restoring", ["scale-target 0", "floor-primary"], 0],
    ["at zero: Git is told", { weight: 0, seen: { cluster: { target: aWorkload(NEW, 0) } } }, "reverting", [
      "floor-primary",
      "call post-rollout Failed",
      "submit withdrawal",
    ], 0],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[], number])[]
) {
  Deno.test(`restoring: ${name}: ${phase} at ${weight} %`, () => {
    const next = stepped(restoring(options));
    deepEqual([next.state.phase, next.does, next.state.run?.weight], [phase, does, weight]);
  });
}

Deno.test("restoring: a previous primary that does not get ready either is told, and its share does not rise", () => {
  const next = stepped(
    restoring({ run: late, seen: { cluster: { primary: aPrimary(OLD, { ready: 1, available: 2 }) } } }),
  );
  deepEqual([next.state.phase, next.says, next.does], ["restoring", ["stalled"], []]);
});

Deno.test("restoring: the withdrawal writes the previous lock, the manifests back to it, and the quarantine", () => {
  const { state } = stepped(restoring({ weight: 0, seen: { cluster: { target: aWorkload(NEW, 0) } } }));
  const { decision } = state;
  deepEqual(
    [
      decision?.lock.release.revision,
      decision?.manifests?.revision,
      decision?.quarantine?.release.revision,
      state.last?.outcome,
    ],
    [OLD.revision, OLD.revision, NEW.revision, "failed"],
  );
});

for (const [phase, release] of [["promoting", NEW], ["restoring", OLD]] as const) {
  Deno.test(`${phase}: a route that is put right while pods are waited for settles anew`, () => {
    const cluster = { primary: aPrimary(release, { ready: 2, available: 3 }), routes: { ...route(50), drifted: true } };
    const next = stepped(rollingOut(phase, { weight: 50, seen: { cluster } }));
    deepEqual([next.does, next.state.run?.routedAt], [["route 50"], null]);
  });
}
