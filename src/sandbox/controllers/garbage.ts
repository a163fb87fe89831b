/**
 * Removes what nobody owns any more: dependents of deleted owners, in background, foreground or not at all, and the
 * contents of namespaces that are going.
 */
import type { Kind } from "../api/kinds.ts";
import { groupVersion } from "../api/kinds.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { type KubeObject, type ObjectRef, refKey, refOf, stringAt } from "../../core/kube_object.ts";
import type { Controller } from "./runner.ts";

const manager = "kube-controller-manager";

/** Who depends on whom, by uid. */
class Owners {
  readonly #alive = new Map<string, ObjectRef>();
  readonly #dependents = new Map<string, Map<string, ObjectRef>>();

  note(object: KubeObject, gone: boolean): void {
    const ref = refOf(object);
    const uid = object.metadata.uid ?? "";
    if (gone) this.#alive.delete(uid);
    else this.#alive.set(uid, ref);
    for (const owner of ownerUids(object)) {
      const of = this.#dependents.get(owner) ?? new Map<string, ObjectRef>();
      this.#dependents.set(owner, of);
      if (gone) of.delete(refKey(ref));
      else of.set(refKey(ref), ref);
      if (of.size === 0) this.#dependents.delete(owner);
    }
  }

  isAlive(uid: string): boolean {
    return this.#alive.has(uid);
  }

  dependents(uid: string): readonly ObjectRef[] {
    return [...this.#dependents.get(uid)?.values() ?? []];
  }
}

function ownerUids(object: KubeObject): readonly string[] {
  return (object.metadata.ownerReferences ?? []).map((ref) => stringAt(ref, "uid") ?? "");
}

export function garbageController(store: DirectAccess): Controller {
  const owners = new Owners();
  const refs = new Map<string, ObjectRef>();
  return {
    name: "garbage",
    concerns({ type, object }) {
      const ref = refOf(object);
      owners.note(object, type === "DELETED");
      const keys = [ref, ...(type === "DELETED" ? owners.dependents(object.metadata.uid ?? "") : [])];
      // A dependent that went may be what its owner's foreground deletion waits for.
      const parents = type === "DELETED" ? ownersOf(object) : [];
      for (const one of [...keys, ...parents]) refs.set(refKey(one), one);
      return [...keys, ...parents].map(refKey);
    },
    reconcile(key) {
      const ref = refs.get(key);
      const object = ref === undefined ? undefined : store.get(ref);
      if (ref === undefined || object === undefined) {
        refs.delete(key);
        return undefined;
      }
      if (object.metadata.deletionTimestamp !== undefined) return finish(store, owners, object);
      const uids = ownerUids(object);
      if (uids.length > 0 && !uids.some((uid) => owners.isAlive(uid))) store.remove(ref);
      return undefined;
    },
  };
}

function ownersOf(object: KubeObject): readonly ObjectRef[] {
  const { namespace } = object.metadata;
  return (object.metadata.ownerReferences ?? []).map((owner) => ({
    apiVersion: stringAt(owner, "apiVersion") ?? "",
    kind: stringAt(owner, "kind") ?? "",
    name: stringAt(owner, "name") ?? "",
    ...(namespace === undefined ? {} : { namespace }),
  }));
}

/** Works off the finalizers of the two propagation policies that need one. */
function finish(store: DirectAccess, owners: Owners, object: KubeObject): undefined {
  const finalizers = object.metadata.finalizers ?? [];
  const dependents = owners.dependents(object.metadata.uid ?? "");
  if (finalizers.includes("orphan")) {
    for (const dependent of dependents) {
      const live = store.get(dependent);
      const kept = (live?.metadata.ownerReferences ?? []).filter((ref) => ref["uid"] !== object.metadata.uid);
      store.patch(dependent, { metadata: { ownerReferences: kept.length === 0 ? null : kept } }, { manager });
    }
    return drop(store, object, "orphan");
  }
  if (!finalizers.includes("foregroundDeletion")) return undefined;
  for (const dependent of dependents) store.remove(dependent, { propagationPolicy: "Foreground" });
  return owners.dependents(object.metadata.uid ?? "").length === 0
    ? drop(store, object, "foregroundDeletion")
    : undefined;
}

function drop(store: DirectAccess, object: KubeObject, finalizer: string): undefined {
  const left = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
  store.patch(refOf(object), { metadata: { finalizers: left.length === 0 ? null : left } }, { manager });
}

/** Empties namespaces that are being deleted, then lets them go. */
export function namespaceController(
  store: DirectAccess,
  kinds: readonly Kind[],
  release: (name: string) => void,
): Controller {
  const namespaced = kinds.filter((kind) => kind.namespaced);
  const contents = (namespace: string) =>
    namespaced.flatMap((kind) => store.list(groupVersion(kind, kind.versions[0] ?? "v1"), kind.kind, namespace));
  return {
    name: "namespace",
    concerns({ type, object }) {
      if (object.apiVersion === "v1" && object.kind === "Namespace") return [object.metadata.name];
      return type === "DELETED" && object.metadata.namespace !== undefined ? [object.metadata.namespace] : [];
    },
    reconcile(name) {
      const namespace = store.get({ apiVersion: "v1", kind: "Namespace", name });
      if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
      for (const object of contents(name)) {
        if (object.metadata.deletionTimestamp === undefined) store.remove(refOf(object));
      }
      if (contents(name).length === 0) release(name);
      return undefined;
    },
  };
}
