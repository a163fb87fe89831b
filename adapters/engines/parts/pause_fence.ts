/**
 * The fence for engines that write templates without looking at our annotations: the workload is paused, so that an
 * engine may write a new template and no pod starts from it, while scaling goes on.
 */
import { at, stringAt } from "../../../src/core/kube_object.ts";
import { FENCE_ANNOTATION } from "../../../src/core/names.ts";
import type { EngineAdapter } from "../../../src/ports/engine.ts";

export const pauseFence = {
  fence: (rollout) => ({ metadata: { annotations: { [FENCE_ANNOTATION]: rollout } }, spec: { paused: true } }),
  unfence: () => ({ metadata: { annotations: { [FENCE_ANNOTATION]: null } }, spec: { paused: null } }),
  // A pause keeps no engine from deleting.
  keeps: () => false,
  forgotten: () => false,
  fencedBy: (target) => stringAt(target, "metadata", "annotations", FENCE_ANNOTATION) ?? null,
  ours: (target) => {
    if (stringAt(target, "metadata", "annotations", FENCE_ANNOTATION) !== undefined) return true;
    return at(target, "spec", "paused") === true ? false : null;
  },
} as const satisfies Pick<EngineAdapter, "fence" | "unfence" | "keeps" | "forgotten" | "fencedBy" | "ours">;
