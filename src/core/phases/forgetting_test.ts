/** The last of a removal: the lock leaves Git, and whatever stops half way, nothing that was lost is written again. */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import {
  aDecision,
  aLock,
  anObservation,
  aPrimary,
  aState,
  aWorkload,
  NOW,
  OLD,
  type SeenOverrides,
  shop,
  type Situation,
} from "../../../test/support/core_builders.ts";
import { type Stepped, stepped } from "../../../test/support/phase_case.ts";
import type { Observation } from "../observation.ts";
import type { State } from "../state.ts";
import { NO_WORKLOAD } from "../workload.ts";

const GONE = { target: NO_WORKLOAD, primary: NO_WORKLOAD, targetUndeclared: true };
const REMOVED = { presence: "removed", canary: null, candidate: null } as const;
const ABSENT = { type: "absent" } as const;

function at(state: Partial<State>, seen: SeenOverrides, outcome: Observation["decision"] = null): Situation {
  const observed = anObservation({ ...seen, git: { ...REMOVED, ...seen.git }, cluster: { ...GONE, ...seen.cluster } });
  return {
    state: aState({ phase: "handing-back", canary: shop(), run: null, ...state }),
    seen: { ...observed, decision: outcome },
  };
}

/** The decision, as it is once all that was derived is gone. */
function decided(): Stepped {
  return stepped(at({ previousLock: aLock(), lockHistory: ["a"], adopted: true, quarantined: ["b"] }, {}));
}

Deno.test("forgetting: with all that was derived gone, the lock is asked to leave Git, and nothing is remembered of it", () => {
  const { state, does, place } = decided();
  deepEqual([place, does], ["handing-back", ["remove-derived", "submit removal"]]);
  deepEqual([state.lock, state.previousLock, state.lockHistory, state.adopted, state.quarantined], [
    null,
    null,
    [],
    false,
    [],
  ]);
  equal(state.decision?.lock.release.revision, OLD.revision);
});

for (
  const [name, seen, place, does] of [
    ["what was derived is still there", { cluster: { primary: aPrimary(OLD) } }, "handing-back", ["remove-derived"]],
    ["Git does not answer", { git: { state: "stale" } }, "handing-back", []],
    ["Git has neither lock nor status", { git: { lock: ABSENT, status: ABSENT } }, "released", []],
    [
      "the lock is another cluster's",
      {
        git: { lock: { type: "read", value: aLock(OLD, { cluster: { name: "east", uid: "east" } }) } },
      },
      "released",
      [],
    ],
    ["the lock cannot be read", { git: { lock: { type: "broken", reason: "no YAML" } } }, "released", []],
    ["only the status file is left", { git: { lock: ABSENT } }, "handing-back", ["remove-derived", "submit removal"]],
  ] as const satisfies readonly (readonly [string, SeenOverrides, string, readonly string[]])[]
) {
  Deno.test(`forgetting: ${name}: ${place}${does.length === 0 ? "" : `, ${does.join(", ")}`}`, () => {
    const next = stepped(at({}, seen));
    deepEqual([next.place, next.does], [place, does]);
  });
}

const BACK = { presence: "declared", canary: shop(), candidate: OLD } as const;
const LANDED = { type: "committed", commit: "c".repeat(40) } as const;
const PENDING = { type: "pending", reason: null, attempts: 1 } as const;

for (
  const [name, git, outcome, place, does, says] of [
    ["a process that died before it was handed in hands it in", {}, null, "handing-back", [
      "remove-derived",
      "submit removal",
    ], []],
    ["it is on its way", {}, PENDING, "handing-back", [], []],
    ["Git is down", { state: "stale" }, { ...PENDING, reason: "no answer" }, "handing-back", [], ["git-pending"]],
    ["it landed", { lock: ABSENT, status: ABSENT }, LANDED, "released", [], ["removed"]],
    ["the Canary is back while it is on its way", BACK, PENDING, "handing-back", ["withdraw"], []],
    ["the Canary is back before it was handed in", BACK, null, "handing-back", ["withdraw"], []],
    ["the Canary is back, and it was taken back", BACK, { type: "withdrawn" }, "new", [], []],
    ["the Canary is back, and it had landed", BACK, LANDED, "new", [], []],
    ["it was taken back, and the Canary left again", {}, { type: "withdrawn" }, "handing-back", [], []],
    ["no plan fits", {}, { type: "impossible", reason: "it is declared again" }, "handing-back", [], ["held"]],
    ["its file is broken by now: that changes nothing", { presence: "broken" }, PENDING, "handing-back", [], []],
  ] as const satisfies readonly (readonly [
    string,
    SeenOverrides["git"],
    Observation["decision"],
    string,
    readonly string[],
    readonly string[],
  ])[]
) {
  Deno.test(`forgetting: ${name}: ${place}${does.length === 0 ? "" : `, ${does.join(", ")}`}`, () => {
    const next = stepped({ ...at({}, { git }, outcome), state: decided().state });
    deepEqual([next.place, next.does, next.says], [place, does, says]);
    equal(next.state.lock, null, "what was forgotten stays forgotten");
  });
}

