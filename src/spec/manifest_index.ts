/**
 * Manifests by what they are called, kept up to date file by file. Snapshots cost as much as changed since the last
 * one was folded in, not as much as the repository.
 */
import type { Manifest, ManifestPlace } from "../core/catalogue.ts";
import { exact } from "../core/exact.ts";
import { refKey, refOf, stringAt } from "../core/kube_object.ts";
import { groupOf } from "./capabilities.ts";

/** Changes kept beside the base of a snapshot before they are folded in. */
const OVERLAY_MAX = 1024;

/** "apps/Deployment/prod/shop": names an object whatever version it is written in. */
export function identityKey(ref: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
}): string {
  return `${groupOf(ref.apiVersion)}/${ref.kind}/${ref.namespace ?? ""}/${ref.name}`;
}

function identityOf({ object }: Manifest): string {
  return identityKey(refOf(object));
}

/** An ExternalSecret stands for the Secret it makes, which may have another name. */
function aliasOf({ object }: Manifest): string | null {
  if (object.kind !== "ExternalSecret") return null;
  const name = stringAt(object, "spec", "target", "name");
  return name === undefined || name === object.metadata.name ? null : identityKey({ ...refOf(object), name });
}

/** By file, document and item: the order of a reader. */
export function comparePlaces(a: ManifestPlace, b: ManifestPlace): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.document - b.document || (a.item ?? 0) - (b.item ?? 0);
}

const NONE: readonly Manifest[] = [];

/** All manifests of a source, found by what they are called. */
export class ManifestIndex {
  /** Lists are replaced, never changed: their identity tells whether anything did. */
  readonly #byIdentity = new Map<string, readonly Manifest[]>();
  #base: ReadonlyMap<string, Manifest> = new Map();
  #overlay = new Map<string, Manifest | null>();
  #names: Map<string, string[]> | null = null;

  replace(before: readonly Manifest[], after: readonly Manifest[]): void {
    for (const manifest of before) this.#change(manifest, (list) => list.filter((other) => other !== manifest));
    for (const manifest of after) {
      this.#change(manifest, (list) => exact([...list, manifest].sort((a, b) => comparePlaces(a.place, b.place))));
    }
    this.#names = null;
  }

  /** All documents that declare the object, by place; the same list as long as nothing changed. */
  find(key: string): readonly Manifest[] {
    return this.#byIdentity.get(key) ?? NONE;
  }

  /** Names of the objects of a kind in a namespace, for messages. */
  namesLike(
    ref: { readonly apiVersion: string; readonly kind: string; readonly namespace: string },
  ): readonly string[] {
    this.#names ??= this.#collectNames();
    return this.#names.get(identityKey({ ...ref, name: "" })) ?? [];
  }

  /**
   * Every manifest by `refKey`; where several declare one object, the first by place. Not changed by later updates.
   *
   * @param more manifests that stand before those of the same name
   */
  snapshot(more: ReadonlyMap<string, Manifest> = new Map()): ReadonlyMap<string, Manifest> {
    if (this.#overlay.size > OVERLAY_MAX) {
      const folded = new Map(this.#base);
      for (const [key, manifest] of this.#overlay) {
        if (manifest === null) folded.delete(key);
        else folded.set(key, manifest);
      }
      this.#base = folded;
      this.#overlay = new Map();
    }
    const overlay = new Map([...this.#overlay, ...more]);
    return overlay.size === 0 ? this.#base : new Layered(this.#base, overlay);
  }

  #change(manifest: Manifest, next: (list: readonly Manifest[]) => readonly Manifest[]): void {
    const alias = aliasOf(manifest);
    for (const key of alias === null ? [identityOf(manifest)] : [identityOf(manifest), alias]) {
      const list = next(this.find(key));
      if (list.length === 0) this.#byIdentity.delete(key);
      else this.#byIdentity.set(key, list);
    }
    const ref = refKey(refOf(manifest.object));
    const first = this.find(identityOf(manifest)).find(({ object }) => refKey(refOf(object)) === ref);
    this.#overlay.set(ref, first ?? null);
  }

  #collectNames(): Map<string, string[]> {
    const names = new Map<string, string[]>();
    for (const key of this.#byIdentity.keys()) {
      const cut = key.lastIndexOf("/") + 1;
      const prefix = key.slice(0, cut);
      const list = names.get(prefix);
      if (list === undefined) names.set(prefix, [key.slice(cut)]);
      else list.push(key.slice(cut));
    }
    return names;
  }
}

/** A map with some entries replaced or, where null, taken out. */
class Layered implements ReadonlyMap<string, Manifest> {
  readonly #base: ReadonlyMap<string, Manifest>;
  readonly #overlay: ReadonlyMap<string, Manifest | null>;
  readonly size: number;

  constructor(base: ReadonlyMap<string, Manifest>, overlay: ReadonlyMap<string, Manifest | null>) {
    this.#base = base;
    this.#overlay = overlay;
    let size = base.size;
    for (const [key, manifest] of overlay) {
      if (manifest === null) size -= base.has(key) ? 1 : 0;
      else size += base.has(key) ? 0 : 1;
    }
    this.size = size;
  }

  get(key: string): Manifest | undefined {
    const over = this.#overlay.get(key);
    return over === undefined ? this.#base.get(key) : over ?? undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, Manifest]> {
    for (const [key, manifest] of this.#base) {
      if (!this.#overlay.has(key)) yield [key, manifest];
    }
    for (const [key, manifest] of this.#overlay) {
      if (manifest !== null) yield [key, manifest];
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<Manifest> {
    for (const [, manifest] of this.entries()) yield manifest;
  }

  [Symbol.iterator](): MapIterator<[string, Manifest]> {
    return this.entries();
  }

  forEach(visit: (value: Manifest, key: string, map: ReadonlyMap<string, Manifest>) => void): void {
    for (const [key, manifest] of this.entries()) visit(manifest, key, this);
  }
}
