/** The rules that hold in many phases, phase by phase. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import {
  anObservation,
  aState,
  aWorkload,
  NEW,
  NEWER,
  NOW,
  OLD,
  rollingOut,
  type SeenOverrides,
  shop,
} from "../../test/support/core_builders.ts";
import { PHASES } from "../../test/support/arbitrary_core.ts";
import type { Phase } from "./state.ts";
import { step } from "./step.ts";
import { NO_WORKLOAD } from "./workload.ts";

/** Phases in which the candidate may still be turned back. */
const GUARDED: readonly Phase[] = ["starting", "progressing", "waiting-promotion", "pushing"];

const TARGET = { apiVersion: "apps/v1", kind: "Deployment", namespace: "prod", name: "shop" };

const CASES: readonly (readonly [name: string, seen: SeenOverrides, cause: string])[] = [
  ["a newer candidate", { git: { candidate: NEWER } }, "superseded"],
  ["the tip back at the lock", { git: { candidate: OLD } }, "cancelled"],
  ["the live target edited", { cluster: { target: aWorkload(NEWER, 1) } }, "superseded"],
  [
    "the live target on its way out",
    { cluster: { target: aWorkload(NEW, 2, { ready: 0, deleting: true }) } },
    "superseded",
  ],
  ["the live target deleted", { cluster: { target: NO_WORKLOAD } }, "superseded"],
  ["the target left Git behind our fence", {
    git: { presence: "broken", canary: null, candidate: null },
    cluster: { fence: "ours", leaving: { refs: [TARGET], applied: true } },
  }, "cancelled"],
  ["the Canary removed from Git", { git: { presence: "removed", canary: null, candidate: null } }, "cancelled"],
];

for (const phase of GUARDED) {
  for (const [name, seen, cause] of CASES) {
    Deno.test(`step() in ${phase}, ${name}: turned back as ${cause}, and told`, () => {
      const at = rollingOut(phase, { seen });
      const next = step(at.state, at.seen, NOW);
      equal(next.state.phase, "rolling-back");
      equal(next.state.run?.rollback?.cause, cause);
      equal(next.state.run?.weight, 0);
      const kinds = next.actions.flatMap((action) => action.type === "announce" ? [action.announcement.kind] : []);
      deepEqual(kinds, [cause === "superseded" ? "restarted" : "cancelled"]);
    });
  }
}

for (const phase of ["promoting", "finalising", "restoring"] as const) {
  for (const [name, seen] of CASES) {
    Deno.test(`step() in ${phase}, ${name}: the committed promotion ends first`, () => {
      const at = rollingOut(phase, { weight: phase === "finalising" ? 0 : 20, seen });
      const { state } = step(at.state, at.seen, NOW);
      ok(state.phase === phase || state.last?.outcome === "succeeded", state.phase);
      equal(state.run?.rollback ?? null, null);
    });
  }
}

for (
  const [name, git] of [
    ["Git has not been fetched since the start", { state: "unknown", candidate: NEWER }],
    ["Git is stale", { state: "stale", candidate: NEWER }],
    ["the file is broken", { presence: "broken", canary: null, candidate: null }],
    ["many canaries went at once", { presence: "held-removal", candidate: null }],
    ["nothing is known", { presence: "unknown", candidate: null }],
  ] as const
) {
  for (const phase of GUARDED) {
    Deno.test(`step() in ${phase}, ${name}: the rollout goes on`, () => {
      const at = rollingOut(phase, { seen: { git } });
      equal(step(at.state, at.seen, NOW).state.run?.rollback, null);
    });
  }
}

Deno.test("step() goes on by the spec that the rollout began with", () => {
  const at = rollingOut("progressing", { seen: { git: { canary: shop({ analysis: { threshold: 9 } }) } } });
  const next = step(at.state, at.seen, NOW);
  equal(next.state.run?.canary.analysis.threshold, 3);
  equal(next.state.canary?.analysis.threshold, 9);
});

Deno.test("step() stalls with the complaint where no spec was ever read", () => {
  const seen = anObservation({ git: { presence: "broken", candidate: null, complaint: "canary.yaml:3: not YAML" } });
  const next = step(aState({ canary: null }), { ...seen, git: { ...seen.git, canary: null } }, NOW);
  equal(next.state.stalled, "canary.yaml:3: not YAML");
  deepEqual(next.actions, []);
});

Deno.test("step() looks after a canary whose file is broken by the last spec that was read", () => {
  const seen = anObservation({
    git: { presence: "broken", candidate: null, complaint: "broken" },
    cluster: { primaryDrifted: true },
  });
  const next = step(aState(), { ...seen, git: { ...seen.git, canary: null } }, NOW);
  equal(next.actions[0]?.type, "apply-primary");
});

for (const phase of PHASES) {
  Deno.test(`step() in ${phase} without its rollout: it finds a phase to be in`, () => {
    const next = step(aState({ phase }), anObservation(), NOW);
    match(next.state.phase, /^(new|idle|reverting|handing-back|released|initialising)$/);
  });
}

Deno.test("step() remembers what Git says of suspension, and keeps it where Git says nothing", () => {
  const suspended = anObservation({ git: { canary: shop({ suspend: true }) } });
  equal(step(aState(), suspended, NOW).state.suspended, true);
  const silent = anObservation({ git: { presence: "unknown" } });
  equal(
    step(aState({ suspended: true }), { ...silent, git: { ...silent.git, canary: null } }, NOW).state.suspended,
    true,
  );
});
