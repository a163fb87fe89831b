/** The canary at weight 0: what must be true before anything gets a share. Also the wait at confirm-rollout. */
import { deepEqual, equal, match } from "node:assert/strict";
import {
  aComparison,
  aHook,
  anObservation,
  aState,
  aWorkload,
  closed,
  MINUTE,
  NEW,
  NEWER,
  NOW,
  OLD,
  OPEN,
  rollingOut,
  SECOND,
  shop,
  type SituationOptions,
  unknown,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import { canaryFrom } from "../../../test/support/scenario_canary.ts";
import { revisionOf, trackedConfig } from "../release.ts";
import { NO_WORKLOAD } from "../workload.ts";

const at = (options: SituationOptions) => rollingOut("starting", { weight: 0, ...options });
const engine = { engineApplies: false };
const routes = { exists: true, weight: 0, mirror: false, accepted: "yes" as const, reason: null, drifted: false };

for (
  const [name, options, place, does, says] of [
    [
      "self: the target is applied",
      { stage: "applying", seen: { cluster: { targetRevision: OLD.revision } } },
      "applying",
      ["apply-target"],
      [],
    ],
    [
      "a deleted target is on its way out",
      {
        stage: "applying",
        run: { templateDigest: null },
        seen: { cluster: { target: aWorkload(NEW, 1, { deleting: true }), targetRevision: OLD.revision } },
      },
      "applying",
      [],
      [],
    ],
    ["self: it was applied", { stage: "applying" }, "scaling", [], []],
    [
      "an engine has not applied it",
      { stage: "applying", seen: { cluster: { ...engine, applied: { type: "pending", message: "at 1.0.0" } } } },
      "applying",
      [],
      ["waiting"],
    ],
    [
      "an engine failed to apply it",
      { stage: "applying", seen: { cluster: { ...engine, applied: { type: "failed", message: "no such field" } } } },
      "applying",
      [],
      ["waiting"],
    ],
    [
      "an earlier rollout's fence comes off before the engine is asked",
      { stage: "applying", seen: { cluster: { ...engine, fence: "ours", fenceRun: "earlier" } } },
      "applying",
      ["unfence"],
      [],
    ],
    ["an engine applied it", { stage: "applying", seen: { cluster: engine } }, "scaling", [], []],
    [
      "the canary is scaled, the primary may not go below",
      { stage: "scaling", seen: { cluster: { target: aWorkload(NEW, 0) } } },
      "scaling",
      ["floor-primary", "scale-target 1"],
      [],
    ],
    [
      "pods are not ready",
      { stage: "scaling", seen: { cluster: { target: aWorkload(NEW, 1, { ready: 0 }) } } },
      "scaling",
      [],
      [],
    ],
    [
      "older pods still run",
      { stage: "scaling", seen: { cluster: { target: aWorkload(NEW, 1, { old: 1 }) } } },
      "scaling",
      [],
      [],
    ],
    [
      "the controller has not looked yet",
      { stage: "scaling", seen: { cluster: { target: aWorkload(NEW, 1, { observed: false }) } } },
      "scaling",
      [],
      [],
    ],
    ["pods are ready", { stage: "scaling" }, "comparing", [], []],
    [
      "what runs is not what would be promoted (self)",
      { stage: "comparing", seen: { answers: { comparison: aComparison(NEW, { difference: "spec.x" }) } } },
      "scaling",
      ["apply-target"],
      ["stalled"],
    ],
    [
      "what runs is not what would be promoted (engine)",
      {
        stage: "comparing",
        seen: { cluster: engine, answers: { comparison: aComparison(NEW, { difference: "spec.x" }) } },
      },
      "comparing",
      [],
      ["stalled"],
    ],
    [
      "what runs is not yet what would be promoted (engine, a moment ago)",
      {
        stage: "comparing",
        run: { startedAt: NOW - 5 * SECOND },
        seen: { cluster: engine, answers: { comparison: aComparison(NEW, { difference: "spec.x" }) } },
      },
      "comparing",
      [],
      [],
    ],
    [
      "what runs is what would be promoted",
      { stage: "comparing", seen: { answers: { comparison: aComparison() } } },
      "fencing",
      [],
      [],
    ],
    [
      "behind it, what an engine rendered is kept",
      { stage: "fencing", seen: { cluster: { captured: false } } },
      "fencing",
      ["capture"],
      [],
    ],
    ["the fence is put on", { stage: "fencing", seen: { cluster: { fenceNeeded: true } } }, "fencing", ["fence"], []],
    [
      "the fence is put on, and holds something up beside it",
      { stage: "fencing", seen: { cluster: { fenceNeeded: true, heldUp: "Later waves wait." } } },
      "fencing",
      ["fence"],
      ["waiting"],
    ],
    [
      "somebody else's fence is on",
      { stage: "fencing", seen: { cluster: { fenceNeeded: true, fence: "foreign" } } },
      "fencing",
      [],
      ["stalled"],
    ],
    [
      "the fence is on",
      { stage: "fencing", seen: { cluster: { fenceNeeded: true, fence: "ours", fenceRun: "run0000001" } } },
      "pre-rollout",
      [],
      [],
    ],
    [
      "the route is put right first",
      { stage: "scaling", seen: { cluster: { routes: { ...routes, weight: 30 } } } },
      "scaling",
      ["route 0"],
      [],
    ],
    [
      "the route is not accepted",
      { stage: "scaling", seen: { cluster: { routes: { ...routes, accepted: "no" } } } },
      "scaling",
      [],
      ["waiting"],
    ],
    ["the primary drifted", { stage: "scaling", seen: { cluster: { primaryDrifted: true } } }, "scaling", [
      "apply-primary",
    ], []],
    ["paused", { stage: "scaling", state: { paused: { by: "robin", at: NOW, reason: "" } } }, "scaling", [], [
      "waiting",
    ]],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[], readonly string[]])[]
) {
  Deno.test(`starting: ${name}: ${place}${does.length === 0 ? "" : `, ${does.join(", ")}`}`, () => {
    const next = stepped(at(options));
    deepEqual([next.place, next.does, next.says], [`starting/${place}`, does, says]);
    equal(next.state.run?.weight, 0);
  });
}

