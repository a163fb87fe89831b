/** How many pods a share of traffic wants. */
import type { Canary, Weight } from "./canary.ts";
import type { Observation } from "./observation.ts";
import type { Run } from "./state.ts";

/** Replicas that carried everything: as the rollout began or as they are now, whichever is more; at least 1. */
export function fullReplicas(run: Run, seen: Observation): number {
  return Math.max(1, run.primaryReplicas, seen.cluster.primary.replicas);
}

/** Pods for a share of traffic, in percent: at least one for any share above 0. */
export function podsFor(share: Weight, replicas: number): number {
  return Math.ceil((share * replicas) / 100);
}

/** Part of all requests that a weight means for the canary workload; a match or a mirror may bring all of them. */
export function shareOf(canary: Canary, weight: Weight, mirror: boolean): number {
  if (mirror) return Math.max(weight, canary.analysis.mirrorWeight);
  if (canary.analysis.strategy.type === "weights") return weight;
  return weight;
}

/** Replicas that the canary workload wants before a weight is on. */
export function canaryReplicas(run: Run, seen: Observation, weight: Weight, mirror: boolean): number {
  const pods = podsFor(shareOf(run.canary, weight, mirror), fullReplicas(run, seen));
  return Math.max(1, pods, seen.cluster.scalerMinimum);
}

/** Replicas that the first share will want, so that the first step finds its pods ready. */
export function firstReplicas(run: Run, seen: Observation): number {
  const { strategy, mirror } = run.canary.analysis;
  const first = strategy.type === "weights" ? strategy.steps[0] ?? 100 : 100;
  return canaryReplicas(run, seen, run.canary.skipAnalysis ? 0 : first, mirror);
}

/** Available pods of the newest template that count as ready, by `canaryReadyThreshold`. */
export function enoughReady(ready: number, wanted: number, percent: number): boolean {
  return ready >= Math.max(1, Math.ceil((wanted * percent) / 100));
}
