/** From nothing to a primary that serves. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aComparison,
  aDecision,
  aLock,
  anObservation,
  aPrimary,
  aRun,
  aState,
  aStatus,
  aWorkload,
  MINUTE,
  NEW,
  NEWER,
  NOW,
  OLD,
  SECOND,
  type SeenOverrides,
  shop,
  type Situation,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import type { Run, State } from "../state.ts";
import { NO_WORKLOAD } from "../workload.ts";

const none: SeenOverrides = { git: { lock: { type: "absent" }, status: { type: "absent" } } };
const serving = { target: aWorkload(OLD, 4), primary: NO_WORKLOAD, apex: "target" as const, servicesReady: false };
const route = { exists: true, weight: 0, mirror: false, accepted: "yes" as const, reason: null, drifted: false };

function fresh(seen: SeenOverrides = {}, state: Partial<State> = {}): Situation {
  return {
    state: aState({ phase: "new", lock: null, lockHistory: [], ...state }),
    seen: anObservation({ ...seen, git: { ...none.git, ...seen.git }, cluster: { ...serving, ...seen.cluster } }),
  };
}

for (
  const [name, seen, state, place, says] of [
    ["first start", {}, {}, "initialising/comparing", []],
    ["no target yet", { cluster: { target: NO_WORKLOAD, apex: "absent" } }, {}, "initialising/comparing", []],
    ["preflight blocks", { cluster: { blocked: "A Service would be lost." } }, {}, "new", ["stalled"]],
    ["the file is broken", { git: { presence: "broken", candidate: null } }, {}, "new", ["stalled"]],
    ["the lock is broken", { git: { lock: { type: "broken", reason: "not YAML" } } }, {}, "new", ["stalled"]],
    ["a primary without a lock", { cluster: { primary: aPrimary() } }, {}, "new", ["stalled"]],
    [
      "a primary without a lock, adopted",
      { cluster: { primary: aPrimary() } },
      { adopted: true },
      "initialising/comparing",
      [],
    ],
    [
      "users are on a primary whose lock is lost",
      { cluster: { primary: aPrimary(NEW), apex: "primary" } },
      { adopted: true },
      "new",
      ["stalled"],
    ],
    ["an engine has not applied the target", { cluster: { applied: { type: "pending", message: "" } } }, {}, "new", [
      "waiting",
    ]],
    ["suspended", { git: { canary: shop({ suspend: true }) } }, {}, "new", ["waiting"]],
  ] as const satisfies readonly (readonly [string, SeenOverrides, Partial<State>, string, readonly string[]])[]
) {
  Deno.test(`new: ${name}: ${place}`, () => {
    const next = stepped(fresh(seen, state));
    deepEqual([next.place, next.says], [place, says]);
    deepEqual(next.does, [], "Nothing is touched before that");
  });
}

const inGit = (lock = aLock()): SeenOverrides["git"] => ({
  lock: { type: "read", value: lock },
  status: { type: "read", value: aStatus(lock) },
});
const foreign = aLock(OLD, { cluster: { name: "east", uid: "before" } });

for (
  const [name, lock, cluster, place] of [
    ["on this cluster users are on the target: a Canary that was handed back", aLock(), {}, "comparing"],
    ["the same, and the target serves nobody", aLock(), { target: aWorkload(OLD, 0) }, "scaling"],
    ["the same, and no Service leads to the target", aLock(), { apex: "absent" }, "scaling"],
    ["another cluster's", aLock(OLD, { cluster: { name: "east", uid: "before" } }), {}, "scaling"],
  ] as const
) {
  Deno.test(`new: a lock in Git, no primary, ${name}: initialising/${place}`, () => {
    const target = aWorkload(NEWER, 4);
    equal(stepped(fresh({ git: inGit(lock) ?? {}, cluster: { target, ...cluster } })).place, `initialising/${place}`);
  });
}

for (
  const [name, git, cluster, place] of [
    ["only the state was lost", inGit(), { primary: aPrimary(), apex: "primary", servicesReady: true }, "idle"],
    ["a rebuilt cluster", inGit(foreign), {}, "initialising/scaling"],
    ["a promotion in flight: the primary is not the lock", { ...inGit(aLock(NEW)), candidate: NEW }, {
      primary: aPrimary(OLD),
      apex: "primary",
    }, "promoting/scaling"],
    ["a promotion in flight: routes are not at 0", { ...inGit(aLock(NEW)), candidate: NEW }, {
      primary: aPrimary(NEW),
      apex: "primary",
      routes: { ...route, weight: 50 },
    }, "promoting/scaling"],
    ["a rollout in flight starts again", { ...inGit(), candidate: NEW }, {
      primary: aPrimary(),
      apex: "primary",
      routes: { ...route, weight: 50 },
    }, "idle"],
    ["a lock that somebody edited", { ...inGit(), lock: { type: "read", value: aLock(NEWER) } }, {
      primary: aPrimary(),
      apex: "primary",
    }, "new"],
  ] as const satisfies readonly (readonly [string, SeenOverrides["git"], SeenOverrides["cluster"], string])[]
) {
  Deno.test(`new, with a lock in Git: ${name}: ${place}`, () => {
    const next = stepped(fresh({ git: git ?? {}, cluster: cluster ?? {} }));
    deepEqual([next.place, next.does], [place, []]);
  });
}

Deno.test("new: a promotion in flight keeps the share that is on", () => {
  const cluster = { primary: aPrimary(OLD), apex: "primary" as const, routes: { ...route, weight: 50 } };
  equal(stepped(fresh({ git: { ...inGit(aLock(NEW)), candidate: NEW }, cluster })).state.run?.weight, 50);
});

// Initialising

function at(run: Partial<Run>, seen: SeenOverrides = {}, state: Partial<State> = {}): Situation {
  const decision = aDecision({ kind: "initialise", lock: aLock(), release: OLD, manifests: null });
  const full = aRun({ release: OLD, canary: shop(), templateDigest: null, routedAt: null, ...run });
  return {
    state: aState({ phase: "initialising", run: full, decision, ...state }),
    seen: anObservation({ ...seen, git: { ...none.git, ...seen.git }, cluster: { ...serving, ...seen.cluster } }),
  };
}

Deno.test("initialising: what an engine rendered is kept before the first lock is made from it, where it is what runs", () => {
  const asked = (difference: string | null, cluster: SeenOverrides["cluster"] = {}) =>
    stepped(at(
      { stage: "comparing" },
      { answers: { comparison: aComparison(OLD, { difference }) }, cluster: { captured: false, ...cluster } },
      { lock: null, decision: null },
    ));
  deepEqual([asked(null).place, asked(null).does], ["initialising/comparing", ["capture"]]);
  // Users are on a primary of this very revision: the target is another one, and cannot be kept for it.
  const isServed = { apex: "primary", primary: aPrimary() } as const;
  deepEqual(asked("spec.template: other", isServed).does, ["submit initialise"]);
});

Deno.test("initialising: the first lock is the candidate where the live target is what it declares", () => {
  const next = stepped(
    at({ stage: "comparing" }, { answers: { comparison: aComparison(OLD) } }, { lock: null, decision: null }),
  );
  deepEqual([next.place, next.does, next.state.lock?.release.revision], [
    "initialising/scaling",
    ["submit initialise"],
    OLD.revision,
  ]);
});

Deno.test("initialising: the first lock is what serves where that is something else", () => {
  const differs = aComparison(NEW, { difference: "spec.containers[app].image" });
  const options = { answers: { comparison: differs }, cluster: { liveRelease: OLD } };
  const next = stepped(at({ stage: "comparing", release: NEW }, options, { lock: null, decision: null }));
  deepEqual([next.state.run?.release.revision, next.says, next.state.lock], [OLD.revision, ["stalled"], null]);
});

for (
  const [name, run, cluster, decision, place, does] of [
    ["the primary is made", { stage: "scaling" }, {}, null, "initialising/scaling", [
      "apply-services target",
      "apply-primary",
    ]],
    [
      "it is not ready",
      { stage: "scaling" },
      { primary: aPrimary(OLD, { ready: 3 }), servicesReady: true },
      null,
      "initialising/scaling",
      [],
    ],
    [
      "it is ready",
      { stage: "scaling" },
      { primary: aPrimary(), servicesReady: true },
      null,
      "initialising/routing",
      [],
    ],
    ["the apex moves", { stage: "routing" }, { primary: aPrimary() }, null, "initialising/routing", [
      "apply-services primary",
    ]],
    [
      "the route is not accepted",
      { stage: "routing" },
      { primary: aPrimary(), apex: "primary", servicesReady: true, routes: { ...route, accepted: "no" } },
      null,
      "initialising/routing",
      [],
    ],
    [
      "proxies follow",
      { stage: "routing", routedAt: NOW - 3 * SECOND },
      { primary: aPrimary(), apex: "primary", servicesReady: true },
      null,
      "initialising/routing",
      [],
    ],
    [
      "a user's route is led over in steps",
      { stage: "routing" },
      { primary: aPrimary(), apex: "primary", servicesReady: true, leadsOver: "first" },
      null,
      "initialising/routing",
      ["lead-over"],
    ],
    [
      "proxies follow each step",
      { stage: "routing" },
      { primary: aPrimary(), apex: "primary", servicesReady: true, leadsOver: "next" },
      null,
      "initialising/routing",
      [],
    ],
    [
      "moved and settled",
      { stage: "routing", routedAt: NOW - MINUTE },
      { primary: aPrimary(), apex: "primary", servicesReady: true },
      null,
      "initialising/check",
      [],
    ],
    [
      "the lock is not in Git yet",
      { stage: "check" },
      { primary: aPrimary(), apex: "primary", servicesReady: true },
      { type: "pending", reason: "Git is down.", attempts: 1 },
      "initialising/check",
      [],
    ],
    [
      "the lock cannot be written",
      { stage: "check" },
      { primary: aPrimary(), apex: "primary", servicesReady: true },
      { type: "impossible", reason: "x" },
      "initialising/check",
      [],
    ],
    [
      "the lock is in Git: only now the target goes",
      { stage: "check" },
      { primary: aPrimary(), apex: "primary", servicesReady: true },
      { type: "committed", commit: "c" },
      "initialising/check",
      ["scale-target 0"],
    ],
    [
      "at zero",
      { stage: "check" },
      { primary: aPrimary(), apex: "primary", servicesReady: true, target: aWorkload(OLD, 0) },
      { type: "committed", commit: "c" },
      "idle",
      [],
    ],
  ] as const satisfies readonly (readonly [
    string,
    Partial<Run>,
    SeenOverrides["cluster"],
    SeenOverrides["decision"] | null,
    string,
    readonly string[],
  ])[]
) {
  Deno.test(`initialising: ${name}: ${place}${does.length === 0 ? "" : `, ${does.join(", ")}`}`, () => {
    const next = stepped(at(run, { cluster: cluster ?? {}, decision: decision ?? null, git: inGit() ?? {} }));
    deepEqual([next.place, next.does], [place, does]);
    equal(next.says.includes("initialised"), place === "idle");
  });
}

Deno.test("initialising: a primary that does not get ready is told, and nothing of the user's is scaled", () => {
  const cluster = { primary: aPrimary(OLD, { ready: 0 }), servicesReady: true };
  const late = stepped(at({ stage: "scaling", stageSince: NOW - 10 * MINUTE }, { cluster, git: inGit() ?? {} }));
  deepEqual([late.place, late.does, late.says], ["initialising/scaling", [], ["stalled"]]);
});
