/** The cluster as one process sees it: caches that lag behind the server, and writes that may fail. */
import type { CanaryId } from "../../src/core/canary.ts";
import { canonicalJson } from "../../src/core/digest.ts";
import {
  isJsonObject,
  type JsonObject,
  type KubeObject,
  type ObjectRef,
  refKey,
  refOf,
} from "../../src/core/kube_object.ts";
import { CANARY_LABEL } from "../../src/core/names.ts";
import { BugError } from "../../src/errors.ts";
import type { Cluster, WatchScope, WriteOptions } from "../../src/ports/cluster.ts";
import type { Dice } from "./dice.ts";
import type { Change, KubeServer } from "./kube_server.ts";
import type { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";

export interface AgentClusterOptions {
  readonly process: Process;
  readonly server: KubeServer;
  readonly timeline: Timeline;
  readonly dice: Dice;
  /** Longest time that a watch event takes, now. */
  readonly lagMs: () => number;
}

export class AgentCluster implements Cluster {
  readonly #options: AgentClusterOptions;
  readonly #cache = new Map<string, KubeObject>();
  /** UIDs that this process deleted: late events must not bring them back. */
  readonly #deleted = new Set<string>();
  /** Versions at which objects went: an answer that comes after the news of it must not bring them back. */
  readonly #gone = new Map<string, number>();
  readonly #scopes = new Map<string, Promise<void>>();
  readonly #watched: WatchScope[] = [];
  readonly #listeners: ((ref: ObjectRef, object: KubeObject | undefined) => void)[] = [];
  readonly requests = new Map<string, number>();
  #lastDeliveryAt = 0;

  constructor(options: AgentClusterOptions) {
    this.#options = options;
    options.server.onChange((change) => this.#changed(change));
  }

  watch(scope: WatchScope): Promise<void> {
    if (this.#options.process.isDead) return new Promise(() => undefined);
    const key = canonicalJson(scope);
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    const opened = this.#open(scope);
    this.#scopes.set(key, opened);
    opened.catch(() => this.#scopes.delete(key));
    return opened;
  }

  async #open(scope: WatchScope): Promise<void> {
    const { process, server } = this.#options;
    // The watch begins where the list ends: nothing can happen in between.
    await process.call("kube-read", `list ${scope.kind}`, () => {
      this.#watched.push(scope);
      for (const object of server.list(scope.apiVersion, scope.kind)) if (covers(scope, object)) this.#offer(object);
    });
  }

  get(ref: ObjectRef): KubeObject | undefined {
    if (!this.#watched.some((scope) => scope.apiVersion === ref.apiVersion && scope.kind === ref.kind)) {
      throw new BugError(`Cannot read "${refKey(ref)}": no watch covers it`);
    }
    return this.#cache.get(refKey(ref));
  }

  all(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[] {
    return [...this.#cache.values()].filter((object) =>
      object.apiVersion === apiVersion && object.kind === kind &&
      (namespace === undefined || object.metadata.namespace === namespace)
    );
  }

  derived(apiVersion: string, kind: string, of?: CanaryId): readonly KubeObject[] {
    return this.all(apiVersion, kind, of?.namespace).filter(({ metadata }) => {
      const name = metadata.labels?.[CANARY_LABEL];
      return name !== undefined && (of === undefined || name === of.name);
    });
  }

  async live(ref: ObjectRef): Promise<KubeObject | undefined> {
    const { process, server } = this.#options;
    const object = await process.call("kube-read", `get ${named(ref)}`, () => server.get(ref));
    if (object !== undefined) this.#offer(object);
    return object;
  }

  list(scope: WatchScope): Promise<readonly KubeObject[]> {
    const { process, server } = this.#options;
    return process.call(
      "kube-read",
      `list ${scope.kind}`,
      () => server.list(scope.apiVersion, scope.kind).filter((object) => covers(scope, object)),
    );
  }

  create(object: KubeObject): Promise<KubeObject> {
    return this.#write(`create ${named(refOf(object))}`, (server, by) => server.create(object, by));
  }

  apply(object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { resourceVersion, dryRun } = options;
    const what = `apply ${named(refOf(object))}`;
    if (dryRun === true) {
      const { process, server } = this.#options;
      return process.call("kube-read", `${what} (dry run)`, () => server.apply(object, process.name, { dryRun }));
    }
    return this.#write(what, (server, by) => server.apply(object, by, { resourceVersion }));
  }

  patch(ref: ObjectRef, patch: JsonObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { resourceVersion } = options;
    return this.#write(`patch ${named(ref)}`, (server, by) => server.patch(ref, patch, by, { resourceVersion }));
  }

  replace(object: KubeObject): Promise<KubeObject> {
    return this.#write(`replace ${named(refOf(object))}`, (server, by) => server.replace(object, by));
  }

  async scale(ref: ObjectRef, replicas: number, options: WriteOptions = {}): Promise<void> {
    const { process, server } = this.#options;
    const { resourceVersion } = options;
    await process.call(
      "kube-write",
      `scale ${named(ref)} to ${replicas}`,
      () => server.scale(ref, replicas, process.name, { resourceVersion }),
    );
  }

  async remove(ref: ObjectRef, options: WriteOptions = {}): Promise<void> {
    const { process, server } = this.#options;
    const uid = server.get(ref)?.metadata.uid;
    await process.call("kube-write", `remove ${named(ref)}`, () => server.remove(ref, process.name, options));
    if (uid === undefined) return;
    this.#deleted.add(uid);
    if (this.#cache.get(refKey(ref))?.metadata.uid === uid) this.#drop(ref);
  }

  onChange(listener: (ref: ObjectRef, object: KubeObject | undefined) => void): void {
    this.#listeners.push(listener);
  }

  async #write(what: string, effect: (server: KubeServer, by: string) => KubeObject): Promise<KubeObject> {
    const { process, server } = this.#options;
    const stored = await process.call("kube-write", what, () => effect(server, process.name));
    this.#offer(stored);
    return stored;
  }

  #changed({ ref, after, before, version }: Change): void {
    const { process, timeline, dice, lagMs } = this.#options;
    const object = after ?? before;
    if (process.isDead || object === undefined || !this.#watched.some((scope) => covers(scope, object))) return;
    const at = Math.max(this.#lastDeliveryAt, timeline.elapsed + dice.int(1, lagMs()));
    this.#lastDeliveryAt = at;
    timeline.after(at - timeline.elapsed, () =>
      process.run(() => {
        if (after === undefined) this.#gone.set(refKey(ref), version);
        if (after !== undefined) this.#offer(after);
        else if (this.#cache.get(refKey(ref))?.metadata.uid === before?.metadata.uid) this.#drop(ref);
      }));
  }

  #offer(object: KubeObject): void {
    const ref = refOf(object);
    if (!this.#watched.some((scope) => covers(scope, object))) return;
    if (this.#deleted.has(object.metadata.uid ?? "")) return;
    if ((this.#gone.get(refKey(ref)) ?? 0) > Number(object.metadata.resourceVersion)) return;
    const held = this.#cache.get(refKey(ref));
    if (Number(held?.metadata.resourceVersion ?? 0) >= Number(object.metadata.resourceVersion)) return;
    this.#cache.set(refKey(ref), object);
    for (const listener of this.#listeners) listener(ref, object);
  }

  #drop(ref: ObjectRef): void {
    this.#cache.delete(refKey(ref));
    for (const listener of this.#listeners) listener(ref, undefined);
  }
}

function named(ref: ObjectRef): string {
  return `${ref.kind} ${ref.name}`;
}

function covers(scope: WatchScope, object: KubeObject): boolean {
  if (scope.apiVersion !== object.apiVersion || scope.kind !== object.kind) return false;
  if (scope.namespace !== undefined && scope.namespace !== object.metadata.namespace) return false;
  if (scope.labelSelector === undefined) return true;
  const [key, value] = scope.labelSelector.split("=");
  const labels = object.metadata.labels;
  return isJsonObject(labels) && labels[key ?? ""] === value;
}
