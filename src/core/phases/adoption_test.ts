/** From nothing to a primary that serves, and back to nothing. */
import { deepEqual, equal, match } from "node:assert/strict";
import { step } from "../step.ts";
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

// Handing back

function gone(run: Partial<Run> | null, seen: SeenOverrides = {}, revert = true): Situation {
  const canary = shop({ revertOnDeletion: revert });
  const git = { presence: "removed" as const, canary: null, candidate: null, ...seen.git };
  const observed = anObservation({ ...seen, cluster: { target: aWorkload(OLD, 0), ...seen.cluster } });
  return {
    state: aState({
      phase: "handing-back",
      canary,
      run: run === null ? null : aRun({ release: OLD, canary, templateDigest: null, routedAt: null, ...run }),
    }),
    seen: { ...observed, git: { ...observed.git, ...git } },
  };
}
const up = { target: aWorkload(OLD, 4) };
const LEFT = { apiVersion: "apps/v1", kind: "Deployment", namespace: "prod", name: "shop" };

for (
  const [name, run, seen, place, does, says] of [
    ["it is compared with the lock first", null, {}, "handing-back/comparing", [], []],
    [
      "the target is not the lock",
      { stage: "comparing" },
      { answers: { comparison: aComparison(OLD, { difference: "spec.x" }) } },
      "handing-back/comparing",
      [],
      ["stalled"],
    ],
    [
      "the target is the lock",
      { stage: "comparing" },
      { answers: { comparison: aComparison(OLD) } },
      "handing-back/scaling",
      [],
      [],
    ],
    ["the target is scaled up", { stage: "scaling" }, {}, "handing-back/scaling", ["scale-target 4"], []],
    [
      "its pods are not ready",
      { stage: "scaling" },
      { cluster: { target: aWorkload(OLD, 4, { ready: 3 }) } },
      "handing-back/scaling",
      [],
      [],
    ],
    ["the apex moves", { stage: "scaling" }, { cluster: up }, "handing-back/scaling", ["apply-services target"], []],
    ["proxies follow", { stage: "scaling" }, { cluster: { ...up, apex: "target" } }, "handing-back/scaling", [], []],
    [
      "what was derived goes, the fence last",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...up, apex: "target", fence: "ours" } },
      "handing-back/scaling",
      ["remove-derived", "unfence"],
      [],
    ],
    [
      "it is asked for until it is gone",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...up, apex: "target", primary: aPrimary(OLD, { deleting: true }) } },
      "handing-back/scaling",
      [],
      [],
    ],
    [
      "gone",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...up, apex: "target", primary: NO_WORKLOAD } },
      "released",
      [],
      ["removed"],
    ],
    ["the target is gone too", null, { cluster: { target: NO_WORKLOAD } }, "handing-back", ["remove-derived"], []],
    [
      "the target left Git behind its fence, and the engine has not applied that",
      null,
      { cluster: { fence: "ours", leaving: { refs: [LEFT], applied: false } } },
      "handing-back",
      [],
      [],
    ],
    [
      "the target left Git behind its fence, and the engine has applied that",
      null,
      { cluster: { fence: "ours", leaving: { refs: [LEFT], applied: true } } },
      "handing-back",
      ["unfence"],
      [],
    ],
    [
      "users are on a target that left Git: it stays",
      { stage: "scaling", routedAt: NOW - MINUTE },
      {
        cluster: {
          ...up,
          apex: "target",
          primary: NO_WORKLOAD,
          fence: "ours",
          leaving: { refs: [LEFT], applied: true },
        },
      },
      "handing-back/scaling",
      ["unfence"],
      [],
    ],
    ["the Canary is back", null, { git: { presence: "declared", canary: shop(), candidate: OLD } }, "idle", [], []],
    ["its file is broken", null, { git: { presence: "broken" } }, "handing-back", [], ["stalled"]],
  ] as const satisfies readonly (readonly [
    string,
    Partial<Run> | null,
    SeenOverrides,
    string,
    readonly string[],
    readonly string[],
  ])[]
) {
  Deno.test(`handing back: ${name}: ${place}${does.length === 0 ? "" : `, ${does.join(", ")}`}`, () => {
    const next = stepped(gone(run, seen));
    deepEqual([next.place, next.does, next.says], [place, does, says]);
  });
}

Deno.test("handing back: what users are on is never deleted, though it left Git behind its fence", () => {
  const cluster = { ...up, apex: "target", primary: NO_WORKLOAD, fence: "ours" } as const;
  const leaving = { refs: [LEFT], applied: true };
  const at = gone({ stage: "scaling", routedAt: NOW - MINUTE }, { cluster: { ...cluster, leaving } });
  deepEqual(step(at.state, at.seen, NOW).actions.filter(({ type }) => type === "unfence"), [{
    type: "unfence",
    gone: [],
  }]);
});

Deno.test("handing back: without revertOnDeletion the fence comes off before it is released", () => {
  const next = stepped(gone(null, { cluster: { fence: "ours" } }, false));
  deepEqual([next.place, next.does], ["handing-back", ["unfence"]]);
});

Deno.test("handing back: without revertOnDeletion the primary stays and serves, and that is said", () => {
  const next = stepped(gone(null, {}, false));
  deepEqual([next.place, next.does, next.says], ["released", [], ["removed"]]);
  const [told] = next.actions.flatMap((action) => action.type === "announce" ? [action.announcement.message] : []);
  match(told ?? "", /stays in place and serves/);
});

Deno.test("released: a Canary that comes back starts from the lock that is remembered", () => {
  equal(stepped({ state: aState({ phase: "released" }), seen: anObservation() }).state.phase, "idle");
  equal(stepped({ state: aState({ phase: "released", lock: null }), seen: anObservation() }).state.phase, "new");
});
