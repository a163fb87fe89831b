/**
 * Arbitrary states, observations and events for fast-check. States and observations are drawn field by field and need
 * not fit together: a core that is total answers liars too. Stories are drawn as events in the toy world instead.
 */
import fc from "fast-check";
import type { Canary, WebhookType } from "../../src/core/canary.ts";
import type { Command } from "../../src/core/command.ts";
import { lockDigest } from "../../src/core/decision.ts";
import type { HooksAnswer, Observation } from "../../src/core/observation.ts";
import { type Phase, type Run, type Stage, type State } from "../../src/core/state.ts";
import { NO_WORKLOAD, type WorkloadView } from "../../src/core/workload.ts";
import {
  aCheck,
  aComparison,
  aDecision,
  aLock,
  anObservation,
  aPrimary,
  aQuarantine,
  aRun,
  aState,
  aStatus,
  aWorkload,
  closed,
  MINUTE,
  NEW,
  NEWER,
  NOW,
  OLD,
  OPEN,
  unknown,
} from "./core_builders.ts";
import { saved } from "./story.ts";
import { canaryFrom } from "./scenario_canary.ts";

export const PHASES: readonly Phase[] = [
  "new",
  "initialising",
  "idle",
  "waiting",
  "starting",
  "progressing",
  "waiting-promotion",
  "pushing",
  "promoting",
  "finalising",
  "rolling-back",
  "reverting",
  "restoring",
  "handing-back",
  "released",
];

export const STAGES: readonly Stage[] = [
  "applying",
  "scaling",
  "comparing",
  "fencing",
  "pre-rollout",
  "gate",
  "capacity",
  "routing",
  "check",
  "promotion-gate",
];

const HOOKS: readonly WebhookType[] = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "rollback",
];

/** Canaries of every strategy, with any hooks and habits, in the words of a scenario. */
export const canaryWords: fc.Arbitrary<readonly string[]> = fc.record({
  strategy: fc.constantFrom(
    "weights=20,40,60",
    "weights=50",
    "weights=100",
    "weights=1,10,80",
    "ab=2",
    "blue-green=2",
  ),
  hooks: fc.subarray([...HOOKS]),
  habits: fc.subarray([
    "mirror",
    "affinity",
    "consecutive",
    "step-weight-promotion=30",
    "window=2",
    "on-inconclusive=hold",
    "on-no-data=pass",
    "revert-on-deletion",
    "deadline=5",
  ]),
  skip: fc.boolean(),
  threshold: fc.integer({ min: 1, max: 4 }),
}).map(({ strategy, hooks, habits, skip, threshold }) => [
  strategy,
  `hooks=${hooks.join(",")}`,
  `threshold=${threshold}`,
  ...habits,
  ...(skip && hooks.length === 0 ? ["skip-analysis"] : []),
]);

const canaries: fc.Arbitrary<Canary> = canaryWords.map(canaryFrom);

const releases = fc.constantFrom(OLD, NEW, NEWER);
const times = fc.integer({ min: -20, max: 20 }).map((minutes) => NOW + minutes * MINUTE);
const weights = fc.constantFrom(0, 1, 20, 50, 99, 100);
const small = fc.integer({ min: 0, max: 6 });

const locks = releases.chain((release) =>
  fc.constantFrom(aLock(release), aLock(release, { cluster: { name: "west", uid: "uid-west" } }))
);

const workloads: fc.Arbitrary<WorkloadView> = fc.oneof(
  fc.constant(NO_WORKLOAD),
  releases.map((release) => aPrimary(release)),
  fc.record({ release: releases, replicas: small, ready: small, available: small, old: small, observed: fc.boolean() })
    .chain(({ release, ...counts }) =>
      fc.constantFrom(
        aWorkload(release, counts.replicas, counts),
        aWorkload(release, counts.replicas, { ...counts, revision: release.revision }),
        aWorkload(release, counts.replicas, { ...counts, failed: "ProgressDeadlineExceeded" }),
        aWorkload(release, counts.replicas, { ...counts, deleting: true }),
      )
    ),
);

