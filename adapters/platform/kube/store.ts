/**
 * The objects of one watch. Three sources write here, in no fixed order: lists, watch events, and answers to the agent's
 * own writes. The newer version of an object always wins, so that an event that was under way when the agent wrote
 * never hides what it wrote, nor an answer that was under way a deletion that the watch has told.
 */
import { Alike } from "../../../src/core/alike.ts";
import type { CanaryId } from "../../../src/core/canary.ts";
import { isJsonObject, type KubeObject, type ObjectRef, refOf, stringAt } from "../../../src/core/kube_object.ts";
import { pack, type Packed, Unpacked } from "./packed.ts";

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

/** What a list says of itself. */
export interface ListFacts {
  readonly resourceVersion: string;
  /** The server's versions went backwards (it was restored from a backup): believe all it says. */
  readonly startOver: boolean;
}

/** Objects spread out lately in a store of its own. */
const UNPACKED_MAX = 256;

/** One watch's objects, by namespace and name; packed, but for those that were lately of interest. */
export class ObjectStore {
  readonly #onChange: ChangeListener;
  readonly #unpacked: Unpacked;
  readonly #alike = new Alike();
  readonly #byNamespace = new Map<string, Map<string, Packed>>();
  /** Key and UID of what we deleted and the watch has not reported yet: late events must not bring it back. */
  readonly #deleted = new Map<string, string>();
  /** The version that lists and events have told everything up to. */
  #toldUpTo: string | undefined;
  #size = 0;

  /** @param unpacked shared between stores, so that their bound is one */
  constructor(onChange: ChangeListener, unpacked: Unpacked = new Unpacked(UNPACKED_MAX)) {
    this.#onChange = onChange;
    this.#unpacked = unpacked;
  }

  get size(): number {
    return this.#size;
  }

  get(namespace: string | undefined, name: string): KubeObject | undefined {
    const held = this.#held(namespace, name);
    return held === undefined ? undefined : this.#unpacked.of(held);
  }

  /** All objects, or those of one namespace, in turn: whoever wants a few of many need not hold all of them. */
  *values(namespace?: string): Generator<KubeObject> {
    const folders = namespace === undefined ? this.#byNamespace.values() : [this.#byNamespace.get(namespace)];
    for (const folder of folders) {
      for (const held of folder?.values() ?? []) yield this.#unpacked.peek(held);
    }
  }

  /** Objects that carry a canary's label, of one canary or of any; the others are not spread out for it. */
  *derived(of?: CanaryId): Generator<KubeObject> {
    const folders = of === undefined ? this.#byNamespace.values() : [this.#byNamespace.get(of.namespace)];
    for (const folder of folders) {
      for (const held of folder?.values() ?? []) {
        const isWanted = of === undefined ? held.canary !== undefined : held.canary === of.name;
        if (isWanted) yield this.#unpacked.peek(held);
      }
    }
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
    if (this.#held(namespace, name) === undefined && (order === -1 || order === 0)) return;
    this.upsert(object);
  }

  /** Files an object unless what is here is as new or newer. */
  upsert(object: KubeObject): void {
    if (this.#isNews(object)) this.#set(object, "of interest");
  }

  /** Takes out an object that was reported deleted, unless a newer one of its name is here. */
  remove(object: KubeObject): void {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    const key = keyOf(namespace, name);
    if (uid !== undefined && this.#deleted.get(key) === uid) this.#deleted.delete(key);
    const held = this.#held(namespace, name);
    if (held === undefined || compareVersions(resourceVersion, held.resourceVersion) === -1) return;
    this.#unset(refOf(object));
  }

  /** Takes out what the agent itself deleted, before the watch says so. */
  forget(ref: ObjectRef, uid: string): void {
    this.#deleted.set(keyOf(ref.namespace, ref.name), uid);
    if (this.get(ref.namespace, ref.name)?.metadata.uid === uid) this.#unset(ref);
  }

  /** Files a page of a list; what is newer here stays. @returns the objects' keys, all of which `keepOnly` wants */
  takeListed(objects: readonly KubeObject[], list: ListFacts): readonly string[] {
    return objects.map((object) => {
      const { namespace, name, resourceVersion } = object.metadata;
      const differs = this.#held(namespace, name)?.resourceVersion !== resourceVersion;
      if (list.startOver ? differs : this.#isNews(object)) this.#set(object, "one of many");
      return keyOf(namespace, name);
    });
  }

  /** Ends a list: deletions that were missed are reported now. What is newer than the list stays. */
  keepOnly(listed: ReadonlySet<string>, list: ListFacts): void {
    for (const [namespace, folder] of [...this.#byNamespace]) {
      for (const [name, held] of [...folder]) {
        const newer = compareVersions(held.resourceVersion, list.resourceVersion) === 1;
        const stays = listed.has(keyOf(namespace, name)) || newer && !list.startOver;
        if (!stays) this.#unset(refOf(this.#unpacked.peek(held)));
      }
    }
    for (const key of [...this.#deleted.keys()]) if (list.startOver || !listed.has(key)) this.#deleted.delete(key);
    this.told(list.resourceVersion);
  }

  #held(namespace: string | undefined, name: string): Packed | undefined {
    return this.#byNamespace.get(namespace ?? "")?.get(name);
  }

  #isNews(object: KubeObject): boolean {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    if (uid !== undefined && this.#deleted.get(keyOf(namespace, name)) === uid) return false;
    const held = this.#held(namespace, name);
    const order = compareVersions(resourceVersion, held?.resourceVersion);
    return held === undefined || (order !== -1 && order !== 0);
  }

  #set(object: KubeObject, why: "of interest" | "one of many"): void {
    const namespace = object.metadata.namespace ?? "";
    const folder = this.#byNamespace.get(namespace) ?? new Map<string, Packed>();
    if (!folder.has(object.metadata.name)) this.#size++;
    const packed = pack(object, this.#alike);
    folder.set(object.metadata.name, packed);
    this.#byNamespace.set(namespace, folder);
    if (why === "of interest") this.#unpacked.keep(packed, object);
    this.#onChange(refOf(object), object);
  }

  #unset(ref: ObjectRef): void {
    const namespace = ref.namespace ?? "";
    const folder = this.#byNamespace.get(namespace);
    if (folder?.delete(ref.name) !== true) return;
    if (folder.size === 0) this.#byNamespace.delete(namespace);
    this.#size--;
    this.#onChange(ref, undefined);
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}
