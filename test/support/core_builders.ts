/**
 * Builders of what the core decides on: states, observations, runs, locks. Every field has a default, so that what a
 * test sets is what it is about. The default situation is "prod/shop" at rest: users are on release 1.0.0, four pods of
 * the primary are ready, the target stands at 0, Git and cluster agree, and nothing is to be done.
 */
import type { Canary, WebhookSpec, WebhookType } from "../../src/core/canary.ts";
import type { ClusterIdentity, Decision, Lock, QuarantineEntry, StatusFile } from "../../src/core/decision.ts";
import { lockDigest } from "../../src/core/decision.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import { decisionId } from "../../src/core/locks.ts";
import {
  type CheckResult,
  type ClusterFacts,
  type ComparisonView,
  type GitFacts,
  type HooksAnswer,
  NO_ANSWERS,
  type Observation,
} from "../../src/core/observation.ts";
import { podTemplateOf, type Release, REVISION_ALGORITHM } from "../../src/core/release.ts";
import { newState, type Phase, type Run, type Stage, type State } from "../../src/core/state.ts";
import { NO_WORKLOAD, type WorkloadView } from "../../src/core/workload.ts";
import { aCanary, aDeployment, aRelease, type DeepPartial, frozen } from "./builders.ts";

/** The time at which tests start, epoch milliseconds; rollouts of `aRun` began a little earlier. */
export const NOW = 1_700_000_000_000;
export const SECOND = 1_000;
export const MINUTE = 60_000;

export const CLUSTER: ClusterIdentity = { name: "east", uid: "uid-east" };

/** The release with image "registry.example.com/shop:<version>", of a commit that its version names. */
export function versionOf(version: string): Release {
  const target = aDeployment({ image: `registry.example.com/shop:${version}`, replicas: 4 });
  return frozen(aRelease({ target, commit: digestOf(version, 40) }));
}

/** "1.0.0" of a release made by `versionOf`. */
export function versionName(release: Release): string {
  return release.images[0]?.image.split(":")[1] ?? release.revision;
}

export const OLD = versionOf("1.0.0");
export const NEW = versionOf("2.0.0");
export const NEWER = versionOf("3.0.0");

/** A primary as an adapter might render it; only its difference from others matters here. */
export function primaryOf(release: Release): KubeObject {
  return frozen({ ...release.target, metadata: { ...release.target.metadata, name: "shop-primary" } });
}

/** Digest of the live pod template when a release is applied. */
export function templateOf(release: Release): string {
  return digestOf(podTemplateOf(release.target));
}

export function aLock(release: Release = OLD, overrides: Partial<Lock> = {}): Lock {
  return {
    algorithm: REVISION_ALGORITHM,
    cluster: CLUSTER,
    canary: { namespace: "prod", name: "shop" },
    decision: `${digestOf(release.revision, 10)}/promotion`,
    release,
    primary: primaryOf(release),
    configs: [],
    digests: {},
    ...overrides,
  };
}

export function aStatus(lock: Lock, overrides: Partial<StatusFile> = {}): StatusFile {
  const { release } = lock;
  return {
    canary: lock.canary,
    cluster: lock.cluster,
    last: {
      id: lock.decision,
      kind: "promotion",
      revision: release.revision,
      images: release.images,
      commit: release.commit,
      at: NOW - 3_600_000,
      reason: "All checks passed.",
      evidence: [],
      approvals: [],
    },
    quarantine: [],
    history: [{ lock: lockDigest(lock), revision: release.revision, at: NOW - 3_600_000 }],
    ...overrides,
  };
}

export function aQuarantine(release: Release, overrides: Partial<QuarantineEntry> = {}): QuarantineEntry {
  const { reverts = 1, lastRevertAt = NOW - MINUTE } = overrides;
  return {
    revision: release.revision,
    images: release.images,
    since: NOW - MINUTE,
    reason: "Failed checks threshold reached 3",
    digests: {},
    reverts,
    lastRevertAt,
    recentReverts: Array.from({ length: Math.min(reverts, 10) }, (_, index) => lastRevertAt - index * MINUTE),
    ...overrides,
  };
}