const answers: fc.Arbitrary<HooksAnswer> = fc.constantFrom(OPEN, closed("hook"), unknown("hook"));

const runs: fc.Arbitrary<Run> = fc.record({
  canary: canaries,
  release: releases,
  stage: fc.constantFrom(...STAGES),
  stageSince: times,
  weight: weights,
  nextWeight: weights,
  mirror: fc.boolean(),
  routedAt: fc.option(times),
  readySince: fc.option(times),
  iterations: small,
  failedChecks: small,
  inconclusiveChecks: small,
  preRolloutPassed: fc.boolean(),
  nextCheckAt: times,
  primaryReplicas: small,
  openGates: fc.subarray([
    "confirm-rollout" as const,
    "confirm-traffic-increase" as const,
    "confirm-promotion" as const,
  ]),
  rollback: fc.option(fc.record({
    cause: fc.constantFrom("failed" as const, "held" as const, "cancelled" as const, "superseded" as const),
    reason: fc.constant("because"),
  })),
  previous: fc.option(locks),
}).map((run) => aRun(run));

const decisions = fc.record({
  kind: fc.constantFrom(
    "initialise" as const,
    "promotion" as const,
    "revert" as const,
    "withdrawal" as const,
    "rollback" as const,
    "restore-lock" as const,
    "removal" as const,
    "hand-back" as const,
    "record" as const,
  ),
  release: releases,
}).map((parts) => aDecision(parts));

/** Any state, sensible or not. */
export const states: fc.Arbitrary<State> = fc.record({
  phase: fc.constantFrom(...PHASES),
  phaseSince: times,
  canary: fc.option(canaries),
  suspended: fc.boolean(),
  lock: fc.option(locks),
  previousLock: fc.option(locks),
  withdrawn: fc.array(locks.map(lockDigest), { maxLength: 2 }),
  lockHistory: fc.array(locks.map(lockDigest), { maxLength: 2 }),
  run: fc.option(runs),
  decision: fc.option(decisions),
  held: fc.option(releases.map(({ revision }) => ({ revision, reason: "because" }))),
  quarantined: fc.array(releases.map(({ revision }) => revision), { maxLength: 2 }),
  paused: fc.option(fc.constant({ by: "robin", at: NOW, reason: "" }), { freq: 6 }),
  lastTrafficAt: fc.option(times),
  adopted: fc.boolean(),
}).map((state) => saved(aState(state)));

