/** Keeps what canaries need watched, and knows whose turn a changed object is. */
import type { Canary } from "../core/canary.ts";
import { canaryKey } from "../core/canary.ts";
import { type ObjectRef, refKey } from "../core/kube_object.ts";
import { RejectedError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import { choose, engineOf, refsOf } from "./facts.ts";
import { STATE_SELECTOR, stateRef } from "./store.ts";
import type { Tables } from "./tables.ts";

export interface Watching {
  /** Resolves when all that the canary needs is in the cache. */
  ensure(canary: Canary, signal: AbortSignal): Promise<void>;
  /** Keys of canaries that an object belongs to. */
  canariesOf(ref: ObjectRef): readonly string[];
  forget(key: string): void;
}

export function createWatching(options: {
  readonly cluster: Cluster;
  readonly tables: Tables;
  readonly defaultEngine: string;
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[];
}): Watching {
  const { cluster, tables } = options;
  /** Nearly every object belongs to one canary: its key alone takes the least room. */
  const owners = new Map<string, string | readonly string[]>();
  const refs = new Map<string, readonly string[]>();
  /** APIs whose Canary objects were asked for once. */
  const canaryKinds = new Set<string>();
  const namespaces: readonly (string | undefined)[] = options.namespaces.length === 0
    ? [undefined]
    : options.namespaces;

  async function watchKind(
    kind: readonly [string, string],
    signal: AbortSignal,
    labelSelector?: string,
  ): Promise<void> {
    for (const namespace of namespaces) {
      await cluster.watch({
        apiVersion: kind[0],
        kind: kind[1],
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
      }, signal);
    }
  }

  /** The Canary object carries events where it is in the cluster; where its CRD is not installed, nothing is missing. */
  async function watchCanaries(api: string, signal: AbortSignal): Promise<void> {
    if (canaryKinds.has(api)) return;
    try {
      await watchKind([api, "Canary"], signal);
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
    }
    canaryKinds.add(api);
  }

  function ownersOf(ref: string): readonly string[] {
    const found = owners.get(ref) ?? [];
    return typeof found === "string" ? [found] : found;
  }

  function index(key: string, objects: readonly ObjectRef[]): void {
    const keys = objects.map(refKey);
    const before = refs.get(key) ?? [];
    if (before.length === keys.length && keys.every((ref, at) => ref === before[at])) return;
    forget(key);
    refs.set(key, keys);
    for (const ref of keys) {
      const known = ownersOf(ref);
      if (!known.includes(key)) owners.set(ref, known.length === 0 ? key : [...known, key]);
    }
  }

  function forget(key: string): void {
    for (const ref of refs.get(key) ?? []) {
      const left = ownersOf(ref).filter((owner) => owner !== key);
      const [only] = left;
      if (only === undefined) owners.delete(ref);
      else owners.set(ref, left.length === 1 ? only : left);
    }
    refs.delete(key);
  }

  return {
    async ensure(canary, signal) {
      const { router, workload, scaler } = choose(tables, canary);
      await watchKind(["v1", "ConfigMap"], signal, STATE_SELECTOR);
      await watchKind(["v1", "Service"], signal);
      await watchKind([workload.apiVersion, workload.kind], signal);
      if (scaler !== null) await watchKind([scaler.apiVersion, scaler.kind], signal);
      for (const kind of router.watches) await watchKind(kind, signal);
      await watchCanaries(canary.api, signal);
      const named = refsOf(canary, scaler);
      const live = cluster.get(named.targetRef);
      const engine = engineOf(tables, canary, live, options.defaultEngine);
      const engineObjects = (live === undefined ? null : engine.owner(live)) ?? [];
      for (const object of engineObjects) {
        await cluster.watch({
          apiVersion: object.apiVersion,
          kind: object.kind,
          ...(object.namespace === undefined ? {} : { namespace: object.namespace }),
        }, signal);
      }
      const scalers = [named.scalerRef, named.primaryScalerRef].flatMap((ref) => ref === null ? [] : [ref]);
      index(canaryKey(canary.id), [
        named.targetRef,
        named.primaryRef,
        ...named.services,
        ...scalers,
        ...router.needs(canary),
        ...engineObjects,
        stateRef(canary.id),
      ]);
    },
    canariesOf: (ref) => ownersOf(refKey(ref)),
    forget,
  };
}
