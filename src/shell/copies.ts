/**
 * The primary's copies of ConfigMaps and Secrets in the cluster: made before the workload that names them, and deleted
 * once nothing of the primary can name them any more.
 */
import type { Canary } from "../core/canary.ts";
import type { Lock } from "../core/decision.ts";
import { type KubeObject, objectAt, type ObjectRef, refOf } from "../core/kube_object.ts";
import { CANARY_LABEL, MANAGED_BY_LABEL, MANAGER } from "../core/names.ts";
import { configNamesOf, podTemplateOf } from "../core/release.ts";
import { RejectedError } from "../errors.ts";
import type { Cluster, WatchScope } from "../ports/cluster.ts";

export interface Copying {
  readonly cluster: Cluster;
  readonly canary: Canary;
  /** Without it Secrets are neither copied nor looked for: the agent may have no right to. */
  readonly copiesSecrets: boolean;
  readonly signal: AbortSignal;
}

/** What is remembered of a canary and may be applied again. */
export interface Kept {
  /** Primaries of its locks and of the rollout in flight; none: there is no lock. */
  readonly primaries: readonly KubeObject[];
  /** Names of Secrets that hold such primaries. */
  readonly secrets: readonly string[];
}

/** Copies before the workload that names them; a copy is immutable, so one that exists is right. */
export async function makeCopies(
  { cluster, canary, signal }: Copying,
  lock: Pick<Lock, "primary" | "configs">,
): Promise<void> {
  for (const config of lock.configs) {
    if (cluster.get(refOf(config)) === undefined) await cluster.apply(config, { force: true, signal });
  }
  const { namespace } = canary.id;
  for (const config of configNamesOf(podTemplateOf(lock.primary))) {
    const match = /^(.*)-primary-[0-9a-f]+$/.exec(config.name);
    if (config.kind !== "Secret" || match === null) continue;
    const copy: ObjectRef = { apiVersion: "v1", kind: "Secret", namespace, name: config.name };
    if (await cluster.live(copy, signal) !== undefined) continue;
    const original = await cluster.live({ ...copy, name: match[1] ?? "" }, signal);
    if (original === undefined) continue;
    await cluster.apply(secretCopy(canary, original, copy.name), { force: true, signal });
  }
}

function secretCopy(canary: Canary, original: KubeObject, name: string): KubeObject {
  const { apiVersion, kind, type, data } = original;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace: canary.id.namespace,
      labels: { [MANAGED_BY_LABEL]: MANAGER, [CANARY_LABEL]: canary.id.name },
    },
    immutable: true,
    ...(type === undefined ? {} : { type }),
    ...(data === undefined ? {} : { data }),
  };
}

/**
 * Deletes copies that neither a ReplicaSet of the primary, nor a lock that is remembered, nor the rollout in flight
 * names. A few LISTs, once a rollout; where one is not allowed, that kind stays.
 */
export async function pruneCopies(
  copying: Copying,
  facts: { readonly kept: Kept; readonly primary: KubeObject | undefined },
): Promise<void> {
  const { cluster, canary, signal } = copying;
  const { kept: { primaries, secrets }, primary } = facts;
  const { namespace } = canary.id;
  if (primary === undefined || primaries.length === 0) return;
  const labels = Object.entries(objectAt(primary, "spec", "selector", "matchLabels"));
  const labelSelector = labels.map(([key, value]) => `${key}=${String(value)}`).join(",");
  const sets = await listed(cluster, { apiVersion: "apps/v1", kind: "ReplicaSet", namespace, labelSelector }, signal);
  if (sets === null) return;
  const naming = [primary, ...sets, ...primaries];
  const kept = new Set([...naming.flatMap((object) => namesIn(object)), ...secrets.map((name) => `Secret/${name}`)]);
  for (const copy of await copiesOf(copying)) {
    if (!kept.has(`${copy.kind}/${copy.metadata.name}`)) await cluster.remove(refOf(copy), { signal });
  }
}

/** Every copy of a canary, both kinds. */
export async function copiesOf({ cluster, canary, copiesSecrets, signal }: Copying): Promise<readonly KubeObject[]> {
  const { namespace } = canary.id;
  const labelSelector = `${MANAGED_BY_LABEL}=${MANAGER},${CANARY_LABEL}=${canary.id.name}`;
  const isOurs = (object: KubeObject): boolean =>
    object.immutable === true && object.metadata.labels?.[CANARY_LABEL] === canary.id.name;
  const scope = { apiVersion: "v1", kind: "Secret", namespace, labelSelector };
  const secrets = copiesSecrets ? await listed(cluster, scope, signal) : null;
  return [
    ...[...cluster.derived("v1", "ConfigMap", canary.id)].filter(isOurs),
    // Items of a list carry no kind.
    ...(secrets ?? []).filter(isOurs).map((secret) => ({ ...secret, apiVersion: "v1", kind: "Secret" })),
  ];
}

function namesIn(workload: KubeObject): readonly string[] {
  return configNamesOf(podTemplateOf(workload)).map(({ kind, name }) => `${kind}/${name}`);
}

/** null: it may not be listed. */
async function listed(
  cluster: Cluster,
  scope: WatchScope,
  signal: AbortSignal,
): Promise<readonly KubeObject[] | null> {
  try {
    return await cluster.list(scope, signal);
  } catch (error) {
    if (error instanceof RejectedError) return null;
    throw error;
  }
}
