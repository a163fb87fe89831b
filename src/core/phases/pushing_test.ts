/** The promotion's commit is on its way: landed, late, impossible, or overtaken by checks. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aCheck,
  aLock,
  aPrimary,
  MINUTE,
  NEW,
  NOW,
  OLD,
  OPEN,
  rollingOut,
  type SituationOptions,
} from "../../../test/support/core_builders.ts";
import { stepped } from "../../../test/support/phase_case.ts";

/** What landed is at the tip by the time that it is seen as landed. */
const at = (options: SituationOptions = {}) => {
  const landed = options.seen?.decision?.type === "committed"
    ? { lock: { type: "read" as const, value: aLock(NEW) } }
    : {};
  return rollingOut("pushing", {
    weight: 60,
    ...options,
    seen: { ...options.seen, git: { ...landed, ...options.seen?.git } },
  });
};
const pending = { type: "pending" as const, reason: "Git is down.", attempts: 3 };
const late = { phaseSince: NOW - 30 * MINUTE };

for (
  const [name, options, phase, cause, says] of [
    ["no answer yet", { seen: { decision: null } }, "pushing", null, []],
    ["on its way", { seen: { decision: { ...pending, reason: null } } }, "pushing", null, []],
    ["Git is down", { seen: { decision: pending } }, "pushing", null, ["git-pending"]],
    ["landed", { seen: { decision: { type: "committed", commit: "c".repeat(40) } } }, "promoting", null, ["promoting"]],
    [
      "landed at the deadline",
      { state: late, seen: { decision: { type: "committed", commit: "c".repeat(40) } } },
      "promoting",
      null,
      ["promoting"],
    ],
    [
      "impossible",
      { seen: { decision: { type: "impossible", reason: "someone moved on." } } },
      "rolling-back",
      "held",
      ["rolling-back"],
    ],
    ["the deadline", { state: late, seen: { decision: pending } }, "rolling-back", "held", ["rolling-back"]],
    [
      "the configured deadline",
      { state: { phaseSince: NOW - 5 * MINUTE }, seen: { decision: pending, promotionDeadlineMs: 5 * MINUTE } },
      "rolling-back",
      "held",
      ["rolling-back"],
    ],
    [
      "a check fails meanwhile",
      { seen: { decision: pending, answers: { metrics: [aCheck("failed")] } } },
      "pushing",
      null,
      ["check-failed", "git-pending"],
    ],
    [
      "the threshold is reached meanwhile",
      { run: { failedChecks: 2 }, seen: { answers: { metrics: [aCheck("failed")] } } },
      "rolling-back",
      "failed",
      ["check-failed", "rolling-back"],
    ],
    [
      "Prometheus is down meanwhile",
      { run: { failedChecks: 2, inconclusiveChecks: 2 }, seen: { answers: { metrics: [aCheck("inconclusive")] } } },
      "rolling-back",
      "held",
      ["check-failed", "rolling-back"],
    ],
    [
      "a rollback hook opens meanwhile",
      { seen: { answers: { metrics: [aCheck()], hooks: { rollback: OPEN } } } },
      "rolling-back",
      "failed",
      ["rolling-back"],
    ],
  ] as const satisfies readonly (readonly [string, SituationOptions, string, string | null, readonly string[]])[]
) {
  Deno.test(`pushing: ${name}: ${phase}${cause === null ? "" : ` as ${cause}`}`, () => {
    const next = stepped(at(options));
    deepEqual([next.state.phase, next.state.run?.rollback?.cause ?? null, [...next.says].sort()], [
      phase,
      cause,
      [...says].sort(),
    ]);
    equal(next.does.includes("apply-primary"), false, "The primary changes only from the commit");
  });
}

Deno.test("pushing: the decision is submitted again while the ledger does not know it", () => {
  deepEqual(stepped(at({ seen: { decision: null } })).does, ["submit promotion"]);
  deepEqual(stepped(at({ seen: { decision: { type: "withdrawn" } } })).does, ["submit promotion"]);
  deepEqual(stepped(at({ seen: { decision: pending } })).does, []);
});

Deno.test("pushing: what landed becomes the lock, and the one before it is remembered to go back to", () => {
  const { state } = stepped(at({ seen: { decision: { type: "committed", commit: "c".repeat(40) } } }));
  deepEqual([state.lock?.release.revision, state.run?.previous?.release.revision, state.decision], [
    NEW.revision,
    OLD.revision,
    null,
  ]);
  equal(state.run?.weight, 60);
});

Deno.test("pushing: until then the primary is kept as the old lock has it", () => {
  const next = stepped(at({ seen: { decision: pending, cluster: { primary: aPrimary(NEW) } } }));
  const [apply] = next.actions;
  equal(apply?.type === "apply-primary" && apply.lock.release.revision, OLD.revision);
});

Deno.test("pushing: it is told once that Git is down, and the deadline is kept", () => {
  const first = stepped(at({ seen: { decision: pending } }));
  deepEqual(stepped({ state: first.state, seen: at({ seen: { decision: pending } }).seen }).says, []);
  equal(Math.min(...first.wakes) <= NOW + 29 * MINUTE, true);
});

Deno.test("pushing: what landed and was reverted by a person before it was seen is not promoted: that is the rollback", () => {
  const committed = { type: "committed" as const, commit: "c".repeat(40) };
  const next = stepped(at({ seen: { decision: committed, git: { lock: { type: "read", value: aLock(OLD) } } } }));
  deepEqual([next.state.phase, next.state.run?.rollback?.cause], ["rolling-back", "failed"]);
});
