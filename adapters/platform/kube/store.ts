/**
 * The objects of one watch. Three sources write here, in no fixed order: lists, watch events, and answers to the agent's
 * own writes. The newer version of an object always wins, so that an event that was under way when the agent wrote
 * never hides what it wrote, nor an answer that was under way a deletion that the watch has told.
 */
import { isJsonObject, type KubeObject, type ObjectRef, refOf, stringAt } from "../../../src/core/kube_object.ts";

/** Called for every change: with undefined when the object is gone. */
export type ChangeListener = (ref: ObjectRef, object: KubeObject | undefined) => void;

/**
 * The object in a JSON value, without `managedFields`, which nobody reads and which are half of its size.
 *
 * @param kind put in where the value has none, as the items of lists do not
 */
export function parseObject(
  value: unknown,
  kind: { readonly apiVersion: string; readonly kind: string },
): KubeObject | undefined {
  if (!isJsonObject(value)) return undefined;
  const metadata = value["metadata"];
  if (!isJsonObject(metadata) || typeof metadata["name"] !== "string") return undefined;
  const { managedFields: _dropped, ...kept } = metadata;
  const object: unknown = {
    ...value,
    apiVersion: stringAt(value, "apiVersion") ?? kind.apiVersion,
    kind: stringAt(value, "kind") ?? kind.kind,
    metadata: kept,
  };
  return object as KubeObject;
}

/**
 * Whether version `a` is older (-1), the same (0) or newer (1) than `b`; undefined where they do not say, since the API
 * only promises numbers for its own kinds.
 */
export function compareVersions(a: string | undefined, b: string | undefined): -1 | 0 | 1 | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  if (!/^\d+$/.test(a) || !/^\d+$/.test(b)) return undefined;
  return BigInt(a) < BigInt(b) ? -1 : 1;
}

/** One watch's objects, by namespace and name. */
export class ObjectStore {
  readonly #onChange: ChangeListener;
  readonly #byNamespace = new Map<string, Map<string, KubeObject>>();
  /** Key and UID of what we deleted and the watch has not reported yet: late events must not bring it back. */
  readonly #deleted = new Map<string, string>();
  /** The version that lists and events have told everything up to. */
  #toldUpTo: string | undefined;
  #size = 0;

  constructor(onChange: ChangeListener) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#size;
  }

  get(namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#byNamespace.get(namespace ?? "")?.get(name);
  }

  /** All objects, or those of one namespace. */
  *values(namespace?: string): Generator<KubeObject> {
    if (namespace !== undefined) {
      yield* this.#byNamespace.get(namespace)?.values() ?? [];
      return;
    }
    for (const objects of this.#byNamespace.values()) yield* objects.values();
  }

  /** Lists and events have now told everything up to this version. */
  told(resourceVersion: string): void {
    this.#toldUpTo = resourceVersion;
  }

  /**
   * Files the answer to a write or a live read, as `upsert` does. An answer that was long on its way brings nothing
   * back: what is not here, and is no newer than what the watch has told, was deleted since.
   */
  offer(object: KubeObject): void {
    const { namespace, name, resourceVersion } = object.metadata;
    const order = compareVersions(resourceVersion, this.#toldUpTo);
    if (this.get(namespace, name) === undefined && (order === -1 || order === 0)) return;
    this.upsert(object);
  }

  /** Files an object unless what is here is as new or newer. */
  upsert(object: KubeObject): void {
    if (this.#isDeleted(object)) return;
    const { namespace, name, resourceVersion } = object.metadata;
    const held = this.get(namespace, name);
    const order = compareVersions(resourceVersion, held?.metadata.resourceVersion);
    if (held !== undefined && (order === -1 || order === 0)) return;
    this.#set(object);
  }

  /** Takes out an object that was reported deleted, unless a newer one of its name is here. */
  remove(object: KubeObject): void {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    const key = keyOf(namespace, name);
    if (uid !== undefined && this.#deleted.get(key) === uid) this.#deleted.delete(key);
    const held = this.get(namespace, name);
    if (held === undefined || compareVersions(resourceVersion, held.metadata.resourceVersion) === -1) return;
    this.#unset(held);
  }

  /** Takes out what the agent itself deleted, before the watch says so. */
  forget(ref: ObjectRef, uid: string): void {
    this.#deleted.set(keyOf(ref.namespace, ref.name), uid);
    const held = this.get(ref.namespace, ref.name);
    if (held?.metadata.uid === uid) this.#unset(held);
  }

  /**
   * Makes the contents what a list says: changes and deletions that were missed are reported now. What is newer than
   * the list stays.
   *
   * @param list.startOver the server's versions went backwards (it was restored from a backup): believe all it says
   */
  replaceAll(
    objects: readonly KubeObject[],
    list: { readonly resourceVersion: string; readonly startOver: boolean },
  ): void {
    const listed = new Set(objects.map(({ metadata }) => keyOf(metadata.namespace, metadata.name)));
    for (const held of [...this.values()]) {
      if (listed.has(keyOf(held.metadata.namespace, held.metadata.name))) continue;
      const newer = compareVersions(held.metadata.resourceVersion, list.resourceVersion) === 1;
      if (list.startOver || !newer) this.#unset(held);
    }
    for (const key of [...this.#deleted.keys()]) if (list.startOver || !listed.has(key)) this.#deleted.delete(key);
    for (const object of objects) {
      const held = this.get(object.metadata.namespace, object.metadata.name);
      if (!list.startOver) this.upsert(object);
      else if (held?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#set(object);
    }
    this.told(list.resourceVersion);
  }

  #isDeleted({ metadata }: KubeObject): boolean {
    const uid = this.#deleted.get(keyOf(metadata.namespace, metadata.name));
    return uid !== undefined && uid === metadata.uid;
  }

  #set(object: KubeObject): void {
    const namespace = object.metadata.namespace ?? "";
    const objects = this.#byNamespace.get(namespace) ?? new Map<string, KubeObject>();
    if (!objects.has(object.metadata.name)) this.#size++;
    objects.set(object.metadata.name, object);
    this.#byNamespace.set(namespace, objects);
    this.#onChange(refOf(object), object);
  }

  #unset(object: KubeObject): void {
    const namespace = object.metadata.namespace ?? "";
    const objects = this.#byNamespace.get(namespace);
    if (objects?.delete(object.metadata.name) !== true) return;
    if (objects.size === 0) this.#byNamespace.delete(namespace);
    this.#size--;
    this.#onChange(refOf(object), undefined);
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}
