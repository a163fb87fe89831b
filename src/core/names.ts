/** Every derived name, formatted here and nowhere else. */
import type { Canary } from "./canary.ts";

/** Field manager, and value of the label app.kubernetes.io/managed-by. */
export const MANAGER = "serin";
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
/** Names the canary an object was derived for: "shop" (same namespace). */
export const CANARY_LABEL = "serin.dev/canary-name";
export const REVISION_ANNOTATION = "serin.dev/revision";
export const EPOCH_ANNOTATION = "serin.dev/epoch";
export const FENCE_ANNOTATION = "serin.dev/fence";
/** The file annotation that makes kustomize drop a lock or status file. */
export const LOCAL_CONFIG_ANNOTATION = "config.kubernetes.io/local-config";
export const FLUX_RECONCILE_ANNOTATION = "kustomize.toolkit.fluxcd.io/reconcile";
export const ARGOCD_SYNC_OPTIONS_ANNOTATION = "argocd.argoproj.io/sync-options";
/** What Argo CD's sync options on a fenced target said before the fence added one; "" where there were none. */
export const FORMER_SYNC_OPTIONS_ANNOTATION = "serin.dev/former-sync-options";

export interface Names {
  /** The stable service and the routing object. */
  readonly apex: string;
  readonly primaryService: string;
  readonly canaryService: string;
  readonly target: string;
  readonly primary: string;
  readonly scaler: string | null;
  readonly primaryScaler: string | null;
  /** The ConfigMap that holds how far a rollout has come. */
  readonly state: string;
}

export function namesOf(canary: Pick<Canary, "id" | "target" | "service" | "scaler">): Names {
  const apex = canary.service.name;
  return {
    apex,
    primaryService: `${apex}-primary`,
    canaryService: `${apex}-canary`,
    target: canary.target.name,
    primary: `${canary.target.name}-primary`,
    scaler: canary.scaler?.name ?? null,
    primaryScaler: canary.scaler === null ? null : `${canary.scaler.name}-primary`,
    state: `serin-${canary.id.name}`,
  };
}

/** Folder of a canary's lock and status file, without a slash at its end. */
export function ledgerFolder(cluster: string, id: { readonly namespace: string; readonly name: string }): string {
  return `.serin/${cluster}/${id.namespace}/${id.name}`;
}

/** The branch on which a revert that could not be made whole is offered to people. */
export function offeredBranch(id: { readonly namespace: string; readonly name: string }, revision: string): string {
  return `serin/revert/${id.namespace}/${id.name}/${revision}`;
}
