/** What people may ask, and when they are refused. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import {
  aHook,
  aLock,
  anObservation,
  aPrimary,
  aQuarantine,
  aState,
  aStatus,
  MINUTE,
  NEW,
  NEWER,
  NOW,
  OLD,
  rollingOut,
  shop,
  type Situation,
  type SituationOptions,
} from "../../test/support/core_builders.ts";
import { PHASES } from "../../test/support/arbitrary_core.ts";
import { announcement } from "./phases/words.ts";
import { applyCommand, type Command, waitsAtGate } from "./command.ts";
import { lockDigest } from "./decision.ts";
import type { Phase, State } from "./state.ts";

const canary = shop({
  analysis: {
    webhooks: (["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"] as const).map((type) =>
      aHook(type)
    ),
  },
});

function ask(at: Situation, command: Partial<Command> & Pick<Command, "type">) {
  return applyCommand(at.state, { by: "robin", reason: "", revision: null, gate: null, ...command }, at.seen, NOW);
}

function done(at: Situation, command: Partial<Command> & Pick<Command, "type">) {
  const result = ask(at, command);
  if (result.type === "refused") throw new Error(`Refused: ${result.reason}`);
  return result;
}

function refusal(at: Situation, command: Partial<Command> & Pick<Command, "type">): string {
  const result = ask(at, command);
  return result.type === "refused" ? result.reason : `done: ${result.message}`;
}

const atPromotion = (options: SituationOptions = {}) =>
  rollingOut("waiting-promotion", { canary, stage: "check", weight: 60, ...options });
const atTraffic = (options: SituationOptions = {}) =>
  rollingOut("progressing", { canary, state: { waitsFor: announcement.confirmTraffic() }, ...options });
const atRollout = () => rollingOut("waiting", { canary, stage: "applying", weight: 0 });
const approve = { type: "approve", revision: NEW.revision } as const;

Deno.test("waitsAtGate() names the gate in each phase that has one", () => {
  equal(waitsAtGate(atRollout().state), "confirm-rollout");
  equal(waitsAtGate(atTraffic().state), "confirm-traffic-increase");
  equal(waitsAtGate(atPromotion().state), "confirm-promotion");
  equal(waitsAtGate(rollingOut("progressing", { canary }).state), null);
  equal(waitsAtGate(aState()), null);
});

for (
  const [name, at, command, want] of [
    ["another revision", atPromotion(), { ...approve, revision: OLD.revision }, /waits for revision .* not for/],
    ["no revision", atPromotion(), { ...approve, revision: null }, /Name the revision/],
    ["another gate", atPromotion(), { ...approve, gate: "confirm-rollout" as const }, /waits at "confirm-promotion"/],
    ["a second time", atPromotion({ run: { openGates: ["confirm-promotion"] } }), approve, /approved already/],
    ["where nothing waits", rollingOut("progressing", { canary }), approve, /does not wait for an approval/],
    ["at rest", { state: aState(), seen: anObservation() }, approve, /phase is "idle"/],
  ] as const
) {
  Deno.test(`approve is refused: ${name}`, () => match(refusal(at, command), want));
}

for (
  const [name, at, gate, stage] of [
    ["confirm-rollout", atRollout(), "confirm-rollout", "applying"],
    ["confirm-traffic-increase", atTraffic(), "confirm-traffic-increase", "gate"],
    ["confirm-promotion", atPromotion(), "confirm-promotion", "promotion-gate"],
  ] as const
) {
  Deno.test(`approve opens ${name}, is kept with its name, and goes on at once`, () => {
    const { run } = done(at, approve).state;
    deepEqual(run?.openGates, [gate]);
    deepEqual(run?.approvals.map(({ by, verdict, revision }) => [by, verdict, revision]), [[
      "robin",
      "approved",
      NEW.revision,
    ]]);
    deepEqual([run?.stage, run?.nextCheckAt], [stage, NOW]);
  });
}

Deno.test("approve waits for the next round where the newest one failed", () => {
  const line = (outcome: "passed" | "failed", at: number) => ({ name: outcome, outcome, value: 1, message: "", at });
  for (
    const [name, evidence, stage] of [
      ["the newest failed", [line("passed", NOW - MINUTE), line("failed", NOW)], "check"],
      ["an older one failed", [line("failed", NOW - MINUTE), line("passed", NOW)], "gate"],
      ["one of the newest failed", [line("passed", NOW), line("failed", NOW)], "check"],
    ] as const
  ) {
    equal(done(atTraffic({ run: { evidence } }), approve).state.run?.stage, stage, name);
  }
});

Deno.test("reject turns the rollout back as failed, with the name and the reason, and says so", () => {
  const { state, actions } = done(atPromotion(), { ...approve, type: "reject", reason: "too slow" });
  equal(state.phase, "rolling-back");
  deepEqual(state.run?.rollback, { cause: "failed", reason: "Rejected by robin: too slow" });
  deepEqual(state.run?.approvals.map(({ verdict }) => verdict), ["rejected"]);
  deepEqual(actions.map((action) => action.type === "announce" && action.announcement.kind), ["rolling-back"]);
});

Deno.test("pause and resume: once each, and resuming may tell again what is waited for", () => {
  const at = rollingOut("progressing", { state: { told: ["waiting:x"] } });
  const paused = done(at, { type: "pause", reason: "lunch" }).state;
  deepEqual(paused.paused, { by: "robin", at: NOW, reason: "lunch" });
  match(refusal({ ...at, state: paused }, { type: "pause" }), /paused already, by robin/);
  const resumed = done({ ...at, state: paused }, { type: "resume" }).state;
  deepEqual([resumed.paused, resumed.told], [null, []]);
  match(refusal(at, { type: "resume" }), /not paused/);
});

const candidate = (state: Partial<State>, status = aStatus(aLock())): Situation => ({
  state: aState(state),
  seen: anObservation({ git: { candidate: NEW, status: { type: "read", value: status } } }),
});
const listed = aStatus(aLock(), { quarantine: [aQuarantine(NEW)] });

Deno.test("retry starts a held revision again", () => {
  const { state } = done(candidate({ held: { revision: NEW.revision, reason: "Git was down" } }), { type: "retry" });
  equal(state.held, null);
});

Deno.test("retry lifts a quarantine that is known here only, without a commit", () => {
  const { state, actions } = done(candidate({ quarantined: [NEW.revision, "other"] }), { type: "retry" });
  deepEqual([state.quarantined, actions], [["other"], []]);
});

Deno.test("retry lifts a quarantine in Git by a commit that changes only the status file", () => {
  const { state, actions } = done(candidate({}, listed), { type: "retry" });
  equal(state.phase, "reverting");
  const [submit] = actions;
  ok(submit?.type === "submit");
  deepEqual(
    [submit.decision.kind, submit.decision.lift, submit.decision.manifests, lockDigest(submit.decision.lock)],
    ["record", NEW.revision, null, lockDigest(aLock())],
  );
});

for (
  const [name, at, want] of [
    ["nothing is held or quarantined", candidate({}), /neither held nor quarantined/],
    [
      "a rollout is on its way",
      rollingOut("progressing", { seen: { git: { status: { type: "read", value: listed } } } }),
      /neither held/,
    ],
    ["there is no candidate", { state: aState(), seen: anObservation({ git: { candidate: null } }) }, /no candidate/],
    [
      "the lock is another cluster's",
      candidate({ lock: aLock(OLD, { cluster: { name: "east", uid: "before" } }) }, listed),
      /adopt it first/,
    ],
  ] as const
) {
  Deno.test(`retry is refused: ${name}`, () => match(refusal(at, { type: "retry" }), want));
}

const ROLLBACKS: Readonly<Record<Phase, Phase | null>> = {
  "new": null,
  "initialising": null,
  "idle": "reverting",
  "waiting": "rolling-back",
  "starting": "rolling-back",
  "progressing": "rolling-back",
  "waiting-promotion": "rolling-back",
  "pushing": "rolling-back",
  "promoting": "restoring",
  "finalising": "restoring",
  "rolling-back": null,
  "reverting": null,
  "restoring": null,
  "handing-back": null,
  "released": null,
};

for (const phase of PHASES) {
  const want = ROLLBACKS[phase];
  Deno.test(`rollback in ${phase}: ${want ?? "refused"}`, () => {
    const at = phase === "idle"
      ? { state: aState({ lock: aLock(NEW), previousLock: aLock(OLD) }), seen: anObservation() }
      : rollingOut(phase);
    const result = ask(at, { type: "rollback", reason: "errors" });
    if (want === null) return equal(result.type, "refused");
    ok(result.type === "done");
    equal(result.state.phase, want);
    equal(result.state.paused, null);
    ok(result.actions.some((action) => action.type === "announce" && action.announcement.kind === "rolling-back"));
  });
}

Deno.test("rollback of a committed promotion makes the previous lock the lock, and withdraws the other", () => {
  const { state } = done(rollingOut("promoting"), { type: "rollback" });
  equal(state.lock?.release.revision, OLD.revision);
  deepEqual(state.withdrawn, [lockDigest(aLock(NEW))]);
});

Deno.test("rollback of an idle canary applies at once, commits, quarantines what it left, and has no second one", () => {
  const at = {
    state: aState({ lock: aLock(NEW), previousLock: aLock(OLD) }),
    seen: anObservation({ cluster: { primary: aPrimary(NEW) } }),
  };
  const { state, actions } = done(at, { type: "rollback" });
  const [apply, submit] = actions;
  ok(apply?.type === "apply-primary" && submit?.type === "submit");
  equal(apply.lock.release.revision, OLD.revision);
  equal(submit.decision.kind, "rollback");
  equal(submit.decision.manifests?.revision, OLD.revision);
  equal(submit.decision.quarantine?.release.revision, NEW.revision);
  deepEqual([state.withdrawn, state.previousLock], [[lockDigest(aLock(NEW))], null]);
  match(refusal({ ...at, state: { ...state, phase: "idle" } }, { type: "rollback" }), /No earlier lock/);
});

for (
  const [name, state, want] of [
    ["no earlier lock", {}, /No earlier lock/],
    ["the earlier lock is the present one", { previousLock: aLock(OLD) }, /is what users are on/],
    [
      "the earlier lock was withdrawn",
      { previousLock: aLock(NEWER), withdrawn: [lockDigest(aLock(NEWER))] },
      /withdrawn itself/,
    ],
    [
      "the lock is another cluster's",
      { lock: aLock(NEW, { cluster: { name: "east", uid: "before" } }), previousLock: aLock(OLD) },
      /adopt it first/,
    ],
  ] as const
) {
  Deno.test(`rollback at rest is refused: ${name}`, () => {
    match(refusal({ state: aState(state), seen: anObservation() }, { type: "rollback" }), want);
  });
}

Deno.test("adopt: another cluster's lock is written again under this one's identity, once", () => {
  const foreign = aLock(OLD, { cluster: { name: "east", uid: "before" } });
  const at = { state: aState({ lock: foreign, stalled: "not adopted" }), seen: anObservation() };
  const { state, actions } = done(at, { type: "adopt" });
  const [submit] = actions;
  ok(submit?.type === "submit");
  deepEqual([submit.decision.kind, submit.decision.lock.cluster.uid], ["adoption", "uid-east"]);
  deepEqual([state.adopted, state.stalled, state.phase], [true, null, "reverting"]);
  match(refusal({ ...at, state }, { type: "adopt" }), /adopted already/);
});

Deno.test("adopt: a primary whose lock is lost may be started from; nothing is written yet", () => {
  const { state, actions } = done({ state: aState({ phase: "new", lock: null }), seen: anObservation() }, {
    type: "adopt",
  });
  deepEqual([state.adopted, state.phase, actions], [true, "new", []]);
});
