/** Rolls Deployments out: a ReplicaSet a template, revisions, rolling updates, pausing, status, old sets cleaned up. */
import type { Clock } from "../../ports/clock.ts";
import {
  isJsonObject,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
  stringAt,
} from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { sameJson } from "../api/typed_merge.ts";
import { deploymentStatus } from "./deployment_status.ts";
import { controllerOf, controllerRef, isControlledBy } from "./owned.ts";
import { budgets, planRollout, planScaling, type Sizes } from "./rollout_plan.ts";
import { type Controller, keyOf, splitKey } from "./runner.ts";
import { templateHash } from "./template_hash.ts";

const manager = "kube-controller-manager";
const revisionKey = "deployment.kubernetes.io/revision";
const desiredKey = "deployment.kubernetes.io/desired-replicas";
const maxKey = "deployment.kubernetes.io/max-replicas";
const hashLabel = "pod-template-hash";

export function deploymentController(store: DirectAccess, clock: Clock): Controller {
  return {
    name: "deployment",
    concerns({ object }) {
      if (object.apiVersion === "apps/v1" && object.kind === "Deployment") return [keyOf(object)];
      const owner = object.kind === "ReplicaSet" ? controllerOf(object) : undefined;
      return owner?.kind === "Deployment" ? [`${object.metadata.namespace ?? ""}/${owner.name}`] : [];
    },
    reconcile(key) {
      const ref = { apiVersion: "apps/v1", kind: "Deployment", ...splitKey(key) };
      const deployment = store.get(ref);
      if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
      const before = setsOf(store, deployment);
      const paused = deployment.spec?.["paused"] === true;
      const had = newSet(deployment, before);
      const young = had ?? (paused ? undefined : createSet(store, deployment, before));
      const sets = had === undefined && young !== undefined ? [...before, young] : before;
      act(store, deployment, sets, young, paused);
      if (!paused && young !== undefined) markRevision(store, deployment, sets, young);
      cleanUp(store, deployment, sets, young);
      const live = store.get(ref);
      if (live === undefined) return undefined;
      const now = setsOf(store, live);
      const current = newSet(live, now);
      const created = had === undefined && young !== undefined;
      const { status, checkAfterMs } = deploymentStatus(live, now, current, created, clock.now());
      if (!sameJson(live.status, status)) store.putStatus({ ...withoutVersion(live), status }, { manager });
      return checkAfterMs;
    },
  };
}

/** Owned sets, oldest revision first. */
function setsOf(store: DirectAccess, deployment: KubeObject): readonly KubeObject[] {
  return store.list("apps/v1", "ReplicaSet", deployment.metadata.namespace)
    .filter((set) => isControlledBy(set, deployment))
    .sort((a, b) => revisionOf(a) - revisionOf(b));
}

function revisionOf(object: KubeObject): number {
  return Number(object.metadata.annotations?.[revisionKey] ?? 0);
}

/** The set whose pods are made from the Deployment's present template. */
function newSet(deployment: KubeObject, sets: readonly KubeObject[]): KubeObject | undefined {
  const wanted = objectAt(deployment, "spec", "template");
  return sets.find((set) => sameJson(wanted, withoutHash(objectAt(set, "spec", "template"))));
}

function withoutHash(template: JsonObject): JsonObject {
  const metadata = objectAt(template, "metadata");
  const { [hashLabel]: _hash, ...labels } = objectAt(metadata, "labels");
  return { ...template, metadata: { ...metadata, labels } };
}

function withHash(part: JsonObject, field: string, hash: string): JsonObject {
  return { ...part, [field]: { ...objectAt(part, field), [hashLabel]: hash } };
}

function createSet(store: DirectAccess, deployment: KubeObject, sets: readonly KubeObject[]): KubeObject {
  const template = objectAt(deployment, "spec", "template");
  const hash = templateHash(template);
  const spec = objectAt(deployment, "spec");
  const minReady = numberAt(spec, "minReadySeconds");
  const revision = Math.max(0, ...sets.map(revisionOf)) + 1;
  return store.create({
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace ?? "",
      labels: textMap({ ...objectAt(template, "metadata", "labels"), [hashLabel]: hash }),
      annotations: textMap({
        ...copiedAnnotations(deployment),
        ...sizeAnnotations(deployment),
        [revisionKey]: String(revision),
      }),
      ownerReferences: [controllerRef(deployment)],
    },
    spec: {
      replicas: 0,
      ...(minReady === undefined ? {} : { minReadySeconds: minReady }),
      selector: withHash(objectAt(spec, "selector"), "matchLabels", hash),
      template: { ...template, metadata: withHash(objectAt(template, "metadata"), "labels", hash) },
    },
  }, { manager });
}