Deno.test("starting: pods that do not come by the deadline fail it, and no user has seen them", () => {
  const cluster = { target: aWorkload(NEW, 1, { ready: 0 }) };
  const late = stepped(at({ stage: "scaling", run: { stageSince: NOW - 10 * MINUTE }, seen: { cluster } }));
  deepEqual([late.state.phase, late.state.run?.rollback?.cause], ["rolling-back", "failed"]);
  const gaveUp = { target: aWorkload(NEW, 1, { ready: 0, failed: "ProgressDeadlineExceeded" }) };
  match(
    stepped(at({ stage: "scaling", seen: { cluster: gaveUp } })).state.run?.rollback?.reason ?? "",
    /Progress deadline/,
  );
});

Deno.test("starting: time in which the canary could not be scaled, or was paused, is not held against it", () => {
  const scaling = stepped(
    at({ stage: "scaling", run: { stageSince: 0 }, seen: { cluster: { target: aWorkload(NEW, 0) } } }),
  );
  equal(scaling.state.run?.stageSince, NOW);
  const paused = { paused: { by: "robin", at: 0, reason: "" } };
  equal(stepped(at({ stage: "scaling", run: { stageSince: 0 }, state: paused })).state.run?.stageSince, NOW);
});

Deno.test("starting: a target that is not there is applied by us, and awaited of an engine", () => {
  const gone = { target: NO_WORKLOAD };
  const run = { templateDigest: null };
  deepEqual(stepped(at({ stage: "scaling", run, seen: { cluster: gone } })).does, ["apply-target"]);
  const awaited = stepped(at({ stage: "scaling", run, seen: { cluster: { ...gone, ...engine } } }));
  deepEqual([awaited.does, awaited.says], [[], ["stalled"]]);
});

Deno.test("starting: at weight 0 until the last rollout is out of the metric windows", () => {
  const canary = canaryFrom(["window=5"]);
  const early = stepped(at({ stage: "fencing", canary, state: { lastTrafficAt: NOW - 4 * MINUTE } }));
  deepEqual([early.place, early.wakes], ["starting/fencing", [NOW + MINUTE]]);
  const clear = stepped(at({ stage: "fencing", canary, state: { lastTrafficAt: NOW - 5 * MINUTE } }));
  equal(clear.place, "starting/pre-rollout");
});

Deno.test("starting: skipAnalysis goes to the commit without a share", () => {
  const next = stepped(at({ stage: "fencing", canary: shop({ skipAnalysis: true }) }));
  deepEqual([next.state.phase, next.does, next.state.run?.weight], ["pushing", ["submit promotion"], 0]);
});

const measured = canaryFrom(["window=1"]);
const MISSING = { type: "missing", metric: "success-rate", reason: "no series" } as const;

for (
  const [name, canary, series, place, says] of [
    ["exist", measured, { type: "there" }, "progressing/gate", []],
    ["were not asked for yet", measured, null, "starting/pre-rollout", []],
    ["do not exist", measured, MISSING, "starting/pre-rollout", ["stalled"]],
    ["cannot be asked for", measured, { ...MISSING, type: "unknown" }, "starting/pre-rollout", ["waiting"]],
    ["do not exist, and nobody needs them", shop(), MISSING, "progressing/gate", []],
  ] as const
) {
  Deno.test(`starting: the series of its metrics ${name}: ${place}`, () => {
    const next = stepped(at({ stage: "pre-rollout", canary, seen: { answers: { series } } }));
    deepEqual([next.place, next.says], [place, says]);
    equal(next.state.run?.failedChecks, 0, "nothing is held against the release");
    if (place === "starting/pre-rollout") equal(next.wakes.length, 1);
  });
}

Deno.test("starting: with series missing a pre-rollout hook that passed is not called again", () => {
  const canary = canaryFrom(["window=1", "hooks=pre-rollout"]);
  const next = stepped(
    at({ stage: "pre-rollout", canary, seen: { answers: { hooks: { "pre-rollout": OPEN }, series: MISSING } } }),
  );
  deepEqual([next.place, next.state.run?.preRolloutPassed], ["starting/pre-rollout", true]);
});

