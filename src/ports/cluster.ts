/**
 * What the agent asks of a Kubernetes API server. Reads come from watch caches and cost no request, but `live` and
 * `list`. Every write goes out under field manager "serin" with `fieldValidation=Strict`.
 */
import type { CanaryId } from "../core/canary.ts";
import type { JsonObject, KubeObject, ObjectRef } from "../core/kube_object.ts";

/** A set of objects to keep watched: one kind, everywhere or in one namespace, optionally by label. */
export interface WatchScope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  /** As in kubectl's `-l`: "app=web,tier!=db". */
  readonly labelSelector?: string;
}

export interface WriteOptions {
  /** Refuses (ConflictError) when the live object has another resourceVersion. */
  readonly resourceVersion?: string;
  /** Takes over fields that another manager owns; without it such a conflict is a ForeignError that names the owner. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface Cluster {
  /**
   * Starts (once) a watch and resolves when its first list is in the cache.
   * @throws {RejectedError} 403, or the kind is not served (its message says which CRD is missing)
   */
  watch(scope: WatchScope, signal?: AbortSignal): Promise<void>;
  /** From the cache; undefined when it is not there. Throws BugError when no watch covers it. */
  get(ref: ObjectRef): KubeObject | undefined;
  /** From the cache: all objects of a kind, in a namespace or everywhere. */
  all(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[];
  /** From the cache, one by one: what carries the label `serin.dev/canary-name`, of one canary or of any. */
  derived(apiVersion: string, kind: string, of?: CanaryId): Iterable<KubeObject>;
  /** A GET that goes to the server; undefined on 404. The only read that has `managedFields`. */
  live(ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | undefined>;
  /** A LIST that goes to the server, for what is needed too seldom to be watched; none where the kind is not served. */
  list(scope: WatchScope, signal?: AbortSignal): Promise<readonly KubeObject[]>;
  /** POST; ConflictError when it exists. */
  create(object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** Server-side apply. Returns the object as stored; the cache is updated with it at once. */
  apply(object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** JSON merge patch; `null` deletes a key. */
  patch(ref: ObjectRef, patch: JsonObject, options?: WriteOptions): Promise<KubeObject>;
  /** PUT of the whole object (state ConfigMap, Lease): its metadata.resourceVersion is the precondition. */
  replace(object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** Merge patch on the scale subresource. */
  scale(ref: ObjectRef, replicas: number, options?: WriteOptions): Promise<void>;
  /** DELETE with propagation Background; resolves when the server accepted it or it was not there. */
  remove(ref: ObjectRef, options?: WriteOptions): Promise<void>;
  /** Calls back with every change of a watched object (also deletions, and after a relist); handlers only enqueue. */
  onChange(listener: (ref: ObjectRef, object: KubeObject | undefined) => void): void;
  /** Requests sent since the start, by verb and resource, watches included: for metrics and benchmarks. */
  readonly requests: ReadonlyMap<string, number>;
}
