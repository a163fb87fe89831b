/**
 * The watches of one cluster and what is read from them. A watch is started once; one that a wider watch covers is not
 * started at all. What the agent writes is filed here at once.
 */
import type { CanaryId } from "../../../src/core/canary.ts";
import { type KubeObject, type ObjectRef, refKey, refOf } from "../../../src/core/kube_object.ts";
import { BugError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { WatchScope } from "../../../src/ports/cluster.ts";
import { waitFor } from "./abort.ts";
import type { Discovery } from "./discovery.ts";
import { Reflector, type ReflectorStatus } from "./reflector.ts";
import type { KubeClient } from "./request.ts";
import { type LabelMatcher, parseSelector } from "./selector.ts";
import { Unpacked } from "./packed.ts";
import { type ChangeListener, compareVersions, ObjectStore } from "./store.ts";

/** Objects of all watches together that are kept spread out: those of sixty canaries, some 6 KiB each. */
const UNPACKED_MAX = 500;

interface Watched {
  readonly scope: WatchScope;
  readonly selects: LabelMatcher;
  readonly store: ObjectStore;
  readonly reflector: Reflector;
}

/** All watches of one cluster. */
export class Caches {
  readonly #client: KubeClient;
  readonly #discovery: Discovery;
  readonly #clock: Clock;
  readonly #listeners: ChangeListener[] = [];
  readonly #unpacked = new Unpacked(UNPACKED_MAX);
  #watched: readonly Watched[] = [];

  constructor(client: KubeClient, discovery: Discovery, clock: Clock) {
    this.#client = client;
    this.#discovery = discovery;
    this.#clock = clock;
  }

  /** As `Cluster.watch`; outages delay it, only a refusal or the signal ends it. */
  async watch(scope: WatchScope, signal?: AbortSignal): Promise<void> {
    const watched = this.#watched.find((one) => includes(one.scope, scope)) ?? this.#start(scope);
    await waitFor(watched.reflector.synced, signal);
  }

  /** As `Cluster.get`. */
  get(ref: ObjectRef): KubeObject | undefined {
    const covering = this.#synced(ref, ref.namespace);
    if (covering.length === 0) throw uncovered(ref.apiVersion, ref.kind, ref.namespace);
    return newest(covering.map(({ store }) => store.get(ref.namespace, ref.name)));
  }

  /** As `Cluster.all`; everywhere means wherever the kind is watched. */
  all(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[] {
    const covering = this.#synced({ apiVersion, kind }, namespace);
    if (covering.length === 0) throw uncovered(apiVersion, kind, namespace);
    const [only] = covering;
    if (only !== undefined && covering.length === 1) return [...only.store.values(namespace)];
    const found = new Map<string, KubeObject>();
    for (const { store } of covering) {
      for (const object of store.values(namespace)) {
        const key = refKey(refOf(object));
        found.set(key, newest([found.get(key), object]) ?? object);
      }
    }
    return [...found.values()];
  }

  /** As `Cluster.derived`. */
  *derived(apiVersion: string, kind: string, of?: CanaryId): Generator<KubeObject> {
    const covering = this.#synced({ apiVersion, kind }, of?.namespace);
    if (covering.length === 0) throw uncovered(apiVersion, kind, of?.namespace);
    const told = new Set<string>();
    for (const { store } of covering) {
      for (const object of store.derived(of)) {
        const key = refKey(refOf(object));
        if (!told.has(key)) yield object;
        told.add(key);
      }
    }
  }

  /** Files the answer to a write or a live read, if it is newer than what is here. */
  offer(object: KubeObject): void {
    for (const { scope, selects, store } of this.#watched) {
      if (!includesObject(scope, refOf(object))) continue;
      if (selects(object.metadata.labels ?? {})) store.offer(object);
      else store.remove(object);
    }
  }

  /** Takes out an object whose deletion the server has completed. */
  forget(ref: ObjectRef, uid: string): void {
    for (const { scope, store } of this.#watched) if (includesObject(scope, ref)) store.forget(ref, uid);
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  statuses(): readonly ReflectorStatus[] {
    return this.#watched.map(({ reflector }) => reflector.status());
  }

  async stop(): Promise<void> {
    await Promise.all(this.#watched.map(({ reflector }) => reflector.stop()));
  }

  #start(scope: WatchScope): Watched {
    const store = new ObjectStore((ref, object) => this.#announce(ref, object), this.#unpacked);
    const reflector = new Reflector({
      client: this.#client,
      clock: this.#clock,
      scope,
      store,
      find: (signal) => this.#discovery.find(scope.apiVersion, scope.kind, signal),
    });
    const watched: Watched = { scope, selects: parseSelector(scope.labelSelector ?? ""), store, reflector };
    this.#watched = [...this.#watched, watched];
    reflector.synced.catch(() => {
      // Refused: the next call asks anew, and perhaps the CRD is there by then.
      this.#watched = this.#watched.filter((other) => other !== watched);
      this.#discovery.forget(scope.apiVersion);
    });
    return watched;
  }

  #announce(ref: ObjectRef, object: KubeObject | undefined): void {
    for (const listener of this.#listeners) {
      try {
        listener(ref, object);
      } catch (error) {
        // A listener that throws is a bug of ours, but must not end the watch of everyone else: raised globally.
        reportError(error);
      }
    }
  }

  #synced(kind: { readonly apiVersion: string; readonly kind: string }, namespace?: string): readonly Watched[] {
    return this.#watched.filter(({ scope, reflector }) =>
      scope.apiVersion === kind.apiVersion && scope.kind === kind.kind &&
      (namespace === undefined || scope.namespace === undefined || scope.namespace === namespace) &&
      reflector.status().synced
    );
  }
}

/** Whether every object of `inner` is also one of `outer`. */
function includes(outer: WatchScope, inner: WatchScope): boolean {
  return outer.apiVersion === inner.apiVersion && outer.kind === inner.kind &&
    (outer.namespace === undefined || outer.namespace === inner.namespace) &&
    (outer.labelSelector === undefined || outer.labelSelector === inner.labelSelector);
}

function includesObject(scope: WatchScope, ref: ObjectRef): boolean {
  return scope.apiVersion === ref.apiVersion && scope.kind === ref.kind &&
    (scope.namespace === undefined || scope.namespace === ref.namespace);
}

function newest(objects: readonly (KubeObject | undefined)[]): KubeObject | undefined {
  let best: KubeObject | undefined;
  for (const object of objects) {
    if (object === undefined) continue;
    const order = compareVersions(object.metadata.resourceVersion, best?.metadata.resourceVersion);
    if (best === undefined || order === 1) best = object;
  }
  return best;
}

function uncovered(apiVersion: string, kind: string, namespace: string | undefined): BugError {
  const where = namespace === undefined ? "" : ` in namespace "${namespace}"`;
  return new BugError(`Cannot read ${kind} of ${apiVersion}${where} from a cache: no synced watch covers it`);
}
