/** At rest: what is kept, which candidate is taken, and what becomes of a lock that changed. */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import {
  aHook,
  aLock,
  anObservation,
  aPrimary,
  aQuarantine,
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
import { lockDigest, type QuarantineEntry } from "../decision.ts";
import { withRevert } from "../quarantine.ts";
import type { State } from "../state.ts";

const at = (seen: SeenOverrides = {}, state: Partial<State> = {}): Situation => ({
  state: aState(state),
  seen: anObservation(seen),
});
const routes = { exists: true, weight: 0, mirror: false, accepted: "yes" as const, reason: null, drifted: false };

Deno.test("idle: a settled canary asks for nothing and changes nothing", () => {
  const next = stepped(at());
  deepEqual(next.actions, []);
  deepEqual(next.state, at().state);
});

for (
  const [name, seen, does] of [
    ["the route drifted", { cluster: { routes: { ...routes, drifted: true } } }, ["route 0"]],
    ["the route is gone", { cluster: { routes: { ...routes, exists: false } } }, ["route 0"]],
    ["the primary drifted", { cluster: { primaryDrifted: true } }, ["apply-primary"]],
    ["the primary is gone", { cluster: { primary: { ...aPrimary(), exists: false } } }, ["apply-primary"]],
    [
      "the primary drifted and Git was never fetched",
      { git: { state: "unknown" }, cluster: { primaryDrifted: true } },
      ["apply-primary"],
    ],
    ["a Service drifted", { cluster: { servicesReady: false } }, ["apply-services primary"]],
    ["pods of the target are left", { cluster: { target: aWorkload(OLD, 2) } }, ["scale-target 0"]],
    ["pods are left and the route is not seen to be back", {
      cluster: { target: aWorkload(OLD, 2), routes: { ...routes, accepted: "unknown" } },
    }, []],
    ["a fence of ours is left", { cluster: { fence: "ours" } }, ["unfence"]],
    ["somebody's fence is there", { cluster: { fence: "foreign" } }, []],
    ["the target lags behind the lock's manifest", { cluster: { targetRevision: NEW.revision } }, ["apply-target"]],
    ["the target lags and has pods", { cluster: { targetRevision: NEW.revision, target: aWorkload(NEW, 2) } }, [
      "scale-target 0",
    ]],
    ["an engine applies the target", { cluster: { targetRevision: null, engineApplies: false } }, []],
  ] as const satisfies readonly (readonly [string, SeenOverrides, readonly string[]])[]
) {
  Deno.test(`idle: ${name}: ${does.join(", ") || "nothing"}`, () => {
    const next = stepped(at(seen));
    equal(next.place, "idle");
    deepEqual(next.does, does);
  });
}

Deno.test("idle: pods that may have had a share until now are left for the routes to settle", () => {
  const seen = { cluster: { target: aWorkload(OLD, 2) } };
  deepEqual(stepped(at(seen, { phaseSince: NOW - 3 * SECOND })).does, []);
  deepEqual(stepped(at(seen, { phaseSince: NOW - 3 * SECOND })).wakes, [NOW + 7 * SECOND]);
  deepEqual(stepped(at(seen, { phaseSince: NOW - 10 * SECOND })).does, ["scale-target 0"]);
});

Deno.test("idle: a candidate starts a rollout, and what was held or stalled before is forgotten", () => {
  const next = stepped(
    at({ git: { candidate: NEW } }, { held: { revision: NEWER.revision, reason: "" }, stalled: "x", told: ["y"] }),
  );
  equal(next.place, "starting/applying");
  deepEqual(next.says, ["started"]);
  deepEqual([next.state.held, next.state.stalled, next.state.told], [null, null, []]);
  deepEqual([next.state.run?.release.revision, next.state.run?.primaryReplicas, next.state.run?.weight], [
    NEW.revision,
    4,
    0,
  ]);
});

Deno.test("idle: a candidate with the gate confirm-rollout waits at it, untold until the gate refuses", () => {
  const canary = shop({ analysis: { webhooks: [aHook("confirm-rollout")] } });
  const next = stepped(at({ git: { candidate: NEW, canary } }));
  deepEqual([next.place, next.says], ["waiting/applying", []]);
});

for (
  const [name, seen, state, says] of [
    ["it is held", {}, { held: { revision: NEW.revision, reason: "Git was down." } }, []],
    ["it is quarantined here", {}, { quarantined: [NEW.revision] }, ["stalled"]],
    ["the canary is paused", {}, { paused: { by: "robin", at: NOW, reason: "" } }, ["waiting"]],
    ["the canary is suspended", { git: { canary: shop({ suspend: true }) } }, {}, ["waiting"]],
    ["preflight blocks", { cluster: { blocked: "A Service would be lost." } }, {}, ["stalled"]],
    ["Git is stale", { git: { state: "stale" } }, {}, []],
    ["the lock is another cluster's", {}, { lock: aLock(OLD, { cluster: { name: "east", uid: "before" } }) }, [
      "stalled",
    ]],
    ["the file has an error", { git: { complaint: "canary.yaml:3: stepWeight must be 1 to 100" } }, {}, ["stalled"]],
    ["many canaries went at once", { git: { presence: "held-removal" } }, {}, ["stalled"]],
    ["nothing is known of its file", { git: { presence: "unknown" } }, {}, []],
  ] as const satisfies readonly (readonly [string, SeenOverrides, Partial<State>, readonly string[]])[]
) {
  Deno.test(`idle: a candidate starts nothing: ${name}`, () => {
    const next = stepped(at({ ...seen, git: { candidate: NEW, ...("git" in seen ? seen.git : {}) } }, state));
    equal(next.place, "idle");
    deepEqual(next.does, []);
    deepEqual(next.says, says);
    const again = stepped({
      state: next.state,
      seen: at({ ...seen, git: { candidate: NEW, ...("git" in seen ? seen.git : {}) } }).seen,
    });
    deepEqual(again.says, [], "It is told once");
  });
}

Deno.test("idle: the Canary removed from Git is handed back, a broken or unknown one is not", () => {
  equal(stepped(at({ git: { presence: "removed", canary: null, candidate: null } })).place, "handing-back");
  for (const presence of ["broken", "unknown", "held-removal"] as const) {
    equal(stepped(at({ git: { presence, candidate: null } })).place, "idle", presence);
  }
});

Deno.test("idle: traffic on a canary without a rollout goes back, is told, and only later the pods go", () => {
  const seen = { cluster: { target: aWorkload(OLD, 2), routes: { ...routes, weight: 30 } } };
  const next = stepped(at(seen));
  deepEqual([next.does, next.says], [["route 0"], ["cancelled"]]);
});

// Locks

const earlier: Partial<State> = {
  lock: aLock(NEW),
  previousLock: aLock(OLD),
  lockHistory: [lockDigest(aLock(NEW)), lockDigest(aLock(OLD))],
};

Deno.test("idle: a lock that is gone is written again, and announced; the primary stays", () => {
  const next = stepped(at({ git: { lock: { type: "absent" } } }));
  deepEqual([next.place, next.does, next.says], ["reverting", ["submit restore-lock"], ["stalled"]]);
  deepEqual(next.state.lock, aLock());
  equal(next.state.decision?.manifests, null);
});

Deno.test("idle: a lock that was withdrawn and is back in Git is overwritten, never applied", () => {
  const next = stepped(
    at({ git: { lock: { type: "read", value: aLock(NEW) } } }, { withdrawn: [lockDigest(aLock(NEW))] }),
  );
  deepEqual(next.does, ["submit restore-lock"]);
  equal(next.state.decision?.lock.release.revision, OLD.revision);
});

Deno.test("idle: a lock that could not be written is not asked for again at once, but later, as another decision", () => {
  const git = { lock: { type: "absent" as const } };
  const first = stepped(at({ git }));
  const outcome = { type: "impossible" as const, reason: "someone moved on." };
  const refused = stepped({ state: first.state, seen: anObservation({ git, decision: outcome }) });
  const waiting = stepped({ state: refused.state, seen: anObservation({ git }) });
  deepEqual([waiting.place, waiting.does, waiting.says], ["idle", [], ["stalled"]]);
  deepEqual(waiting.wakes, [NOW + 15 * MINUTE]);
  const again = stepped({ state: waiting.state, seen: anObservation({ git }) }, NOW + 15 * MINUTE);
  deepEqual(again.does, ["submit restore-lock"]);
  notEqual(again.state.decision?.id, first.state.decision?.id);
});

Deno.test("idle: an earlier lock of ours is the rollback: applied at once, what it left is quarantined", () => {
  const next = stepped(at({ cluster: { primary: aPrimary(NEW) } }, earlier));
  deepEqual([next.place, next.does, next.says], ["reverting", ["apply-primary", "submit rollback"], ["rolling-back"]]);
  const { state } = next;
  equal(state.lock?.release.revision, OLD.revision);
  equal(state.decision?.quarantine?.release.revision, NEW.revision);
  deepEqual([state.withdrawn, state.previousLock], [[lockDigest(aLock(NEW))], null]);
  equal(state.last?.outcome, "rolled-back");
  const pending = anObservation({
    cluster: { primary: aPrimary(NEW) },
    decision: { type: "pending", reason: "Git is down.", attempts: 1 },
  });
  deepEqual(stepped({ state, seen: pending }).does, ["apply-primary"], "Git is not needed for that");
});

Deno.test("idle: a lock that somebody else changed is not applied, and the difference is shown", () => {
  const next = stepped(at({ git: { lock: { type: "read", value: aLock(NEWER) } } }));
  deepEqual([next.place, next.does, next.says], ["idle", [], ["stalled"]]);
  match(next.state.stalled ?? "", /images\.app: .*1\.0\.0.* became .*3\.0\.0/);
});

Deno.test("idle: a promotion that another agent of ours committed is taken over", () => {
  const lock = aLock(NEW);
  const next = stepped(
    at({
      git: { lock: { type: "read", value: lock }, status: { type: "read", value: aStatus(lock) }, candidate: NEW },
    }),
  );
  equal(next.place, "promoting/applying");
  equal(next.state.run?.previous?.release.revision, OLD.revision);
});

Deno.test("idle: for another cluster's lock nothing is written, whatever became of it", () => {
  const state = { lock: aLock(OLD, { cluster: { name: "east", uid: "before" } }) };
  for (
    const lock of [{ type: "absent" as const }, { type: "broken" as const, reason: "x" }, {
      type: "read" as const,
      value: aLock(NEWER),
    }]
  ) {
    const next = stepped(at({ git: { lock } }, state));
    deepEqual([next.place, next.does, next.says], ["idle", [], ["stalled"]], lock.type);
  }
});

// Quarantine

const DAY = 24 * 60 * MINUTE;

function tenTimesBefore(last: number): readonly number[] {
  return Array.from({ length: 10 }, (_, index) => last - index * 60 * MINUTE);
}

function pushedAgain(entry: Partial<QuarantineEntry>, last: "revert" | "promotion" = "promotion"): Situation {
  const quarantine = [aQuarantine(NEW, entry)];
  const status = aStatus(aLock(), { quarantine });
  const about = { ...status.last, kind: "revert" as const, revision: NEW.revision, at: NOW - MINUTE };
  const value = last === "revert" ? { ...status, last: about } : status;
  return at({ git: { candidate: NEW, status: { type: "read", value } } });
}

for (
  const [reverts, delayMinutes] of [[1, 1], [2, 2], [3, 4], [4, 8], [6, 32], [7, 60], [9, 60]] as const
) {
  Deno.test(`idle: after ${reverts} reverts the next one comes ${delayMinutes} minutes later`, () => {
    const early = stepped(pushedAgain({ reverts, lastRevertAt: NOW - delayMinutes * MINUTE + 1 }));
    deepEqual([early.place, early.does, early.wakes], ["idle", [], [NOW + 1]]);
    const due = stepped(pushedAgain({ reverts, lastRevertAt: NOW - delayMinutes * MINUTE }));
    deepEqual([due.place, due.does], ["reverting", ["submit revert"]]);
    equal(due.state.run, null, "No traffic is spent on it");
  });
}

Deno.test("idle: after ten reverts within a day the agent stops, says so, and looks again when the day is over", () => {
  const spent = { reverts: 14, lastRevertAt: NOW - 90 * MINUTE, recentReverts: tenTimesBefore(NOW - 90 * MINUTE) };
  const next = stepped(pushedAgain(spent));
  deepEqual([next.place, next.does, next.says], ["idle", [], ["stalled"]]);
  match(next.state.stalled ?? "", /reverted 10 times within a day \(14 in all\).*reverting stops for a day/);
  deepEqual(next.wakes, [NOW - 90 * MINUTE + DAY]);
  const nextDay = stepped(pushedAgain({ ...spent, lastRevertAt: NOW - DAY, recentReverts: tenTimesBefore(NOW - DAY) }));
  deepEqual(nextDay.does, ["submit revert"]);
});

Deno.test("idle: a revision that is pushed once a night is reverted each night, a minute later, for ever", () => {
  const lastRevertAt = NOW - MINUTE;
  const nightly = { reverts: 40, lastRevertAt, recentReverts: withRevert([lastRevertAt - DAY], lastRevertAt) };
  deepEqual(stepped(pushedAgain(nightly)).does, ["submit revert"]);
});

Deno.test("idle: where Git's last word on it left the manifests alone, another revert is not written", () => {
  const alone = stepped(pushedAgain({ reverts: 0, lastRevertAt: NOW - MINUTE }, "revert"));
  deepEqual([alone.does, alone.says], [[], ["stalled"]]);
  const edited = stepped(pushedAgain({ reverts: 1, lastRevertAt: NOW - MINUTE }, "revert"));
  deepEqual(edited.does, ["submit revert"]);
});
