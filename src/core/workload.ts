/** A workload as the core sees it: counts and a verdict on its rollout. */

export interface WorkloadView {
  readonly exists: boolean;
  /** `spec.replicas` wanted of the live object; 0 when it does not exist. */
  readonly replicas: number;
  /** Pods of the newest template that are available. */
  readonly ready: number;
  /** Pods of the newest template. */
  readonly updated: number;
  /** Available pods of any template. */
  readonly available: number;
  /** Pods of older templates that still run. */
  readonly old: number;
  /** The controller has seen the newest generation. */
  readonly observed: boolean;
  /** The controller gave up (ProgressDeadlineExceeded), or null; a sentence. */
  readonly failed: string | null;
  readonly paused: boolean;
  /** Digest of the live pod template; null when the object does not exist. */
  readonly templateDigest: string | null;
  /** Value of the annotation serin.dev/revision on the pod template (primaries only). */
  readonly revision: string | null;
  readonly generation: number;
  readonly deleting: boolean;
}

export const NO_WORKLOAD: WorkloadView = {
  exists: false,
  replicas: 0,
  ready: 0,
  updated: 0,
  available: 0,
  old: 0,
  observed: true,
  failed: null,
  paused: false,
  templateDigest: null,
  revision: null,
  generation: 0,
  deleting: false,
};