Deno.test("forgetting: a removal that no plan fits is not tried again on the same tip, on another one it is", () => {
  const impossible = { type: "impossible", reason: "the lock was changed" } as const;
  const { state } = stepped({ ...at({}, {}, impossible), state: decided().state });
  const same = stepped({ ...at({}, {}), state });
  deepEqual([same.does, same.wakes], [[], []], "nothing but another tip changes the answer");
  const other = stepped({ ...at({}, { git: { commit: "d".repeat(40) } }), state });
  deepEqual(other.does, ["remove-derived", "submit removal"]);
});

/** The target serves again, and all that was derived is gone. */
const SERVES = {
  cluster: { ...GONE, target: aWorkload(OLD, 2), targetUndeclared: false, apex: "target" },
} as const satisfies SeenOverrides;

Deno.test("forgetting: what was handed back stays the target's, and its lock goes", () => {
  const next = stepped(at({ lock: null }, SERVES));
  deepEqual([next.place, next.does], ["handing-back", ["remove-derived", "submit hand-back"]]);
  const restored = next.actions.flatMap((action) => action.type === "remove-derived" ? [action.restoreRoutes] : []);
  deepEqual(restored, [true], "apex and routes are the target's by now");
  const landed = stepped({
    ...at({}, { ...SERVES, git: { lock: ABSENT, status: ABSENT } }, LANDED),
    state: next.state,
  });
  deepEqual([landed.place, landed.says], ["released", ["removed"]]);
  const [told] = landed.actions.flatMap((action) => action.type === "announce" ? [action.announcement.message] : []);
  match(told ?? "", /^The target serves again: .* its lock too \(cccccccccc\)/);
});

Deno.test("forgetting: a lock that could not go with its target goes once that serves by itself, declared again", () => {
  const impossible = { type: "impossible", reason: "its target may be declared" } as const;
  const { state } = stepped({ ...at({}, {}, impossible), state: decided().state });
  const next = stepped({ ...at({}, SERVES), state });
  deepEqual(next.does, ["remove-derived", "submit hand-back"]);
});

Deno.test("forgetting: a second removal of the same lock is another decision", () => {
  const first = decided().state.decision?.id;
  const second = stepped(at({ phaseSince: NOW - 1 }, {})).state.decision?.id;
  notEqual(first, second);
});

Deno.test("forgetting: a decision of another kind is no removal", () => {
  const decision = aDecision({ kind: "record" });
  const next = stepped(at({ decision }, { git: { lock: ABSENT, status: ABSENT } }));
  equal(next.place, "released");
});

Deno.test("forgetting: people hear that the lock is gone, and in which commit", () => {
  const next = stepped({ ...at({}, {}, LANDED), state: decided().state });
  const [told] = next.actions.flatMap((action) => action.type === "announce" ? [action.announcement.message] : []);
  match(told ?? "", /its lock too \(cccccccccc\)/);
});

for (
  const [what, lock, says] of [
    ["none", ABSENT, /is removed\.$/],
    [
      "another cluster's",
      { type: "read", value: aLock(OLD, { cluster: { name: "east", uid: "east" } }) },
      /"east", and/,
    ],
    ["one that cannot be read", { type: "broken", reason: "line 1" }, /cannot be read, and stays: line 1$/],
  ] as const satisfies readonly (readonly [string, NonNullable<SeenOverrides["git"]>["lock"], RegExp])[]
) {
  Deno.test(`forgetting: people hear of a lock that stays: ${what}`, () => {
    const next = stepped(at({}, { git: { lock, status: ABSENT } }));
    const [told] = next.actions.flatMap((action) => action.type === "announce" ? [action.announcement.message] : []);
    match(told ?? "", says);
  });
}
