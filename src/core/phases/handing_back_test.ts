/** A Canary that left Git: the target serves again, then what was derived goes. */
import { deepEqual, equal, match } from "node:assert/strict";
import {
  aComparison,
  anObservation,
  aPrimary,
  aRun,
  aState,
  aWorkload,
  MINUTE,
  NOW,
  OLD,
  type SeenOverrides,
  shop,
  type Situation,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";
import type { Run } from "../state.ts";
import { step } from "../step.ts";
import { NO_WORKLOAD } from "../workload.ts";

const route = { exists: true, weight: 0, mirror: false, accepted: "yes" as const, reason: null, drifted: false };

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
/** The apex and the routes lead to the target. */
const pointed = { ...up, apex: "target", leadsOver: null } as const;
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
    [
      "routes follow it in steps",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...pointed, leadsOver: "next" } },
      "handing-back/scaling",
      ["lead-over"],
      [],
    ],
    [
      "the route is not accepted yet",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...pointed, routes: { ...route, accepted: "unknown" } } },
      "handing-back/scaling",
      [],
      [],
    ],
    ["proxies follow", { stage: "scaling" }, { cluster: pointed }, "handing-back/scaling", [], []],
    [
      "what was derived goes, the fence last",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...pointed, fence: "ours" } },
      "handing-back/scaling",
      ["remove-derived", "unfence"],
      [],
    ],
    [
      "it is asked for until it is gone",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...pointed, primary: aPrimary(OLD, { deleting: true }) } },
      "handing-back/scaling",
      [],
      [],
    ],
    [
      "gone: its lock goes too",
      { stage: "scaling", routedAt: NOW - MINUTE },
      { cluster: { ...pointed, primary: NO_WORKLOAD } },
      "handing-back",
      ["remove-derived", "submit hand-back"],
      [],
    ],
    [
      "gone, and Git has no lock",
      { stage: "scaling", routedAt: NOW - MINUTE },
      {
        git: { lock: { type: "absent" }, status: { type: "absent" } },
        cluster: { ...pointed, primary: NO_WORKLOAD },
      },
      "released",
      [],
      ["removed"],
    ],
    [
      "the target is gone too",
      null,
      { cluster: { target: NO_WORKLOAD, targetUndeclared: true } },
      "handing-back",
      ["remove-derived"],
      [],
    ],
    [
      "the target is not there, though Git may declare it",
      null,
      { cluster: { target: NO_WORKLOAD, engineApplies: false } },
      "handing-back",
      [],
      ["stalled"],
    ],
    [
      "the target is not there, and the agent is who applies it",
      null,
      { cluster: { target: NO_WORKLOAD, engineApplies: true } },
      "handing-back",
      ["apply-target"],
      [],
    ],
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
          ...pointed,
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
  const cluster = { ...pointed, primary: NO_WORKLOAD, fence: "ours" } as const;
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

for (
  const [name, cluster, place, does, says] of [
    ["is deleted: all goes", { target: NO_WORKLOAD }, "handing-back", ["remove-derived"], []],
    ["is still there: the primary serves until it goes", { engineApplies: false }, "handing-back", [], ["stalled"]],
    ["stays, since no engine prunes it: the primary stays too", { engineApplies: true }, "released", [], ["removed"]],
  ] as const satisfies readonly (readonly [
    string,
    SeenOverrides["cluster"],
    string,
    readonly string[],
    readonly string[],
  ])[]
) {
  Deno.test(`handing back: without revertOnDeletion, a target that left Git too ${name}`, () => {
    const next = stepped(gone(null, { cluster: { ...cluster, targetUndeclared: true } }, false));
    deepEqual([next.place, next.does, next.says], [place, does, says]);
  });
}

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