const hooked = shop({ analysis: { webhooks: [aHook("pre-rollout")], threshold: 2 } });

for (
  const [name, answer, run, place, cause] of [
    ["not asked yet", undefined, {}, "starting/pre-rollout", null],
    ["passed", OPEN, {}, "progressing/gate", null],
    ["failed", closed("smoke"), {}, "starting/pre-rollout", null],
    ["failed for the last time", closed("smoke"), { failedChecks: 1 }, "rolling-back/pre-rollout", "failed"],
    [
      "never answered",
      unknown("smoke"),
      { failedChecks: 1, inconclusiveChecks: 1 },
      "rolling-back/pre-rollout",
      "held",
    ],
  ] as const
) {
  Deno.test(`starting: a pre-rollout hook, ${name}: ${place}`, () => {
    const hooks = answer === undefined ? {} : { "pre-rollout": answer };
    const next = stepped(at({ stage: "pre-rollout", canary: hooked, run, seen: { answers: { hooks } } }));
    deepEqual([next.place, next.state.run?.rollback?.cause ?? null], [place, cause]);
  });
}

for (
  const [words, stage, weight, mirror] of [
    ["weights=20,40", "gate", 20, false],
    ["weights=20,40 mirror", "capacity", 0, true],
    ["ab=3", "capacity", 100, false],
    ["blue-green=3", "capacity", 0, false],
    ["blue-green=3 mirror", "capacity", 0, true],
  ] as const
) {
  Deno.test(`starting: ${words} begins at ${stage} with ${weight} %${mirror ? " and a mirror" : ""}`, () => {
    const next = stepped(at({ stage: "pre-rollout", canary: canaryFrom(words.split(" ")) }));
    deepEqual([next.place, next.state.run?.nextWeight, next.state.run?.nextMirror], [
      `progressing/${stage}`,
      weight,
      mirror,
    ]);
  });
}

// confirm-rollout

const gated = shop({ analysis: { webhooks: [aHook("confirm-rollout")] } });
const waiting = (options: SituationOptions) =>
  rollingOut("waiting", {
    weight: 0,
    stage: "applying",
    canary: gated,
    ...options,
    seen: { ...options.seen, cluster: { target: aWorkload(OLD, 0), ...options.seen?.cluster } },
  });

for (
  const [name, options, place, says] of [
    ["not asked yet", {}, "waiting/applying", []],
    ["closed", { seen: { answers: { hooks: { "confirm-rollout": closed("g") } } } }, "waiting/applying", ["waiting"]],
    ["silent", { seen: { answers: { hooks: { "confirm-rollout": unknown("g") } } } }, "waiting/applying", ["waiting"]],
    ["open", { seen: { answers: { hooks: { "confirm-rollout": OPEN } } } }, "starting/applying", ["started"]],
    ["approved", { run: { openGates: ["confirm-rollout"] } }, "starting/applying", ["started"]],
    [
      "approved and paused",
      { run: { openGates: ["confirm-rollout"] }, state: { paused: { by: "robin", at: NOW, reason: "" } } },
      "waiting/applying",
      ["waiting"],
    ],
    ["a newer candidate", { seen: { git: { candidate: NEWER } } }, "idle", []],
    ["the tip back at the lock", { seen: { git: { candidate: OLD } } }, "idle", []],
    ["the Canary removed", { seen: { git: { presence: "removed", candidate: null } } }, "idle", []],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[]])[]
) {
  Deno.test(`waiting: ${name}: ${place}`, () => {
    const next = stepped(waiting(options));
    deepEqual([next.place, next.does, next.says], [place, [], says]);
  });
}

Deno.test("waiting: no pod of the candidate runs: what an earlier one left goes", () => {
  deepEqual(stepped(waiting({ seen: { cluster: { target: aWorkload(NEW, 2), fence: "ours" } } })).does, [
    "unfence",
    "scale-target 0",
  ]);
});

Deno.test("a Secret's content is applied from the tip, and remembered nowhere", () => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "key", namespace: "prod" },
    data: { key: "Y29ycmVjdA==" },
  };
  const named = { kind: "Secret", name: "key", optional: false } as const;
  const configs = [trackedConfig(named, secret)];
  const candidate = { ...NEW, configs, revision: revisionOf({ target: NEW.target, configs }) };
  const seen = anObservation({ git: { candidate }, cluster: { targetRevision: OLD.revision } });
  const begun = stepped({ state: aState(), seen });
  equal(begun.state.run?.release.revision, candidate.revision);
  equal(JSON.stringify(begun.state).includes("Y29ycmVjdA=="), false);
  const next = stepped({ state: begun.state, seen });
  const applied = next.actions.find((action) => action.type === "apply-target");
  equal(applied?.type === "apply-target" ? applied.release : null, candidate);
  equal(JSON.stringify(next.state).includes("Y29ycmVjdA=="), false);
});
