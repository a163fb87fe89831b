/** The status of a Deployment, with the conditions and reasons of the real controller. Pure. */
import { type JsonObject, type KubeObject, listAt, numberAt, stringAt } from "../../core/kube_object.ts";
import { timestamp } from "../api/json_edit.ts";
import { conditionOf } from "./owned.ts";
import { budgets } from "./rollout_plan.ts";

export interface StatusResult {
  readonly status: JsonObject;
  /** When the progress deadline may pass, in milliseconds from now. */
  readonly checkAfterMs: number | undefined;
}

const count = (sets: readonly KubeObject[], field: string) =>
  sets.reduce((total, set) => total + (numberAt(set, "status", field) ?? 0), 0);

/**
 * The new status.
 *
 * @param young the set of the present template; undefined while it does not exist
 */
export function deploymentStatus(
  deployment: KubeObject,
  sets: readonly KubeObject[],
  young: KubeObject | undefined,
  created: boolean,
  now: number,
): StatusResult {
  const replicas = count(sets, "replicas");
  const available = count(sets, "availableReplicas");
  const counts = {
    replicas,
    updatedReplicas: young === undefined ? 0 : count([young], "replicas"),
    readyReplicas: count(sets, "readyReplicas"),
    availableReplicas: available,
    unavailableReplicas: Math.max(
      0,
      sets.reduce((all, set) => all + (numberAt(set, "spec", "replicas") ?? 0), 0) - available,
    ),
  };
  const shown = Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0));
  const progress = progressing(deployment, young, counts, created, now);
  const conditions = [
    availableCondition(deployment, available, now),
    ...(progress.condition === undefined ? [] : [progress.condition]),
  ];
  const others = listAt(deployment, "status", "conditions").filter((one) =>
    !["Available", "Progressing"].includes(stringAt(one, "type") ?? "")
  );
  const collisions = numberAt(deployment, "status", "collisionCount");
  return {
    status: {
      observedGeneration: deployment.metadata.generation ?? 1,
      ...shown,
      terminatingReplicas: count(sets, "terminatingReplicas"),
      ...(collisions === undefined ? {} : { collisionCount: collisions }),
      conditions: [...others, ...conditions],
    },
    checkAfterMs: progress.checkAfterMs,
  };
}

function availableCondition(deployment: KubeObject, available: number, now: number): JsonObject {
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const enough = available >= wanted - budgets(deployment).unavailable;
  return condition(deployment, now, {
    type: "Available",
    status: enough ? "True" : "False",
    reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
  });
}

interface Counts {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

interface Progress {
  readonly condition: JsonObject | undefined;
  readonly checkAfterMs: number | undefined;
}

function progressing(
  deployment: KubeObject,
  young: KubeObject | undefined,
  counts: Counts,
  created: boolean,
  now: number,
): Progress {
  const old = conditionOf(deployment, "Progressing");
  if (at(deployment, "paused")) {
    return said(deployment, now, "Unknown", "DeploymentPaused", "Deployment is paused", false, old);
  }
  if (stringAt(old, "reason") === "DeploymentPaused") {
    return withDeadline(
      deployment,
      said(deployment, now, "Unknown", "DeploymentResumed", "Deployment is resumed", true, old),
      now,
    );
  }
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const name = young?.metadata.name ?? "";
  const complete = counts.updatedReplicas === wanted && counts.replicas === wanted &&
    counts.availableReplicas === wanted;
  if (young !== undefined && complete) {
    const message = `ReplicaSet "${name}" has successfully progressed.`;
    return said(deployment, now, "True", "NewReplicaSetAvailable", message, false, old);
  }
  // Once complete it stays so until old pods are there again: later scaling is no rollout.
  const settled = stringAt(old, "reason") === "NewReplicaSetAvailable" && counts.replicas === counts.updatedReplicas;
  if (settled && !created) return { condition: old, checkAfterMs: undefined };
  if (created) {
    return withDeadline(
      deployment,
      said(deployment, now, "True", "NewReplicaSetCreated", `Created new replica set "${name}"`, true, old),
      now,
    );
  }
  if (old === undefined || progressed(deployment, counts)) {
    const message = `ReplicaSet "${name}" is progressing.`;
    return withDeadline(deployment, said(deployment, now, "True", "ReplicaSetUpdated", message, true, old), now);
  }
  return withDeadline(deployment, { condition: old, checkAfterMs: undefined }, now, name);
}

function at(deployment: KubeObject, field: string): boolean {
  return deployment.spec?.[field] === true;
}

/** More new pods, fewer old ones, more of them ready or available than when last looked. */
function progressed(deployment: KubeObject, counts: Counts): boolean {
  const was = (field: string) => numberAt(deployment, "status", field) ?? 0;
  const oldPods = counts.replicas - counts.updatedReplicas;
  const hadOldPods = was("replicas") - was("updatedReplicas");
  return counts.updatedReplicas > was("updatedReplicas") || oldPods < hadOldPods ||
    counts.readyReplicas > was("readyReplicas") || counts.availableReplicas > was("availableReplicas");
}

/** A rollout that made no progress for `progressDeadlineSeconds` is said to have failed; it goes on nevertheless. */
function withDeadline(deployment: KubeObject, progress: Progress, now: number, name?: string): Progress {
  const deadline = numberAt(deployment, "spec", "progressDeadlineSeconds");
  const { condition: present } = progress;
  if (deadline === undefined || present === undefined) return progress;
  const reason = stringAt(present, "reason");
  if (reason === "NewReplicaSetAvailable" || reason === "ProgressDeadlineExceeded") return progress;
  const since = Date.parse(stringAt(present, "lastUpdateTime") ?? "");
  const left = since + deadline * 1000 - now;
  if (left > 0) return { condition: present, checkAfterMs: left };
  const message = `ReplicaSet "${name ?? ""}" has timed out progressing.`;
  return said(deployment, now, "False", "ProgressDeadlineExceeded", message, false, present);
}

function said(
  deployment: KubeObject,
  now: number,
  status: string,
  reason: string,
  message: string,
  renew: boolean,
  old: JsonObject | undefined,
): Progress {
  const same = stringAt(old, "status") === status && stringAt(old, "reason") === reason &&
    stringAt(old, "message") === message;
  if (same && !renew) return { condition: old, checkAfterMs: undefined };
  return {
    condition: condition(deployment, now, { type: "Progressing", status, reason, message }, renew),
    checkAfterMs: undefined,
  };
}

function condition(
  deployment: KubeObject,
  now: number,
  next: { readonly type: string; readonly status: string; readonly reason: string; readonly message: string },
  renew = false,
): JsonObject {
  const old = conditionOf(deployment, next.type);
  if (
    !renew && old !== undefined && stringAt(old, "status") === next.status && stringAt(old, "reason") === next.reason
  ) return old;
  const transition = stringAt(old, "status") === next.status ? stringAt(old, "lastTransitionTime") : undefined;
  return {
    type: next.type,
    status: next.status,
    lastUpdateTime: timestamp(now),
    lastTransitionTime: transition ?? timestamp(now),
    reason: next.reason,
    message: next.message,
  };
}