/** A workload whose pods all run and are ready. */
export function aWorkload(release: Release, replicas: number, overrides: Partial<WorkloadView> = {}): WorkloadView {
  return {
    ...NO_WORKLOAD,
    exists: true,
    replicas,
    ready: replicas,
    updated: replicas,
    available: replicas,
    templateDigest: templateOf(release),
    generation: 1,
    ...overrides,
  };
}

/** The primary as a release's lock has it. */
export function aPrimary(release: Release = OLD, overrides: Partial<WorkloadView> = {}): WorkloadView {
  return aWorkload(release, 4, { revision: release.revision, ...overrides });
}

export interface SeenOverrides {
  readonly git?: Partial<GitFacts>;
  readonly cluster?: Partial<ClusterFacts>;
  readonly answers?: Partial<Observation["answers"]>;
  readonly decision?: Observation["decision"];
  readonly promotionDeadlineMs?: number;
}

/** Git and cluster at rest on release 1.0.0. */
export function anObservation(overrides: SeenOverrides = {}): Observation {
  const canary = overrides.git?.canary ?? shop();
  const lock = aLock();
  return {
    git: {
      state: "fresh",
      presence: "declared",
      canary,
      candidate: OLD,
      complaint: null,
      lock: { type: "read", value: lock },
      status: { type: "read", value: aStatus(lock) },
      commit: OLD.commit,
      ...overrides.git,
    },
    cluster: {
      uid: CLUSTER.uid,
      clusterName: CLUSTER.name,
      target: aWorkload(OLD, 0),
      primary: aPrimary(),
      primaryDrifted: false,
      engineApplies: true,
      targetRevision: OLD.revision,
      routes: { exists: true, weight: 0, mirror: false, accepted: "yes", reason: null, drifted: false },
      leadsOver: null,
      apex: "primary",
      servicesReady: true,
      applied: { type: "applied", message: "The agent applies it." },
      liveRelease: OLD,
      fence: "none",
      fenceRun: null,
      targetUndeclared: false,
      leaving: null,
      heldUp: null,
      captured: true,
      fenceNeeded: false,
      primaryScalerDrifted: false,
      targetScalerDrifted: false,
      scalerMinimum: 0,
      declaredReplicas: 4,
      blocked: null,
      ...overrides.cluster,
    },
    answers: { ...NO_ANSWERS, series: { type: "there" }, ...overrides.answers },
    decision: overrides.decision ?? null,
    ...(overrides.promotionDeadlineMs === undefined ? {} : { promotionDeadlineMs: overrides.promotionDeadlineMs }),
  };
}

/** A canary of three steps, 20, 40 and 60 percent, that is checked every minute. */
export function shop(overrides: DeepPartial<Canary> = {}): Canary {
  const strategy = overrides.analysis?.strategy ??
    { type: "weights" as const, steps: [20, 40, 60], stepWeightPromotion: 0 };
  return aCanary({ ...overrides, analysis: { ...overrides.analysis, strategy } });
}

/** At rest on release 1.0.0. */
export function aState(overrides: Partial<State> = {}): State {
  const lock = aLock();
  return {
    ...newState({ namespace: "prod", name: "shop" }, NOW - 3_600_000),
    phase: "idle",
    canary: shop(),
    lock,
    lockHistory: [lockDigest(lock)],
    ...overrides,
  };
}

/** A rollout of release 2.0.0 that was just compared and has no share yet. */
export function aRun(overrides: Partial<Run> = {}): Run {
  const release = overrides.release ?? NEW;
  return {
    id: "run0000001",
    canary: shop(),
    release,
    startedAt: NOW - 10 * MINUTE,
    stage: "check",
    stageSince: NOW - MINUTE,
    weight: 0,
    mirror: false,
    nextWeight: 0,
    nextMirror: false,
    routedAt: NOW - MINUTE,
    readySince: NOW - MINUTE,
    iterations: 0,
    failedChecks: 0,
    inconclusiveChecks: 0,
    preRolloutPassed: false,
    nextCheckAt: NOW,
    primaryReplicas: 4,
    templateDigest: templateOf(release),
    rendered: { primary: primaryOf(release), configs: [] },
    digests: {},
    approvals: [],
    openGates: [],
    cookies: { canary: null, previous: null, primary: null },
    evidence: [],
    rollback: null,
    previous: null,
    ...overrides,
  };
}

