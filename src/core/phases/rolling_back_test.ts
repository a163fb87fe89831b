/** Traffic back and observed, canary to zero, only then Git; and what the verdict comes to there. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aDecision,
  aLock,
  anObservation,
  aPrimary,
  aState,
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
import { aConfigMap } from "../../../test/support/builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import { lockDigest } from "../decision.ts";
import { trackedConfig } from "../release.ts";
import type { RollbackCause } from "../state.ts";

const route = (weight: number) => ({
  exists: true,
  weight,
  mirror: false,
  accepted: "yes" as const,
  reason: null,
  drifted: false,
});
const because = (cause: RollbackCause) => ({ rollback: { cause, reason: "It was bad." }, routedAt: NOW - MINUTE });
const at = (options: SituationOptions = {}) =>
  rollingOut("rolling-back", { weight: 0, ...options, run: { ...because("failed"), ...options.run } });
const rested = { target: aWorkload(NEW, 0) };

for (
  const [name, options, does] of [
    ["traffic goes back", { seen: { cluster: { routes: route(40) } } }, ["route 0"]],
    ["the route is not accepted", { seen: { cluster: { routes: { ...route(0), accepted: "unknown" } } } }, []],
    ["proxies follow", { run: { routedAt: NOW - 3 * SECOND } }, []],
    ["the canary goes to zero, its fence off", { seen: { cluster: { fence: "ours" } } }, [
      "unfence",
      "scale-target 0",
      "floor-primary",
    ]],
    ["a weak primary is no reason to wait", {
      seen: { cluster: { routes: route(40), primary: aPrimary(OLD, { ready: 1, available: 1 }) } },
    }, ["route 0"]],
    ["no primary at all, and a canary that serves", {
      seen: { cluster: { routes: route(40), primary: aPrimary(OLD, { ready: 0, available: 0 }) } },
    }, []],
    ["no primary at all, and no canary either", {
      seen: {
        cluster: {
          routes: route(40),
          primary: aPrimary(OLD, { ready: 0, available: 0 }),
          target: aWorkload(NEW, 2, { ready: 0 }),
        },
      },
    }, ["route 0"]],
    ["Git is stale: it is not needed", { seen: { git: { state: "stale" }, cluster: { routes: route(40) } } }, [
      "route 0",
    ]],
  ] as const satisfies readonly (readonly [string, SituationOptions, readonly string[]])[]
) {
  Deno.test(`rolling back: ${name}: ${does.join(", ") || "waits"}`, () => {
    const next = stepped(at(options));
    deepEqual([next.state.phase, next.does], ["rolling-back", does]);
  });
}

for (
  const [cause, phase, does, says, outcome] of [
    ["failed", "reverting", ["floor-primary", "call post-rollout Failed", "submit revert"], ["failed"], "failed"],
    ["held", "idle", ["floor-primary", "call post-rollout Failed"], ["held"], "held"],
    ["cancelled", "idle", ["floor-primary"], ["cancelled"], "cancelled"],
    ["superseded", "idle", ["floor-primary"], [], "cancelled"],
  ] as const
) {
  Deno.test(`rolling back: ${cause} ends as ${outcome}`, () => {
    const next = stepped(at({ run: because(cause), seen: { cluster: rested } }));
    deepEqual([next.state.phase, next.does, next.says, next.state.last?.outcome], [phase, does, says, outcome]);
    equal(next.state.held?.revision ?? null, cause === "held" ? NEW.revision : null);
    equal(next.state.decision?.quarantine?.release.revision ?? null, cause === "failed" ? NEW.revision : null);
  });
}

Deno.test("rolling back: a replaced candidate's pods stay for the next one", () => {
  const next = stepped(at({ run: because("superseded") }));
  deepEqual([next.state.phase, next.does], ["idle", ["floor-primary"]]);
});

Deno.test("rolling back: pods that read another config at their start do not stay for one whose template is the same", () => {
  const configs = [trackedConfig({ kind: "ConfigMap", name: "shop", optional: false }, aConfigMap())];
  const candidate = { ...NEW, revision: "ofconfigs", configs };
  const next = stepped(at({ run: because("superseded"), seen: { git: { candidate } } }));
  deepEqual([next.state.phase, next.does], ["rolling-back", ["scale-target 0", "floor-primary"]]);
});

// A promotion that is on its way

const onItsWay = (cause: RollbackCause, seen: SituationOptions["seen"]) =>
  stepped(at({ run: because(cause), state: { decision: aDecision() }, seen: { ...seen, cluster: rested } }));
const committed = { type: "committed" as const, commit: "c".repeat(40) };
const atTip = { lock: { type: "read" as const, value: aLock(NEW) } };

for (
  const [name, decision] of [["not known", null], ["pending", {
    type: "pending" as const,
    reason: "Git is down.",
    attempts: 2,
  }]] as const
) {
  Deno.test(`rolling back: a promotion, ${name}, is taken back before anything is decided`, () => {
    const next = onItsWay("failed", { decision });
    deepEqual([next.state.phase, next.does, next.state.decision?.kind], ["rolling-back", ["withdraw"], "promotion"]);
  });
}

for (const type of ["withdrawn", "impossible"] as const) {
  Deno.test(`rolling back: a promotion that is ${type} is out of the way`, () => {
    const next = onItsWay("failed", { decision: { type, reason: "" } });
    deepEqual([next.state.phase, next.state.decision?.kind], ["reverting", "revert"]);
  });
}

Deno.test("rolling back: a bad promotion that landed is withdrawn, told, and never applied", () => {
  const next = onItsWay("failed", { decision: committed, git: atTip });
  deepEqual([next.state.phase, next.says, next.does], ["reverting", ["failed"], [
    "call post-rollout Failed",
    "submit withdrawal",
  ]]);
  deepEqual(next.state.withdrawn, [lockDigest(aLock(NEW))]);
  equal(next.state.lock?.release.revision, OLD.revision);
});

for (const cause of ["held", "cancelled", "superseded"] as const) {
  Deno.test(`rolling back: a good promotion that landed late (${cause}) is what Git says: promoted without a share`, () => {
    const next = onItsWay(cause, { decision: committed, git: atTip });
    deepEqual([next.state.phase, next.says, next.state.run?.weight], ["promoting", ["promoting"], 0]);
    deepEqual([next.state.lock?.release.revision, next.state.run?.previous?.release.revision], [
      NEW.revision,
      OLD.revision,
    ]);
  });
}

// Reverting

const reverting = (options: SituationOptions = {}) =>
  rollingOut("reverting", {
    weight: 0,
    ...options,
    seen: { ...options.seen, cluster: { ...rested, ...options.seen?.cluster } },
  });

for (
  const [name, options, phase, does, says] of [
    ["not known", {}, "reverting", ["submit revert"], []],
    ["on its way", { seen: { decision: { type: "pending", reason: null, attempts: 0 } } }, "reverting", [], []],
    ["Git is down", { seen: { decision: { type: "pending", reason: "Git is down.", attempts: 2 } } }, "reverting", [], [
      "git-pending",
    ]],
    [
      "a newer candidate makes it pointless",
      { seen: { git: { candidate: NEWER }, decision: { type: "pending", reason: "lost", attempts: 2 } } },
      "reverting",
      ["withdraw"],
      [],
    ],
    [
      "Git is at the lock already",
      { seen: { git: { candidate: OLD }, decision: { type: "pending", reason: "lost", attempts: 2 } } },
      "reverting",
      [],
      ["git-pending"],
    ],
    ["committed", { seen: { decision: committed } }, "idle", [], ["decided"]],
    ["impossible", { seen: { decision: { type: "impossible", reason: "SOPS." } } }, "idle", [], ["held"]],
    ["taken back", { seen: { decision: { type: "withdrawn" } } }, "idle", [], []],
    [
      "the primary drifts meanwhile",
      { seen: { decision: { type: "pending", reason: null, attempts: 0 }, cluster: { primaryDrifted: true } } },
      "reverting",
      ["apply-primary"],
      [],
    ],
    [
      "a share appears meanwhile",
      {
        seen: {
          decision: { type: "pending", reason: null, attempts: 0 },
          cluster: { routes: route(30), target: aWorkload(NEW, 2) },
        },
      },
      "reverting",
      ["route 0"],
      [],
    ],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, readonly string[], readonly string[]])[]
) {
  Deno.test(`reverting: ${name}: ${phase}`, () => {
    const next = stepped(reverting(options));
    deepEqual([next.state.phase, next.does, next.says], [phase, does, says]);
    equal(next.state.lock?.release.revision, OLD.revision, "Users stay on the lock");
  });
}

Deno.test("reverting: what cannot be written is quarantined here, what was written is left to Git", () => {
  const last = {
    run: "r1",
    revision: NEW.revision,
    images: [],
    outcome: "failed",
    reason: "It failed.",
    at: 0,
  } as const;
  const impossible = stepped(
    reverting({ state: { last }, seen: { decision: { type: "impossible", reason: "SOPS." } } }),
  );
  deepEqual(impossible.state.quarantined, [NEW.revision]);
  // Whoever looks later finds it too, and a branch that it may name.
  const told = "It failed. The verdict cannot be written: SOPS. The cluster stays on the lock.";
  equal(impossible.state.last?.reason, told);
  const written = stepped(reverting({ state: { quarantined: [NEW.revision] }, seen: { decision: committed } }));
  deepEqual(written.state.quarantined, []);
});

Deno.test("reverting: a crash before it was saved what is to be written leaves nothing to write", () => {
  const next = stepped({ state: aState({ phase: "reverting", decision: null }), seen: anObservation() });
  equal(next.state.phase, "idle");
});