function textMap(object: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, String(value)]));
}

function copiedAnnotations(deployment: KubeObject): JsonObject {
  const { [revisionKey]: _revision, "kubectl.kubernetes.io/last-applied-configuration": _applied, ...rest } =
    deployment.metadata.annotations ?? {};
  return rest;
}

function sizeAnnotations(deployment: KubeObject): JsonObject {
  const total = numberAt(deployment, "spec", "replicas") ?? 1;
  return { [desiredKey]: String(total), [maxKey]: String(total + budgets(deployment).surge) };
}

function sizesOf(set: KubeObject): Sizes {
  return {
    name: set.metadata.name,
    replicas: numberAt(set, "spec", "replicas") ?? 0,
    available: numberAt(set, "status", "availableReplicas") ?? 0,
    pods: numberAt(set, "status", "replicas") ?? 0,
    desired: Number(set.metadata.annotations?.[desiredKey] ?? 0),
  };
}

function act(
  store: DirectAccess,
  deployment: KubeObject,
  sets: readonly KubeObject[],
  young: KubeObject | undefined,
  paused: boolean,
): void {
  const total = numberAt(deployment, "spec", "replicas") ?? 1;
  const resized = sets.some((set) => {
    const desired = set.metadata.annotations?.[desiredKey];
    return (numberAt(set, "spec", "replicas") ?? 0) > 0 && desired !== undefined && desired !== String(total);
  });
  const sizes = sets.map(sizesOf);
  const old = sizes.filter((set) => set.name !== young?.metadata.name);
  const plan = paused || resized || young === undefined
    ? planScaling(deployment, sizes)
    : planRollout(deployment, sizesOf(young), old);
  for (const set of sets) {
    const replicas = plan.scale.get(set.metadata.name);
    const noted = sizeAnnotations(deployment);
    const stale = Object.entries(noted).some(([key, value]) => set.metadata.annotations?.[key] !== value);
    if (replicas === undefined && !(stale && sizesOf(set).replicas > 0)) continue;
    const patch = { metadata: { annotations: noted }, ...(replicas === undefined ? {} : { spec: { replicas } }) };
    store.patch({ ...set.metadata, apiVersion: "apps/v1", kind: "ReplicaSet" }, patch, { manager });
  }
}

/** The present set has the highest revision, also when it is an old one that came back; the Deployment shows it. */
function markRevision(
  store: DirectAccess,
  deployment: KubeObject,
  sets: readonly KubeObject[],
  young: KubeObject,
): void {
  const others = sets.filter((set) => set.metadata.name !== young.metadata.name).map(revisionOf);
  const highest = Math.max(0, ...others);
  const revision = String(revisionOf(young) > highest ? revisionOf(young) : highest + 1);
  const mark = { metadata: { annotations: { [revisionKey]: revision } } };
  if (young.metadata.annotations?.[revisionKey] !== revision) {
    store.patch({ ...young.metadata, apiVersion: "apps/v1", kind: "ReplicaSet" }, mark, { manager });
  }
  if (deployment.metadata.annotations?.[revisionKey] === revision) return;
  store.patch({ ...deployment.metadata, apiVersion: "apps/v1", kind: "Deployment" }, mark, { manager });
}

/** Keeps `revisionHistoryLimit` old sets, once the rollout is complete. */
function cleanUp(
  store: DirectAccess,
  deployment: KubeObject,
  sets: readonly KubeObject[],
  young: KubeObject | undefined,
): void {
  const limit = numberAt(deployment, "spec", "revisionHistoryLimit") ?? 10;
  const progressing = isJsonObject(deployment.status) && stringAt(deployment.status, "conditions", 1, "reason");
  const idle = sets.filter((set) =>
    set.metadata.name !== young?.metadata.name && sizesOf(set).replicas === 0 && sizesOf(set).pods === 0
  );
  if (progressing !== "NewReplicaSetAvailable" || idle.length <= limit) return;
  for (const set of idle.slice(0, idle.length - limit)) {
    store.remove({ ...set.metadata, apiVersion: "apps/v1", kind: "ReplicaSet" }, { propagationPolicy: "Background" });
  }
}

function withoutVersion(object: KubeObject): KubeObject {
  const { resourceVersion: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}