export function aDecision(overrides: Partial<Decision> = {}): Decision {
  const kind = overrides.kind ?? "promotion";
  const release = overrides.release ?? NEW;
  return {
    id: decisionId("run0000001", kind),
    canary: { namespace: "prod", name: "shop" },
    kind,
    at: NOW - MINUTE,
    release,
    lock: kind === "promotion" ? aLock(release, { decision: decisionId("run0000001", kind) }) : aLock(),
    manifests: kind === "promotion" ? null : OLD,
    quarantine: kind === "revert" ? { release, reason: "Failed checks threshold reached 3" } : null,
    lift: null,
    evidence: [],
    approvals: [],
    reason: "All checks passed.",
    ...overrides,
  };
}

export function aHook(type: WebhookType, overrides: Partial<WebhookSpec> = {}): WebhookSpec {
  return {
    name: type,
    url: `http://hooks.prod/${type}`,
    type,
    timeoutMs: 5_000,
    retries: 0,
    muteAlert: false,
    metadata: {},
    insecureSkipVerify: false,
    ...overrides,
  };
}

export const OPEN: HooksAnswer = { type: "open" };

export function closed(hook: string, overrides: { readonly muteAlert?: boolean } = {}): HooksAnswer {
  return { type: "closed", hook, reason: "it said no", muteAlert: overrides.muteAlert ?? false };
}

export function unknown(hook: string): HooksAnswer {
  return { type: "unknown", hook, reason: "no answer within 5 s", muteAlert: false };
}

export function aCheck(outcome: CheckResult["outcome"] = "passed", overrides: Partial<CheckResult> = {}): CheckResult {
  return {
    name: "success-rate",
    outcome,
    value: outcome === "passed" ? 99.9 : outcome === "failed" ? 90 : null,
    message: outcome === "passed"
      ? "success rate 99.90%"
      : outcome === "failed"
      ? "success rate 90.00% < 99%"
      : "no values found for metric request-success-rate",
    noData: false,
    critical: false,
    dryRun: false,
    ...overrides,
  };
}

export function aComparison(release: Release = NEW, overrides: Partial<ComparisonView> = {}): ComparisonView {
  return {
    difference: null,
    templateDigest: templateOf(release),
    primary: primaryOf(release),
    configs: [],
    digests: {},
    ...overrides,
  };
}

export interface Situation {
  readonly state: State;
  readonly seen: Observation;
}

export interface SituationOptions {
  readonly stage?: Stage;
  readonly weight?: number;
  readonly canary?: Canary;
  readonly run?: Partial<Run>;
  readonly state?: Partial<State>;
  readonly seen?: SeenOverrides;
}

/** In the middle of a rollout from 1.0.0 to 2.0.0: state and world agree, and all that was asked for is true. */
export function rollingOut(phase: Phase, options: SituationOptions = {}): Situation {
  const canary = options.canary ?? shop();
  const weight = options.weight ?? 20;
  const afterPush = phase === "promoting" || phase === "finalising";
  const run = aRun({
    canary,
    weight,
    nextWeight: weight,
    stage: options.stage ?? "check",
    previous: afterPush || phase === "restoring" ? aLock() : null,
    ...options.run,
  });
  const lock = afterPush ? aLock(NEW, { decision: decisionId(run.id, "promotion") }) : aLock();
  const decision = phase === "pushing" ? aDecision() : phase === "reverting" ? aDecision({ kind: "revert" }) : null;
  const inGit = afterPush || phase === "restoring" ? aLock(NEW, { decision: decisionId(run.id, "promotion") }) : lock;
  const { cluster, git, ...seen } = options.seen ?? {};
  return {
    state: aState({
      phase,
      phaseSince: NOW - MINUTE,
      canary,
      lock,
      run,
      decision,
      lockHistory: [lockDigest(lock)],
      ...options.state,
    }),
    seen: anObservation({
      ...seen,
      git: {
        canary,
        candidate: NEW,
        commit: NEW.commit,
        lock: { type: "read", value: inGit },
        status: { type: "read", value: aStatus(inGit) },
        ...git,
      },
      cluster: {
        target: aWorkload(NEW, Math.max(1, Math.ceil((4 * weight) / 100))),
        targetRevision: NEW.revision,
        primary: aPrimary(lock.release),
        liveRelease: NEW,
        routes: { exists: true, weight, mirror: run.mirror, accepted: "yes", reason: null, drifted: false },
        ...cluster,
      },
    }),
  };
}
