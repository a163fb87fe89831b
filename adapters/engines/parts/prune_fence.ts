/**
 * The fence beside Argo CD: a pause, and the sync option by which Argo CD leaves an object alone that left Git. The option
 * stands in a list that may hold a user's own: what the list said before is remembered beside it, and is what it says
 * afterwards. It is put once a rollout: where the manifest declares a list, self-heal puts that one back, and putting
 * ours again would only have the two of us write in turn.
 */
import { at, type KubeObject, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { ARGOCD_SYNC_OPTIONS_ANNOTATION, FORMER_SYNC_OPTIONS_ANNOTATION } from "../../../src/core/names.ts";
import type { EngineAdapter } from "../../../src/ports/engine.ts";
import { pauseFence } from "./pause_fence.ts";

/** @see https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#no-prune-resources */
const NO_PRUNE = "Prune=false";

export const pruneFence = {
  ...pauseFence,
  fence(rollout, live) {
    const pause = pauseFence.fence(rollout);
    const former = optionsOf(live);
    if (live === undefined || isOurs(live) || hasNoPrune(former)) return pause;
    const options = {
      [ARGOCD_SYNC_OPTIONS_ANNOTATION]: withNoPrune(former),
      [FORMER_SYNC_OPTIONS_ANNOTATION]: former,
    };
    return { ...pause, metadata: { annotations: { ...pause.metadata.annotations, ...options } } };
  },
  unfence(live) {
    const pause = pauseFence.unfence();
    if (!isOurs(live)) return pause;
    const former = formerOf(live);
    // One that somebody has changed since is theirs.
    const restored = optionsOf(live) === withNoPrune(former)
      ? { [ARGOCD_SYNC_OPTIONS_ANNOTATION]: former === "" ? null : former }
      : {};
    const annotations = { ...pause.metadata.annotations, ...restored, [FORMER_SYNC_OPTIONS_ANNOTATION]: null };
    return { ...pause, metadata: { annotations } };
  },
  keeps: (target) => hasNoPrune(optionsOf(target)),
  forgotten: (object, [application]) =>
    isOurs(object) && hasNoPrune(optionsOf(object)) && application !== undefined && wasPassedOver(object, application),
} as const satisfies Pick<EngineAdapter, "fence" | "unfence" | "keeps" | "forgotten" | "fencedBy" | "ours">;

function optionsOf(object: KubeObject | undefined): string {
  return stringAt(object, "metadata", "annotations", ARGOCD_SYNC_OPTIONS_ANNOTATION) ?? "";
}

function formerOf(object: KubeObject): string {
  return stringAt(object, "metadata", "annotations", FORMER_SYNC_OPTIONS_ANNOTATION) ?? "";
}

function isOurs(object: KubeObject): boolean {
  return stringAt(object, "metadata", "annotations", FORMER_SYNC_OPTIONS_ANNOTATION) !== undefined;
}

function hasNoPrune(options: string): boolean {
  return options.split(",").some((option) => option.trim() === NO_PRUNE);
}

function withNoPrune(options: string): string {
  return options === "" ? NO_PRUNE : `${options},${NO_PRUNE}`;
}

/** The last sync was to prune, and came to this object, and let it be. */
function wasPassedOver(object: KubeObject, application: KubeObject): boolean {
  const operation = at(application, "status", "operationState");
  if (at(operation, "operation", "sync", "prune") !== true) return false;
  const { kind, metadata } = object;
  return listAt(operation, "syncResult", "resources").some((resource) =>
    stringAt(resource, "status") === "PruneSkipped" && stringAt(resource, "kind") === kind &&
    stringAt(resource, "name") === metadata.name && stringAt(resource, "namespace") === metadata.namespace
  );
}