/** Any observation, true or not. */
export const observations: fc.Arbitrary<Observation> = fc.record({
  git: fc.record({
    state: fc.constantFrom("unknown" as const, "fresh" as const, "stale" as const),
    presence: fc.constantFrom(
      "declared" as const,
      "declared" as const,
      "broken" as const,
      "removed" as const,
      "held-removal" as const,
      "unknown" as const,
    ),
    canary: fc.option(canaries),
    candidate: fc.option(releases),
    complaint: fc.option(fc.constant("canary.yaml:3: wrong"), { freq: 4 }),
    lock: fc.oneof(
      locks.map((value) => ({ type: "read" as const, value })),
      fc.constantFrom({ type: "absent" as const }, { type: "broken" as const, reason: "broken" }),
    ),
    status: fc.oneof(
      fc.record({ lock: locks, release: releases, reverts: small, at: times }).map((
        { lock, release, reverts, at },
      ) => ({
        type: "read" as const,
        value: aStatus(lock, { quarantine: [aQuarantine(release, { reverts, lastRevertAt: at })] }),
      })),
      fc.constantFrom({ type: "absent" as const }, { type: "broken" as const, reason: "broken" }),
    ),
    commit: fc.option(fc.constant(OLD.commit)),
  }),
  cluster: fc.record({
    target: workloads,
    primary: workloads,
    primaryDrifted: fc.boolean(),
    engineApplies: fc.boolean(),
    targetRevision: fc.option(releases.map(({ revision }) => revision)),
    routes: fc.record({
      exists: fc.boolean(),
      weight: weights,
      mirror: fc.boolean(),
      accepted: fc.constantFrom("yes" as const, "no" as const, "unknown" as const),
      reason: fc.constant(null),
      drifted: fc.boolean(),
    }),
    apex: fc.constantFrom("primary" as const, "target" as const, "absent" as const),
    servicesReady: fc.boolean(),
    applied: fc.constantFrom("applied" as const, "pending" as const, "failed" as const, "suspended" as const).map((
      type,
    ) => ({ type, message: "so it says" })),
    liveRelease: fc.option(releases),
    fence: fc.constantFrom("none" as const, "ours" as const, "foreign" as const),
    fenceRun: fc.option(fc.constantFrom("run0000001", "another")),
    fenceNeeded: fc.boolean(),
    primaryScalerDrifted: fc.boolean(),
    targetScalerDrifted: fc.boolean(),
    scalerMinimum: small,
    declaredReplicas: small,
    blocked: fc.option(fc.constant("A Service would be lost."), { freq: 5 }),
  }),
  comparison: fc.option(releases.map((release) => aComparison(release))),
  hooks: fc.record(Object.fromEntries(HOOKS.map((hook) => [hook, answers])), { requiredKeys: [] }),
  metrics: fc.option(fc.array(fc.constantFrom(aCheck(), aCheck("failed"), aCheck("inconclusive")), { maxLength: 2 })),
  series: fc.option(fc.constantFrom(
    { type: "there" as const },
    { type: "missing" as const, metric: "success-rate", reason: "no series" },
    { type: "unknown" as const, metric: "success-rate", reason: "no answer" },
  )),
  decision: fc.option(fc.constantFrom(
    { type: "committed" as const, commit: NEW.commit },
    { type: "pending" as const, reason: "Git is down", attempts: 1 },
    { type: "pending" as const, reason: null, attempts: 0 },
    { type: "impossible" as const, reason: "someone moved on." },
    { type: "withdrawn" as const },
  )),
}).map(({ git, cluster, comparison, hooks, metrics, series, decision }) =>
  anObservation({ git, cluster, answers: { comparison, hooks, metrics, series }, decision })
);

export const commands: fc.Arbitrary<Command> = fc.record({
  type: fc.constantFrom(
    "approve" as const,
    "reject" as const,
    "pause" as const,
    "resume" as const,
    "retry" as const,
    "rollback" as const,
    "adopt" as const,
  ),
  by: fc.constant("robin"),
  reason: fc.constantFrom("", "it looks bad"),
  revision: fc.option(releases.map(({ revision }) => revision)),
  gate: fc.option(
    fc.constantFrom("confirm-rollout" as const, "confirm-traffic-increase" as const, "confirm-promotion" as const),
  ),
});

/** What may happen in a scenario between two turns, as its own commands. */
export const events: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 12 }).map((turns) => `tick ${turns}`) },
  { weight: 2, arbitrary: fc.constantFrom("wait 1m", "wait 3m", "wait 6m") },
  { weight: 2, arbitrary: fc.constantFrom("kill 0", "kill 1", "kill 2") },
  {
    weight: 3,
    arbitrary: fc.constantFrom("metrics pass", "metrics fail", "metrics down", "metrics none", "metrics critical"),
  },
  { weight: 2, arbitrary: fc.constantFrom("git up", "git down", "git refuses", "git in-doubt", "git impossible") },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom(...HOOKS.filter((hook) => hook !== "rollback")),
      fc.constantFrom("open", "closed", "silent"),
    )
      .map(([hook, answer]) => `hook ${hook} ${answer}`),
  },
  { weight: 1, arbitrary: fc.constantFrom("hook rollback closed", "hook rollback open") },
  { weight: 2, arbitrary: fc.constantFrom("candidate 2.0.0", "candidate 3.0.0", "candidate 1.0.0") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "primary stuck 2.0.0",
      "primary free",
      "primary down",
      "primary drifted",
      "pods stuck 2.0.0",
      "pods free",
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom("route drifted", "route refused", "route accepted", "target down") },
  { weight: 1, arbitrary: fc.constantFrom("target edited 4.0.0", "target deleted", "target unfenced") },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "approve by robin",
      "reject by robin",
      "pause by robin",
      "resume by robin",
      "retry by robin",
      "rollback by robin",
    ),
  },
);
