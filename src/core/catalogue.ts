/** What one commit of a source declares: canaries with all they refer to, and what is wrong, file by file. */
import type { Canary, CanaryId } from "./canary.ts";
import { type KubeObject, type ObjectRef, refKey } from "./kube_object.ts";
import type { Release } from "./release.ts";

/** One complaint about a file: where, what, why, and what to do. */
export interface Complaint {
  readonly file: string;
  /** 1-based; 0 when the whole file is meant. */
  readonly line: number;
  /** "spec.analysis.stepWeight", or "" for the document. */
  readonly field: string;
  readonly message: string;
  readonly fix: string;
  readonly severity: "error" | "warning";
  /** The canary it stalls, where one can be named. */
  readonly canary: CanaryId | null;
}

/** A document of a YAML file, with where it stands. */
export interface ManifestPlace {
  readonly file: string;
  /** Index of the document in its file, from 0. */
  readonly document: number;
  /** Index in a `List`'s items, or null. */
  readonly item: number | null;
  readonly line: number;
}

export interface Manifest {
  readonly object: KubeObject;
  readonly place: ManifestPlace;
}

/** A canary of this commit. `broken` ones are known by name only, and stall until they are mended. */
export type CatalogueEntry =
  | {
    readonly type: "canary";
    readonly canary: Canary;
    readonly release: Release;
    readonly target: Manifest;
    readonly configs: readonly Manifest[];
    readonly warnings: readonly Complaint[];
  }
  | {
    readonly type: "broken";
    readonly id: CanaryId;
    readonly file: string;
    readonly complaints: readonly Complaint[];
  };

/**
 * `unknown` lists files that did not parse: a canary last seen in one of them is not removed, it is unknown.
 * `complaints` are those that belong to no canary.
 */
export interface Catalogue {
  readonly commit: string;
  readonly entries: ReadonlyMap<string, CatalogueEntry>;
  readonly unknownFiles: readonly string[];
  readonly complaints: readonly Complaint[];
  /** Every parsed manifest by "apiVersion/kind/namespace/name". */
  readonly manifests: ReadonlyMap<string, Manifest>;
}

/**
 * Whether a commit certainly declares an object no more: a file that does not parse may hold it. A manifest may leave
 * its namespace to whoever applies it.
 */
export function isUndeclared({ manifests, unknownFiles }: Catalogue, ref: ObjectRef): boolean {
  const { apiVersion, kind, name } = ref;
  return unknownFiles.length === 0 && !manifests.has(refKey(ref)) && !manifests.has(refKey({ apiVersion, kind, name }));
}
