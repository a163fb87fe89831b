/** Sentences that Flagger's users know and filter by, in one place. */
import type { Canary } from "../canary.ts";

export const announcement = {
  initialised: (canary: Canary) => `New ${canary.target.kind} detected, initialization completed.`,
  started: () => "New revision detected, progressing canary analysis.",
  confirmRollout: () => "Canary is waiting for approval.",
  confirmTraffic: () => "Canary traffic increase is waiting for approval.",
  confirmPromotion: () => "Canary promotion is waiting for approval.",
  manualRollback: () => "Rolling back manual webhook invoked",
  thresholdReached: (checks: number) => `Failed checks threshold reached ${checks}`,
  succeeded: () => "Canary analysis completed successfully, promotion finished.",
  skipped: () => "Canary analysis was skipped, promotion finished.",
  promotionFailed: (why: string) => `Promotion failed, primary not ready: ${why}`,
  deadline: (why: string) => `Progress deadline exceeded ${why}`,
};
