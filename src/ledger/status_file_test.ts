/** The status file: it survives a round trip, and a person may edit the quarantine. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Evidence, StatusFile } from "../core/decision.ts";
import { aStatus, CLUSTER } from "../../test/support/ledger_builders.ts";
import { parseStatusFile, renderStatusFile } from "./status_file.ts";

const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary-ascii" }), fc.constant("010"));
const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
const images = fc.array(fc.record({ container: text, image: text }), { maxLength: 2 });
const evidence: fc.Arbitrary<readonly Evidence[]> = fc.array(
  fc.record({
    name: text,
    outcome: fc.constantFrom("passed", "failed", "inconclusive"),
    value: fc.option(fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0))),
    message: text,
    at: time,
  }),
  { maxLength: 2 },
);
const statuses: fc.Arbitrary<StatusFile> = fc.record({
  canary: fc.record({ namespace: text, name: text }),
  cluster: fc.constant(CLUSTER),
  last: fc.record({
    id: text,
    kind: fc.constantFrom(
      "initialise",
      "promotion",
      "revert",
      "withdrawal",
      "rollback",
      "restore-lock",
      "removal",
      "hand-back",
      "record",
    ),
    revision: text,
    images,
    commit: text,
    at: time,
    reason: text,
    evidence,
    approvals: fc.array(
      fc.record({
        gate: fc.constantFrom("confirm-rollout", "confirm-traffic-increase", "confirm-promotion"),
        revision: text,
        by: text,
        at: time,
        verdict: fc.constantFrom("approved", "rejected"),
        reason: text,
      }),
      { maxLength: 2 },
    ),
  }),
  quarantine: fc.array(
    fc.record({
      revision: text,
      images,
      since: time,
      reason: text,
      digests: fc.dictionary(fc.constantFrom("shop:1", "shop:2", "a/b@sha256:0"), text),
      reverts: fc.nat(),
      lastRevertAt: time,
      recentReverts: fc.array(time, { maxLength: 10 }),
    }),
    { maxLength: 2 },
  ),
  history: fc.array(fc.record({ lock: text, revision: text, at: time }), { maxLength: 10 }),
});

Deno.test("renderStatusFile() and parseStatusFile() give back any status", () => {
  fc.assert(fc.property(statuses, (status) => {
    const rendered = renderStatusFile(status);
    assert.deepEqual(parseStatusFile(rendered), { type: "read", value: structuredClone(status) });
    assert.equal(rendered, renderStatusFile(structuredClone(status)));
  }));
});

Deno.test("renderStatusFile() writes times as RFC 3339 in UTC", () => {
  const at = Date.UTC(2026, 0, 31, 12, 30, 5);
  const last = { ...aStatus().last, at };
  assert.match(renderStatusFile(aStatus({ last })), /^ {4}at: "?2026-01-31T12:30:05Z"?$/m);
  assert.match(renderStatusFile(aStatus({ last: { ...last, at: at + 7 } })), /2026-01-31T12:30:05\.007Z/);
});

Deno.test("parseStatusFile() reads a quarantine that a person emptied, or wrote by hand", () => {
  const rendered = renderStatusFile(aStatus());
  const removed = parseStatusFile(rendered.replace(/^ {2}quarantine: .*\n/m, ""));
  assert.deepEqual(removed.type === "read" && removed.value.quarantine, []);
  const written = parseStatusFile(rendered.replace(/^ {2}quarantine: .*$/m, "  quarantine:\n    - revision: abc"));
  assert.deepEqual(written.type === "read" && written.value.quarantine, [
    { revision: "abc", images: [], since: 0, reason: "", digests: {}, reverts: 0, lastRevertAt: 0, recentReverts: [] },
  ]);
});

Deno.test("renderStatusFile() tells people when a quarantined revision may be reverted next, and takes no notice of it", () => {
  const at = Date.UTC(2026, 0, 31, 12);
  const entry = { revision: "abc", images: [], since: at, reason: "bad", digests: {}, reverts: 3, lastRevertAt: at };
  const status = aStatus({ quarantine: [{ ...entry, recentReverts: [at, at - 60_000, at - 180_000] }] });
  const text = renderStatusFile(status);
  assert.match(text, /^ +nextRevertAt: "2026-01-31T12:04:00Z"$/m);
  const parsed = parseStatusFile(text.replace("12:04:00Z", "19:00:00Z"));
  assert.deepEqual(parsed, { type: "read", value: status });
});

Deno.test("parseStatusFile() says why a file is broken", () => {
  const rendered = renderStatusFile(aStatus());
  const wrong = (what: string, by: string) => {
    const view = parseStatusFile(rendered.replace(what, by));
    return view.type === "broken" ? view.reason : "not broken";
  };
  assert.match(
    wrong("kind: initialise", "kind: initialize"),
    /^status\.last\.kind must be one of initialise, promotion/,
  );
  assert.match(wrong('at: "2026', 'at: "26'), /^status\.last\.at must be a time such as/);
  assert.match(wrong("quarantine: []", "quarantine: abc"), /^status\.quarantine must be a list: found "abc"$/);
  assert.match(wrong("quarantine: []", "quarantine: [abc]"), /^status\.quarantine\[0\] must be a map: found "abc"$/);
});
