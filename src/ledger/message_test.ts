/** Commit messages: subjects in words, and no text from outside that could make up a trailer. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Decision } from "../core/decision.ts";
import { aDeployment, aRelease } from "../../test/support/builders.ts";
import { aDecision, aLock, aRevert, CLUSTER, releaseAt } from "../../test/support/ledger_builders.ts";
import { commitMessage, releaseName } from "./message.ts";
import { TRAILER_KEYS, trailerValues } from "./trailers.ts";

const CONTEXT = { cluster: CLUSTER, manifestsEdited: true, note: null };

function subject(decision: Decision, manifestsEdited = true): string {
  return commitMessage(decision, { ...CONTEXT, manifestsEdited }).split("\n")[0] ?? "";
}

const back = { lock: aLock(), release: releaseAt("1.1.0") };
const SUBJECTS: readonly (readonly [Decision, string])[] = [
  [aDecision(), "Promote prod/shop to shop:1.1.0"],
  [aDecision({ kind: "initialise", ...back, release: releaseAt("1.0.0") }), "Initialise prod/shop at shop:1.0.0"],
  [aRevert(), "Revert prod/shop to shop:1.0.0"],
  [aRevert({ kind: "withdrawal" }), "Withdraw shop:1.1.0 of prod/shop, back to shop:1.0.0"],
  [aRevert({ kind: "rollback" }), "Roll back prod/shop to shop:1.0.0"],
  [aDecision({ kind: "restore-lock", ...back }), "Restore the lock of prod/shop at shop:1.0.0"],
  [aDecision({ kind: "removal" }), "Remove the lock of prod/shop"],
  [aDecision({ kind: "hand-back" }), "Remove the lock of prod/shop"],
  [aDecision({ kind: "record", lift: "abc" }), "Lift the quarantine of abc on prod/shop"],
  [aRevert({ kind: "record" }), "Quarantine shop:1.1.0 of prod/shop"],
];
for (const [decision, wanted] of SUBJECTS) {
  Deno.test(`commitMessage() says what happened: ${wanted}`, () => {
    assert.equal(subject(decision), wanted);
  });
}

Deno.test("commitMessage() says that a revert left the manifests alone", () => {
  assert.equal(subject(aRevert(), false), "Quarantine shop:1.1.0 of prod/shop");
});

Deno.test("releaseName() names what differs, or the revision where no image does", () => {
  const digest = `registry.example.com/a/shop@sha256:${"0123456789abcdef".repeat(4)}`;
  const many = aRelease({
    target: aDeployment({
      podSpec: { initContainers: ["a:1", "b:1", "c:1"].map((image) => ({ name: image, image })) },
    }),
  });
  assert.equal(releaseName(aRelease({ target: aDeployment({ image: digest }) }), null), "shop@sha256:0123456789ab");
  assert.equal(releaseName(many, aRelease()), "a:1, b:1 and 1 more");
  const config = aRelease({ target: aDeployment({ container: { env: [{ name: "A", value: "1" }] } }) });
  assert.equal(releaseName(config, aRelease()), `revision ${config.revision}`);
});

Deno.test("commitMessage() ends in the facts as trailers, in the order of their keys", () => {
  const release = releaseAt("1.1.0");
  const message = commitMessage(
    aDecision({
      release,
      evidence: [{ name: "latency", outcome: "passed", value: 12.5, message: "", at: 0 }],
      approvals: [
        { gate: "confirm-promotion", revision: "r", by: "Ada", at: 0, verdict: "approved", reason: "" },
        { gate: "confirm-rollout", revision: "r", by: "Bob", at: 0, verdict: "rejected", reason: "" },
      ],
    }),
    CONTEXT,
  );
  assert.equal(
    message,
    `Promote prod/shop to shop:1.1.0

All checks passed

* latency: passed, value 12.5

Serin-Approved-By: Ada (confirm-promotion)
Serin-Canary: prod/shop
Serin-Cluster: eu
Serin-Decision: promotion
Serin-Evidence: latency passed 12.5
Serin-Image: registry.example.com/shop:1.1.0
Serin-Rejected-By: Bob (confirm-rollout)
Serin-Revision: ${release.revision}
Serin-Run: run-1/promotion
`,
  );
});

Deno.test("TRAILER_KEYS are sorted", () => {
  assert.deepEqual([...TRAILER_KEYS].sort(), TRAILER_KEYS);
});

/** Text as somebody would write it who wants a trailer of their own. */
const hostile = fc.array(
  fc.oneof(
    fc.constantFrom(
      "\n",
      "\n\n",
      "\r\n",
      "\r",
      "\u2028",
      "\u0085",
      "---",
      "\n---\n",
      "#",
      "Serin-Run: forged",
      ": ",
      "\0",
    ),
    fc.string({ unit: "binary" }),
  ),
  { maxLength: 8 },
).map((parts) => parts.join(""));

Deno.test("commitMessage() lets no text from outside make up a trailer", () => {
  fc.assert(fc.property(hostile, hostile, (text, other) => {
    const decision = aRevert({
      reason: text,
      evidence: [{ name: other, outcome: "failed", value: null, message: text, at: 0 }],
      approvals: [
        { gate: "confirm-rollout", revision: "r", by: other, at: 0, verdict: "approved", reason: text },
      ],
    });
    const message = commitMessage(decision, { ...CONTEXT, note: other });
    assert.deepEqual(trailerValues(message, "Serin-Run"), ["run-1/revert"]);
    assert.deepEqual(trailerValues(message, "Serin-Canary"), ["prod/shop"]);
    const lines = message.split("\n");
    assert.ok(lines.every((line) => !/^(---|#)/.test(line) && !/[\r\0\u2028\u0085]/.test(line)), message);
    const last = message.trimEnd().split("\n\n").at(-1) ?? "";
    const keys = last.split("\n").map((line) => line.split(":")[0]);
    assert.ok(keys.every((key) => (TRAILER_KEYS as readonly (string | undefined)[]).includes(key)), message);
  }));
});

Deno.test("trailerValues() reads the last paragraph only, and no message without a body", () => {
  assert.deepEqual(trailerValues("A\n\nSerin-Run: body\n\nSerin-Run: a\nserin-run:b\n", "Serin-Run"), ["a", "b"]);
  assert.deepEqual(trailerValues("A\r\n\r\nSerin-Run: a\r\n", "Serin-Run"), ["a"]);
  assert.deepEqual(trailerValues("Serin-Run: subject\n", "Serin-Run"), []);
});
