/**
 * The embedded cluster without its HTTP face: store, writes and direct access for controllers and tests. Direct access
 * obeys the same rules as a request; only the wire is left out.
 */
import type { Clock } from "../../ports/clock.ts";
import { type JsonObject, type KubeObject, objectAt, type ObjectRef, stringAt } from "../../core/kube_object.ts";
import { deleteObject, type DeleteOptions } from "./deletion.ts";
import { type Kind, kindId, kinds as allKinds } from "./kinds.ts";
import { served, type WriteRequest } from "./request_context.ts";
import { noSuchResource, StatusError } from "./status_error.ts";
import { ObjectStore } from "./store.ts";
import type { OpenWatch } from "./watch.ts";
import { Writes } from "./writes.ts";

/** A change as direct access tells it; `object` is the last state where it was deleted. */
export interface DirectChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
  readonly before: KubeObject | undefined;
}

/** Who a direct write is by; "sandbox" when left out. */
export interface DirectOptions {
  readonly manager?: string;
  readonly force?: boolean;
  /** Under which subresource ownership is recorded. */
  readonly subresource?: "scale";
}

/** Reads and writes without HTTP. Writes throw StatusError as a request would be answered. */
export interface DirectAccess {
  get(ref: ObjectRef): KubeObject | undefined;
  /** In key order. */
  list(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[];
  create(object: KubeObject, options?: DirectOptions): KubeObject;
  /** As `create`, for an object that has a `generateName` in place of a name. */
  createNamed(object: JsonObject, options?: DirectOptions): KubeObject;
  /** Replaces all but the status; a resourceVersion in the object is a precondition. */
  put(object: KubeObject, options?: DirectOptions): KubeObject;
  putStatus(object: KubeObject, options?: DirectOptions): KubeObject;
  /** Merge patch. */
  patch(ref: ObjectRef, patch: JsonObject, options?: DirectOptions): KubeObject;
  /** Merge patch of the status. */
  patchStatus(ref: ObjectRef, patch: JsonObject, options?: DirectOptions): KubeObject;
  /** Server-side apply. */
  apply(object: KubeObject, options?: DirectOptions): KubeObject;
  /** No error when it is not there. */
  remove(ref: ObjectRef, options?: DeleteOptions): void;
  /** Calls back after each change of any object, in order, at once; returns how to stop. */
  watch(listener: (change: DirectChange) => void): () => void;
}

export class Cluster {
  readonly kinds: readonly Kind[];
  readonly store = new ObjectStore();
  readonly clock: Clock;
  readonly writes: Writes;
  readonly watches = new Set<OpenWatch>();
  readonly direct: DirectAccess;

  /** @param without kinds that are not installed, as "group/Kind" */
  constructor(clock: Clock, without: readonly string[] = []) {
    this.clock = clock;
    this.kinds = allKinds.filter((kind) => !without.includes(kindId(kind)));
    this.writes = new Writes(this.store, clock);
    this.direct = directAccess(this);
    for (const name of ["default", "kube-system"]) {
      this.direct.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } }, { manager: "kube-apiserver" });
    }
  }

  /** Removes a namespace that is being deleted and is empty: what its finalizer waits for. */
  releaseNamespace(name: string): void {
    const live = this.store.get("/Namespace", "", name);
    if (live !== undefined) this.store.remove("/Namespace", live);
  }
}

/** An object of the store as a KubeObject: the store holds nothing without a name and a kind. */
export function asKubeObject(object: JsonObject): KubeObject {
  const metadata = objectAt(object, "metadata");
  const name = stringAt(metadata, "name");
  const kind = stringAt(object, "kind");
  const apiVersion = stringAt(object, "apiVersion");
  if (name === undefined || kind === undefined || apiVersion === undefined) {
    throw new StatusError(500, "InternalError", "An object without name or kind is in the store");
  }
  return { ...object, apiVersion, kind, metadata: { ...metadata, name } };
}

/** A KubeObject as plain JSON. */
export function asJson(object: KubeObject): JsonObject {
  return JSON.parse(JSON.stringify(object));
}

function directAccess(cluster: Cluster): DirectAccess {
  const { store, writes } = cluster;

  function kindOf(
    ref: { readonly apiVersion: string; readonly kind: string },
  ): { readonly kind: Kind; readonly version: string } {
    const slash = ref.apiVersion.indexOf("/");
    const group = slash < 0 ? "" : ref.apiVersion.slice(0, slash);
    const version = ref.apiVersion.slice(slash + 1);
    const kind = cluster.kinds.find((one) =>
      one.group === group && one.kind === ref.kind && one.versions.includes(version)
    );
    if (kind === undefined) throw noSuchResource();
    return { kind, version };
  }

  function request(ref: ObjectRef, options: DirectOptions | undefined): WriteRequest {
    return {
      ...kindOf(ref),
      namespace: ref.namespace ?? "",
      name: ref.name,
      fieldManager: options?.manager ?? "sandbox",
      fieldValidation: "Strict",
      dryRun: false,
      ...(options?.subresource === undefined ? {} : { subresource: options.subresource }),
    };
  }

  const refOf = (object: KubeObject): ObjectRef => ({
    ...object.metadata,
    apiVersion: object.apiVersion,
    kind: object.kind,
  });

  return {
    get(ref) {
      const { kind, version } = kindOf(ref);
      const found = store.get(kindId(kind), ref.namespace ?? "", ref.name);
      return found === undefined ? undefined : asKubeObject(served(found, kind, version));
    },
    list(apiVersion, kindName, namespace) {
      const { kind, version } = kindOf({ apiVersion, kind: kindName });
      return store.list(kindId(kind), namespace).map((object) => asKubeObject(served(object, kind, version)));
    },
    create: (object, options) =>
      asKubeObject(writes.create({ ...request(refOf(object), options), name: "" }, asJson(object)).object),
    createNamed(object, options) {
      const apiVersion = stringAt(object, "apiVersion") ?? "";
      const kind = stringAt(object, "kind") ?? "";
      const namespace = stringAt(object, "metadata", "namespace") ?? "";
      return asKubeObject(writes.create(request({ apiVersion, kind, namespace, name: "" }, options), object).object);
    },
    put: (object, options) => asKubeObject(writes.update(request(refOf(object), options), asJson(object)).object),
    putStatus: (object, options) =>
      asKubeObject(writes.update({ ...request(refOf(object), options), subresource: "status" }, asJson(object)).object),
    patch: (ref, patch, options) => asKubeObject(writes.mergePatch(request(ref, options), patch).object),
    patchStatus: (ref, patch, options) =>
      asKubeObject(writes.mergePatch({ ...request(ref, options), subresource: "status" }, patch).object),
    apply: (object, options) =>
      asKubeObject(writes.apply(request(refOf(object), options), asJson(object), options?.force ?? false).object),
    remove(ref, options) {
      try {
        deleteObject(store, cluster.clock, request(ref, undefined), options ?? {});
      } catch (error) {
        if (!(error instanceof StatusError) || error.code !== 404) throw error;
      }
    },
    watch: (listener) =>
      store.listen((change) =>
        listener({
          type: change.type,
          object: asKubeObject(change.object),
          before: change.before === undefined ? undefined : asKubeObject(change.before),
        })
      ),
  };
}
