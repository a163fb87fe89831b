/** Target kinds: how the primary is made from a release, and how readiness is read. */
import type { Canary } from "../core/canary.ts";
import type { KubeObject } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import type { WorkloadView } from "../core/workload.ts";

export interface PrimaryParts {
  /** The primary workload, without `replicas`: they belong to the scaler or the scale subresource. */
  readonly workload: KubeObject;
  /** Immutable copies of tracked configs, named by content, to exist before the workload is applied. */
  readonly configs: readonly KubeObject[];
}

export interface WorkloadAdapter {
  /** "apps/v1/Deployment". */
  readonly id: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly read: (live: KubeObject | undefined) => WorkloadView;
  /**
   * The primary of a release. Config names in the template become the copies' names.
   * @param secrets live Secrets to copy, by name; those absent are shared with the original
   */
  readonly primary: (
    canary: Canary,
    release: Release,
    secrets: ReadonlyMap<string, { readonly object: KubeObject; readonly suffix: string }>,
  ) => PrimaryParts;
  /** The target as the agent applies it for engine `self`: the manifest without `replicas`. */
  readonly target: (canary: Canary, release: Release) => KubeObject;
  /**
   * Compares the live target's template with the primary that a dry run returned, derived names and ignored fields
   * aside. Returns the first difference as "path: why", or null.
   */
  readonly difference: (canary: Canary, live: KubeObject, dryRunPrimary: KubeObject) => string | null;
  /** Why a copy of this target cannot live beside it, or null. */
  readonly refusal: (canary: Canary, target: KubeObject) => string | null;
  /** Replicas that a Service, HPA or user wants of a live or declared object, or null where it does not say. */
  readonly replicas: (object: KubeObject) => number | null;
}
