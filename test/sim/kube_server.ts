/**
 * An API server in memory, exact where the agent relies on it: versions, preconditions, generations, server-side apply
 * that takes away what its manager gave and no longer names. It tells listeners of every change, and knows no agent.
 */
import { canonicalJson } from "../../src/core/digest.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  type ObjectRef,
  refKey,
  refOf,
} from "../../src/core/kube_object.ts";
import { ConflictError, RejectedError } from "../../src/errors.ts";

export type Writer = string;

export interface Change {
  readonly ref: ObjectRef;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
  /** "serin-1", "controller", "robin". */
  readonly by: Writer;
  /** The server's version after it, by which late news of an object that is gone can be told. */
  readonly version: number;
}

interface Stored {
  readonly object: KubeObject;
  /** What the field manager "serin" applied last, to know what it no longer names. */
  readonly applied: KubeObject | undefined;
}

export interface Preconditions {
  readonly resourceVersion?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export class KubeServer {
  readonly #objects = new Map<string, Stored>();
  readonly #listeners: ((change: Change) => void)[] = [];
  #version = 100;
  #uid = 0;

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  get(ref: ObjectRef): KubeObject | undefined {
    return this.#objects.get(refKey(ref))?.object;
  }

  list(apiVersion: string, kind: string): readonly KubeObject[] {
    const found: KubeObject[] = [];
    for (const { object } of this.#objects.values()) {
      if (object.apiVersion === apiVersion && object.kind === kind) found.push(object);
    }
    return found;
  }

  create(object: KubeObject, by: Writer): KubeObject {
    if (this.#objects.has(refKey(refOf(object)))) throw exists(object);
    return this.#put(refOf(object), withDefaults(object), { by, applied: undefined });
  }

  apply(object: KubeObject, by: Writer, when: Preconditions = {}): KubeObject {
    const ref = refOf(object);
    const held = this.#objects.get(refKey(ref));
    const wanted = when.resourceVersion ?? object.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== held?.object.metadata.resourceVersion) throw stale(ref);
    const { resourceVersion: _version, ...metadata } = object.metadata;
    const clean: KubeObject = { ...object, metadata };
    const base = held === undefined ? {} : without(asJson(held.object), asJson(held.applied), asJson(clean));
    const merged = asObject(mergedApply(base, asJson(clean)));
    if (when.dryRun === true) return merged;
    return this.#put(ref, withDefaults(merged), { by, applied: clean });
  }

  patch(ref: ObjectRef, patch: JsonObject, by: Writer, when: Preconditions = {}): KubeObject {
    const held = this.#held(ref, when);
    return this.#put(ref, asObject(mergePatch(asJson(held.object), patch)), { by, applied: held.applied });
  }

  replace(object: KubeObject, by: Writer): KubeObject {
    const ref = refOf(object);
    const held = this.#held(ref, { resourceVersion: object.metadata.resourceVersion });
    return this.#put(ref, object, { by, applied: held.applied });
  }

  scale(ref: ObjectRef, replicas: number, by: Writer, when: Preconditions = {}): void {
    this.patch(ref, { spec: { replicas } }, by, when);
  }

  putStatus(ref: ObjectRef, status: JsonObject): void {
    const held = this.#objects.get(refKey(ref));
    if (held !== undefined) this.#put(ref, { ...held.object, status }, { by: "controller", applied: held.applied });
  }

  remove(ref: ObjectRef, by: Writer, when: Preconditions = {}): void {
    const held = this.#objects.get(refKey(ref));
    if (held === undefined) return;
    if (when.resourceVersion !== undefined && when.resourceVersion !== held.object.metadata.resourceVersion) {
      throw stale(ref);
    }
    this.#objects.delete(refKey(ref));
    this.#version += 1;
    this.#tell({ ref, before: held.object, after: undefined, by, version: this.#version });
  }

  #held(ref: ObjectRef, when: Preconditions): Stored {
    const held = this.#objects.get(refKey(ref));
    if (held === undefined) throw new RejectedError(`Cannot write "${refKey(ref)}": it does not exist`);
    if (when.resourceVersion !== undefined && when.resourceVersion !== held.object.metadata.resourceVersion) {
      throw stale(ref);
    }
    return held;
  }

  #put(
    ref: ObjectRef,
    next: KubeObject,
    how: { readonly by: Writer; readonly applied: KubeObject | undefined },
  ): KubeObject {
    const before = this.#objects.get(refKey(ref))?.object;
    const { resourceVersion: _version, uid: _uid, generation: _generation, ...metadata } = next.metadata;
    const moved = before === undefined || canonicalJson(next.spec) !== canonicalJson(before.spec);
    const kept = before?.metadata;
    const generation = (kept?.generation ?? 0) + (moved ? 1 : 0);
    const stamped = (resourceVersion: string): KubeObject => ({
      ...next,
      metadata: { ...metadata, uid: kept?.uid ?? `uid-${++this.#uid}`, generation, resourceVersion },
    });
    if (before !== undefined && canonicalJson(stamped(kept?.resourceVersion ?? "")) === canonicalJson(before)) {
      this.#objects.set(refKey(ref), { object: before, applied: how.applied });
      return before;
    }
    const after = stamped(String(++this.#version));
    this.#objects.set(refKey(ref), { object: after, applied: how.applied });
    this.#tell({ ref, before, after, by: how.by, version: this.#version });
    return after;
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function exists(object: KubeObject): ConflictError {
  return new ConflictError(`Cannot create "${refKey(refOf(object))}": it exists`);
}

function stale(ref: ObjectRef): ConflictError {
  return new ConflictError(`Cannot write "${refKey(ref)}": the object has been modified`);
}

function withDefaults(object: KubeObject): KubeObject {
  if (object.kind !== "Deployment" || object.spec?.["replicas"] !== undefined) return object;
  return { ...object, spec: { ...object.spec, replicas: 1 } };
}

function asJson(object: KubeObject | undefined): JsonObject {
  return object === undefined ? {} : object as unknown as JsonObject;
}

function asObject(json: Json): KubeObject {
  return json as unknown as KubeObject;
}

/** What a manager gave before and names no longer goes; lists are atomic here. */
function without(live: JsonObject, before: JsonObject, now: JsonObject): JsonObject {
  const kept: Record<string, Json> = { ...live };
  for (const [key, value] of Object.entries(before)) {
    const there = kept[key];
    const named = now[key];
    if (isJsonObject(value) && isJsonObject(there)) kept[key] = without(there, value, isJsonObject(named) ? named : {});
    else if (named === undefined) delete kept[key];
  }
  return kept;
}

function mergedApply(live: Json | undefined, wanted: Json): Json {
  if (!isJsonObject(wanted)) return wanted;
  const merged: Record<string, Json> = isJsonObject(live) ? { ...live } : {};
  for (const [key, value] of Object.entries(wanted)) {
    if (value !== undefined) merged[key] = mergedApply(merged[key], value);
  }
  return merged;
}

function mergePatch(live: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  const merged: Record<string, Json> = isJsonObject(live) ? { ...live } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}
