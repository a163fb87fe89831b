/** What the series about canaries are made of, ours and Flagger's alike. */
import type { CanaryId, Strategy } from "../core/canary.ts";
import type { Phase } from "../core/state.ts";

/** What is read of a canary at each scrape; `CanarySummary` has all of it. */
export interface CanaryReading extends CanaryId {
  readonly phase: Phase;
  readonly flaggerPhase: string;
  /** "Deployment/shop". */
  readonly target: string;
  readonly weight: number;
  readonly failedChecks: number;
}

/** How a rollout ended, counted once. */
export interface RolloutEnd {
  readonly id: CanaryId;
  readonly outcome: "initialised" | "succeeded" | "failed" | "held" | "cancelled";
  readonly strategy: Strategy["type"];
  readonly isSkipped: boolean;
  readonly targetName: string;
}

/** The name in "Deployment/shop" or "apps/v1/Deployment/prod/shop". */
export function targetNameOf(target: string): string {
  return target.slice(target.lastIndexOf("/") + 1);
}
