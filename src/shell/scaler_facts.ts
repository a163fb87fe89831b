/**
 * Whether autoscalers are as Git declares them. They are no part of a revision, so a change of theirs starts no rollout:
 * more room for an incident must not wait for the next release.
 */
import type { Canary } from "../core/canary.ts";
import type { Lock } from "../core/decision.ts";
import { type KubeObject, objectAt } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import { isSubset } from "../core/subset.ts";
import type { ScalerAdapter } from "../ports/scaler.ts";

export interface Scalers {
  /** The target's autoscaler as the tip declares it, or null where it does not. */
  readonly declared: KubeObject | null;
  readonly lock: Lock | null;
  /** The live ones of target and primary. */
  readonly target: KubeObject | undefined;
  readonly primary: KubeObject | undefined;
}

/** What the primary's autoscaler is copied from: the tip's word, else the lock's, else what is live. */
export function scalerToCopy({ declared, lock, target }: Omit<Scalers, "primary">): KubeObject | undefined {
  return declared ?? lock?.release.scaler ?? target;
}

/** Whether the primary's autoscaler is not what it should be outside a rollout. */
export function primaryScalerDrifted(canary: Canary, adapter: ScalerAdapter | null, scalers: Scalers): boolean {
  if (adapter === null || scalers.lock === null) return false;
  const original = scalerToCopy(scalers);
  if (original === undefined) return false;
  return !isSubset(objectAt(adapter.primary(canary, original, null), "spec"), scalers.primary?.spec ?? {});
}

/** Whether a live autoscaler is not as a release declares it. Other versions of the API are compared where they agree. */
export function targetScalerDrifted(release: Release | null, live: KubeObject | undefined): boolean {
  const declared = release?.scaler ?? null;
  if (declared === null) return false;
  if (live === undefined) return true;
  const spec = objectAt(declared, "spec");
  if (declared.apiVersion === live.apiVersion) return !isSubset(spec, live.spec ?? {});
  const { scaleTargetRef, minReplicas, maxReplicas } = spec;
  return !isSubset({ scaleTargetRef, minReplicas, maxReplicas }, live.spec ?? {});
}
