/** Argo CD: what an Application says of a target it syncs, how it is asked to look again, and the fence for it. */
import { canonicalJson } from "../../src/core/digest.ts";
import {
  at,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  type ObjectRef,
  stringAt,
} from "../../src/core/kube_object.ts";
import type { AppliedView, EngineAdapter } from "../../src/ports/engine.ts";
import { pruneFence } from "./parts/prune_fence.ts";

const API = "argoproj.io/v1alpha1";
/** Where Applications live unless the tracking id says otherwise. */
const DEFAULT_NAMESPACE = "argocd";

/** @see https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/ */
export const argocd = {
  id: "argocd",
  applies: false,
  owner,
  applied,
  refresh: (owners) =>
    owners.map((ref) => ({ ref, patch: { metadata: { annotations: { "argocd.argoproj.io/refresh": "hard" } } } })),
  holdsUp,
  writes: (manager) => manager.startsWith("argocd"),
  renderedFrom: ([application]) => {
    // The sources as they were synced: parameters of an Application count as much as its commit.
    const { revision, revisions, source, sources } = objectAt(application, "status", "operationState", "syncResult");
    return revision === undefined && revisions === undefined
      ? null
      : canonicalJson({ revision, revisions, source, sources });
  },
  isAsked: ([application]) => application?.metadata.annotations?.["argocd.argoproj.io/refresh"] !== undefined,
  restates: true,
  seen: ([application]) => {
    const sync = at(application, "status", "sync");
    return [stringAt(sync, "revision") ?? "", ...listAt(sync, "revisions").map(String)].filter(isHash);
  },
  ...pruneFence,
} as const satisfies EngineAdapter;

function owner(target: KubeObject): readonly ObjectRef[] | null {
  const name = trackedBy(target);
  if (name === undefined) return null;
  // An application of another namespace is tracked as "<namespace>_<name>"; neither part can hold an underscore.
  const [first = "", second] = name.split("_");
  return [{
    apiVersion: API,
    kind: "Application",
    namespace: second === undefined ? DEFAULT_NAMESPACE : first,
    name: second ?? first,
  }];
}

/** Named in words, so that a list stays readable. */
const NAMED_MAX = 3;

/** A paused Deployment is never healthy, and a later sync wave waits for the ones before it to be. */
function holdsUp(target: KubeObject, [application]: readonly KubeObject[]): string | null {
  const resources = listAt(application, "status", "resources");
  const waveOf = (resource: unknown): number => numberAt(resource, "syncWave") ?? 0;
  const own = resources.find((one) =>
    stringAt(one, "kind") === target.kind && stringAt(one, "name") === target.metadata.name &&
    stringAt(one, "namespace") === target.metadata.namespace
  );
  const later = resources.filter((one) => waveOf(one) > waveOf(own));
  if (application === undefined || own === undefined || later.length === 0) return null;
  const named = later.slice(0, NAMED_MAX).map((one) => `${stringAt(one, "kind")} "${stringAt(one, "name")}"`);
  const more = later.length > NAMED_MAX ? ` and ${later.length - NAMED_MAX} more` : "";
  return `Application "${application.metadata.name}" syncs ${
    named.join(", ")
  }${more} in later sync waves, which wait until the rollout is over, and newer commits with them: move what must not wait into an earlier wave or into another Application.`;
}

/** Of several sources some are charts, with versions for revisions. */
function isHash(revision: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(revision);
}

/** The label app.kubernetes.io/instance is everybody's: it means Argo CD only on what Argo CD wrote. */
function trackedBy(target: KubeObject): string | undefined {
  const { annotations, labels } = target.metadata;
  const id = annotations?.["argocd.argoproj.io/tracking-id"];
  if (id !== undefined) return id.split(":")[0];
  const instance = labels?.["argocd.argoproj.io/instance"];
  if (instance !== undefined) return instance;
  const written = listAt(target, "metadata", "managedFields").some((entry) =>
    (stringAt(entry, "manager") ?? "").startsWith("argocd")
  );
  return written ? labels?.["app.kubernetes.io/instance"] : undefined;
}

function applied(commit: string, owners: readonly KubeObject[]): AppliedView {
  const [application] = owners;
  if (application === undefined) {
    return { type: "pending", message: "The Application that the target is tracked by does not exist" };
  }
  const name = `Application "${application.metadata.namespace ?? ""}/${application.metadata.name}"`;
  if (application.metadata.annotations?.["argocd.argoproj.io/skip-reconcile"] === "true") {
    return { type: "suspended", message: `${name} is not reconciled: it says skip-reconcile` };
  }
  const operation = at(application, "status", "operationState");
  const phase = stringAt(operation, "phase");
  if (hasCommit(at(operation, "syncResult"), commit) || hasCommit(at(operation, "operation", "sync"), commit)) {
    if (phase === "Succeeded") return { type: "applied", message: `${name} synced ${commit}` };
    const message = stringAt(operation, "message") ?? "";
    if (phase === "Failed" || phase === "Error" || isRetried(operation)) {
      return { type: "failed", message: `${name} could not sync ${commit}: ${message}` };
    }
    return { type: "pending", message: `${name} is syncing ${commit}: ${message}` };
  }
  // A commit that changes nothing of the application is compared and never synced.
  const sync = at(application, "status", "sync");
  if (stringAt(sync, "status") === "Synced" && hasCommit(sync, commit)) {
    return { type: "applied", message: `${name} is in sync with ${commit}` };
  }
  return { type: "pending", message: `${name} is at ${stringAt(sync, "revision") ?? "no revision"} yet` };
}

/** Automated syncs are tried again, five times unless told otherwise, and count as running until the last has failed. */
function isRetried(operation: unknown): boolean {
  return listAt(operation, "syncResult", "resources").some((resource) => stringAt(resource, "status") === "SyncFailed");
}

/** An application of several sources lists their revisions. */
function hasCommit(holder: unknown, commit: string): boolean {
  return stringAt(holder, "revision") === commit || listAt(holder, "revisions").includes(commit);
}
