/** Builders of locks, decisions and status files for tests, around "prod/shop" of the cluster "eu". */
import type { ClusterIdentity, Decision, Lock, StatusFile } from "../../src/core/decision.ts";
import type { Release } from "../../src/core/release.ts";
import { aDeployment, aRelease } from "./builders.ts";
import { MANUAL_CLOCK_START_MS } from "./manual_clock.ts";

export const CLUSTER: ClusterIdentity = { name: "eu", uid: "uid-eu" };

/** A release of "registry.example.com/shop" at a tag. */
export function releaseAt(tag: string, commit = "1".repeat(40)): Release {
  return aRelease({ commit, target: aDeployment({ image: `registry.example.com/shop:${tag}` }) });
}

/** The lock that a promotion of a release would leave: the primary is the target under its derived name. */
export function aLock(overrides: Partial<Lock> = {}): Lock {
  const release = overrides.release ?? releaseAt("1.0.0");
  const { target } = release;
  return {
    algorithm: 1,
    cluster: CLUSTER,
    canary: { namespace: "prod", name: "shop" },
    decision: "run-0/initialise",
    release,
    primary: { ...target, metadata: { ...target.metadata, name: `${target.metadata.name}-primary` } },
    configs: [],
    digests: {},
    ...overrides,
  };
}

/** A promotion of 1.1.0 unless told otherwise. */
export function aDecision(overrides: Partial<Decision> = {}): Decision {
  const release = overrides.release ?? releaseAt("1.1.0", "2".repeat(40));
  return {
    id: "run-1/promotion",
    canary: { namespace: "prod", name: "shop" },
    kind: "promotion",
    at: MANUAL_CLOCK_START_MS,
    release,
    lock: aLock({ release, decision: overrides.id ?? "run-1/promotion" }),
    manifests: null,
    quarantine: null,
    lift: null,
    evidence: [],
    approvals: [],
    reason: "All checks passed",
    ...overrides,
  };
}

/** The decision that a failed 1.1.0 comes to while 1.0.0 is the lock. */
export function aRevert(overrides: Partial<Decision> = {}): Decision {
  const release = overrides.release ?? releaseAt("1.1.0", "2".repeat(40));
  const lock = overrides.lock ?? aLock();
  const reason = "Failed checks threshold reached: 3";
  return aDecision({
    id: "run-1/revert",
    kind: "revert",
    release,
    lock,
    manifests: lock.release,
    quarantine: { release, reason },
    reason,
    ...overrides,
  });
}

export function aStatus(overrides: Partial<StatusFile> = {}): StatusFile {
  const release = releaseAt("1.0.0");
  return {
    canary: { namespace: "prod", name: "shop" },
    cluster: CLUSTER,
    last: {
      id: "run-0/initialise",
      kind: "initialise",
      revision: release.revision,
      images: release.images,
      commit: release.commit,
      at: MANUAL_CLOCK_START_MS,
      reason: "First start",
      evidence: [],
      approvals: [],
    },
    quarantine: [],
    history: [],
    ...overrides,
  };
}
