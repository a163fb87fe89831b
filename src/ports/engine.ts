/** GitOps engines: who applies the user's manifests, whether it has, and how it is asked to look again. */
import type { JsonObject, KubeObject, ObjectRef } from "../core/kube_object.ts";

/** "pending": not applied yet; "failed": the engine says it could not; "suspended": it was told not to. */
export interface AppliedView {
  readonly type: "applied" | "pending" | "failed" | "suspended";
  readonly message: string;
}

export interface EngineAdapter {
  readonly id: "self" | "flux" | "argocd";
  /** Whether the agent applies the release unit itself. */
  readonly applies: boolean;
  /** The engine object that owns a live target, from its labels and annotations; null when it is not this engine's. */
  readonly owner: (target: KubeObject) => readonly ObjectRef[] | null;
  /** @param owners the live objects of `owner`; those that do not exist are left out */
  readonly applied: (commit: string, owners: readonly KubeObject[]) => AppliedView;
  /** Merge patches that make the engine look at the tip at once. `token` is new each time. */
  readonly refresh: (
    owners: readonly ObjectRef[],
    token: string,
  ) => readonly { readonly ref: ObjectRef; readonly patch: JsonObject }[];
  /**
   * Merge patch on the live target that keeps the engine from starting unanalysed pods, and from deleting it where it can
   * be told so; marked with the rollout's id; null: none is needed.
   *
   * @param live what is fenced; left out where it is only asked whether, and by what kind of patch
   */
  readonly fence: (rollout: string, live?: KubeObject) => JsonObject | null;
  /** Merge patch that takes our fence off a live object. */
  readonly unfence: (live: KubeObject) => JsonObject | null;
  /** Whether the engine leaves a live target alone that left Git, for as long as it is marked as it is. */
  readonly keeps: (target: KubeObject) => boolean;
  /**
   * Whether the engine gave a live object up without deleting it, since a fence kept it from that: it prunes what left
   * Git, and lists this one no more. Only ever asked after it has applied the tip.
   *
   * @param owners the live objects of `owner`
   */
  readonly forgotten: (object: KubeObject, owners: readonly KubeObject[]) => boolean;
  /** What waits beside a fenced target for as long as the fence is on, with what to do; null when nothing is known to. */
  readonly holdsUp: (target: KubeObject, owners: readonly KubeObject[]) => string | null;
  /** Commits that the engine says it looked at last: one that is not known here is a push nobody told us of. */
  readonly seen: (owners: readonly KubeObject[]) => readonly string[];
  /** Whether a field manager is the engine's: what it owns of a live object is what the engine rendered. */
  readonly writes: (manager: string) => boolean;
  /**
   * What the live objects were rendered from, as far as the engine has said: a text that changes with it and with nothing
   * else. It may tell of values that are secret. null: it has not said.
   *
   * @param owners the live objects of `owner`
   */
  readonly renderedFrom: (owners: readonly KubeObject[]) => string | null;
  /** Whether it was asked to look at the tip and has not done so yet: what it says is from before then. */
  readonly isAsked: (owners: readonly KubeObject[]) => boolean;
  /** Whether it writes what it rendered again and again, also without a new release. */
  readonly restates: boolean;
  /** The id in the fence mark of a live target, or null. */
  readonly fencedBy: (target: KubeObject) => string | null;
  /** Whether a fence mark was put by us (true), by someone else (false), or there is none (null). */
  readonly ours: (target: KubeObject) => boolean | null;
}
