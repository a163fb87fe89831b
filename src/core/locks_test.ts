/** Judging the lock that Git holds, and what a lock may hold. */
import { deepEqual, equal, match } from "node:assert/strict";
import { aConfigMap, aDeployment, aRelease } from "../../test/support/builders.ts";
import {
  aDecision,
  aLock,
  anObservation,
  aState,
  CLUSTER,
  NEW,
  NEWER,
  NOW,
  OLD,
  shop,
} from "../../test/support/core_builders.ts";
import { lockDigest } from "./decision.ts";
import { decisionId, judgeLock, lockDifference, makeDecision, makeLock, remember, runId } from "./locks.ts";
import type { FileFacts } from "./observation.ts";
import type { Lock } from "./decision.ts";
import type { State } from "./state.ts";

const ours = aLock(OLD);
const next = aLock(NEW, { decision: "run2/promotion" });
const foreign = aLock(NEW, { cluster: { name: "east", uid: "uid-of-before" } });
const read = (value: Lock): FileFacts<Lock> => ({ type: "read", value });

interface Row {
  readonly name: string;
  readonly state?: Partial<State>;
  readonly lock: FileFacts<Lock>;
  readonly lastDecision?: string;
  readonly history?: readonly string[];
  readonly want: string;
}

const ROWS: readonly Row[] = [
  { name: "the remembered lock", lock: read(ours), want: "same" },
  {
    name: "the remembered lock, written by another decision",
    lock: read(aLock(OLD, { decision: "x/promotion" })),
    want: "same",
  },
  { name: "no lock", lock: { type: "absent" }, want: "missing" },
  { name: "a file that is no lock", lock: { type: "broken", reason: "not YAML" }, want: "broken" },
  { name: "a lock that was withdrawn", state: { withdrawn: [lockDigest(next)] }, lock: read(next), want: "withdrawn" },
  {
    name: "a withdrawn lock is not an earlier one either",
    state: { withdrawn: [lockDigest(next)], lockHistory: [lockDigest(ours), lockDigest(next)] },
    lock: read(next),
    want: "withdrawn",
  },
  { name: "another cluster's", lock: read(foreign), want: "other-cluster" },
  { name: "another cluster's, after adoption", state: { adopted: true }, lock: read(foreign), want: "edited" },
  {
    name: "the decision on its way has landed",
    state: { decision: aDecision({ id: "run2/promotion", lock: next }) },
    lock: read(next),
    want: "ours",
  },
  {
    name: "an earlier lock: a person reverted the promotion",
    state: { lock: next, lockHistory: [lockDigest(next), lockDigest(ours)] },
    lock: read(ours),
    want: "earlier",
  },
  {
    name: "written by an agent of ours, by the status file beside it",
    lock: read(next),
    lastDecision: "run2/promotion",
    history: [lockDigest(next)],
    want: "ours",
  },
  {
    name: "a status file that does not know this lock",
    lock: read(next),
    lastDecision: "run2/promotion",
    history: [lockDigest(ours)],
    want: "edited",
  },
  { name: "somebody's own", lock: read(aLock(NEWER)), want: "edited" },
];

for (const { name, state, lock, lastDecision, history, want } of ROWS) {
  Deno.test(`judgeLock() ${name}: ${want}`, () => {
    const facts = { lock, lastDecision: lastDecision ?? null, history: history ?? [] };
    equal(judgeLock(aState(state), facts, CLUSTER).type, want);
  });
}

Deno.test("remember() keeps ten locks, newest first, each once, and takes what is promoted again off the withdrawn", () => {
  const many = Array.from({ length: 12 }, (_, index) => `digest-${index}`);
  const state = aState({ lockHistory: many, withdrawn: [lockDigest(next), "other"] });
  const patch = remember(state, next);
  equal(patch.lockHistory?.length, 10);
  equal(patch.lockHistory?.[0], lockDigest(next));
  deepEqual(patch.withdrawn, ["other"]);
  equal(patch.previousLock, state.lock);
  const again = remember(aState({ lockHistory: ["a", lockDigest(next)] }), next);
  deepEqual(again.lockHistory, [lockDigest(next), "a"]);
});

const secret = { ...aConfigMap({ name: "shop-key" }), kind: "Secret", data: { password: "aHVudGVyMg==" } };
const withSecret = aRelease({
  target: aDeployment({ podSpec: { volumes: [{ name: "key", secret: { secretName: "shop-key" } }] } }),
  configs: [secret],
});

Deno.test("makeLock() and makeDecision() hold Secrets by digest only", () => {
  const turn = { canary: shop(), state: aState(), seen: anObservation(), now: NOW };
  const lock = makeLock(turn, withSecret, { primary: ours.primary, configs: [secret], digests: {} }, "run/promotion");
  const decision = makeDecision(turn, { kind: "promotion", run: "run", release: withSecret, lock, reason: "" });
  for (const written of [lock, decision]) equal(JSON.stringify(written).includes("aHVudGVyMg"), false);
  equal(lock.release.revision, withSecret.revision);
  equal(lock.release.configs[0]?.digest, withSecret.configs[0]?.digest);
  deepEqual(lock.configs, []);
});

Deno.test("runId() and decisionId() are stable, and differ by canary, revision, start and kind", () => {
  const state = aState();
  const other = aState({ id: { namespace: "prod", name: "cart" } });
  equal(runId(state, "r", NOW), runId(state, "r", NOW));
  const ids = [runId(state, "r", NOW), runId(state, "s", NOW), runId(state, "r", NOW + 1), runId(other, "r", NOW)];
  equal(new Set(ids).size, 4);
  equal(decisionId("run", "revert"), "run/revert");
});

Deno.test("lockDifference() names the first place, images first", () => {
  match(lockDifference(ours, next), /^images\.app: ".*1\.0\.0" became ".*2\.0\.0"$/);
  const edited = { ...ours, primary: { ...ours.primary, spec: { ...ours.primary.spec, replicas: 9 } } };
  equal(lockDifference(ours, edited), "primary.spec.replicas: 4 became 9");
  equal(lockDifference(ours, ours), "it declares the same");
});

Deno.test("lockDigest() tells content, not who wrote it", () => {
  equal(lockDigest(aLock(OLD, { decision: "a" })), lockDigest(aLock(OLD, { decision: "b" })));
  equal(lockDigest(ours) === lockDigest(foreign), false);
  equal(lockDigest(aLock(OLD, { cluster: { name: "renamed", uid: CLUSTER.uid } })), lockDigest(ours));
});
