/** What is to be done now. Every action can be repeated; the shell performs them in order and stops at a failure. */
import type { Severity, WebhookType } from "./canary.ts";
import type { Decision, Lock } from "./decision.ts";
import type { ObjectRef } from "./kube_object.ts";
import type { Release } from "./release.ts";
import type { Routes } from "./routes.ts";

export type Action =
  /** Config copies, primary workload and its scaler, as the lock has them. `replicas` only where none is set. */
  | { readonly type: "apply-primary"; readonly lock: Lock; readonly floor: number | null; readonly replicas: number }
  /** Apex, -primary and -canary Services. */
  | { readonly type: "apply-services"; readonly apex: "primary" | "target" }
  /** Engine `self` only: the release unit's own manifests, without replicas. */
  | { readonly type: "apply-target"; readonly release: Release }
  | { readonly type: "scale-target"; readonly replicas: number }
  | { readonly type: "scale-primary"; readonly replicas: number }
  /** Keeps the primary's scaler from going below a number while a rollout runs; null lets it go. */
  | { readonly type: "floor-primary"; readonly floor: number | null }
  | { readonly type: "route"; readonly routes: Routes }
  /** Keeps the primary that an engine's release makes, if the live target is that release still. */
  | { readonly type: "capture"; readonly release: Release }
  | { readonly type: "fence"; readonly rollout: string }
  /** `gone`: what Git no longer declares, and is deleted instead where the engine has forgotten it. */
  | { readonly type: "unfence"; readonly gone: readonly ObjectRef[] }
  | { readonly type: "refresh-engine" }
  /** Makes live objects safe before a person is asked to take them out of what an engine applies. */
  | { readonly type: "protect-live" }
  /** Deletes copies of configs that nothing of the primary can name any more. */
  | { readonly type: "prune-copies" }
  | { readonly type: "submit"; readonly decision: Decision }
  | { readonly type: "withdraw"; readonly decision: string }
  /** Hooks with effects whose answer decides nothing (post-rollout). */
  | { readonly type: "call-hooks"; readonly hooks: WebhookType; readonly phase: string }
  /** The next step of leading routes from the apex to our Services, or back. */
  | { readonly type: "lead-over"; readonly to: "ours" | "apex" }
  /** Our derived objects away; `restoreRoutes`: routes and the apex Service stay, without our marks. */
  | { readonly type: "remove-derived"; readonly restoreRoutes: boolean }
  | { readonly type: "announce"; readonly announcement: Announcement }
  | { readonly type: "wake"; readonly at: number };

/** Actions that no later look at the world would ask for again. */
export type OnceAction = Extract<Action, { readonly type: "announce" | "call-hooks" }>;

export function isOnce(action: Action): action is OnceAction {
  return action.type === "announce" || action.type === "call-hooks";
}

export type AnnouncementKind =
  | "initialised"
  | "started"
  | "restarted"
  | "waiting"
  | "advanced"
  | "check-failed"
  | "rolling-back"
  | "promoting"
  | "succeeded"
  | "failed"
  | "held"
  | "cancelled"
  | "stalled"
  | "resumed"
  | "git-pending"
  | "decided"
  | "removed";

export interface Announcement {
  /** Stable: run, phase and kind; a repeat after a crash carries it again. */
  readonly id: string;
  readonly kind: AnnouncementKind;
  readonly severity: Severity;
  readonly message: string;
  /** Also sent to notifiers (Flagger alerts), not only to events and logs. */
  readonly alert: boolean;
  readonly revision: string;
  readonly weight: number;
  /** The metric values or hook replies behind it. */
  readonly details: Readonly<Record<string, string | number>>;
}
