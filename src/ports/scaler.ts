/** Autoscaler kinds: copied along with the primary, and kept from scaling it down while a rollout runs. */
import type { Canary } from "../core/canary.ts";
import type { JsonObject, KubeObject } from "../core/kube_object.ts";

export interface ScalerAdapter {
  /** "autoscaling/v2/HorizontalPodAutoscaler". */
  readonly id: string;
  readonly apiVersion: string;
  readonly kind: string;
  /**
   * The primary's copy of a declared or live scaler.
   * @param floor the least replicas it may scale to while a rollout runs, or null outside one
   */
  readonly primary: (canary: Canary, scaler: KubeObject, floor: number | null) => KubeObject;
  /** Least replicas that the scaler keeps. */
  readonly minimum: (scaler: KubeObject) => number;
  /** Merge patch on the target's scaler that stops or lets it go; null where the kind needs none. */
  readonly pause: (on: boolean) => JsonObject | null;
}
