/** From a canary to what it ships: its target, scaler and configs among the manifests of the same commit. */
import type { Canary } from "../core/canary.ts";
import type { Complaint, Manifest } from "../core/catalogue.ts";
import { type ConfigName, type Release, releaseOf } from "../core/release.ts";
import { nearest } from "../schema/nearest.ts";
import { checkWorkload } from "./check_workload.ts";
import { identityKey } from "./manifest_index.ts";

/** How manifests are found; a plain function, so that a caller can remember what was asked. */
export interface ManifestFinder {
  readonly find: (key: string) => readonly Manifest[];
  /** Names of the objects of a kind in a namespace. */
  readonly namesLike: (
    ref: { readonly apiVersion: string; readonly kind: string; readonly namespace: string },
  ) => readonly string[];
  /** What is wrong with files that could not be read, those nearest to a file first. */
  readonly unread: (file: string) => readonly Complaint[];
}

/** What a canary ships, and what is wrong with it. */
export interface ResolvedRelease {
  /** null when there are errors. */
  readonly found:
    | { readonly release: Release; readonly target: Manifest; readonly configs: readonly Manifest[] }
    | null;
  readonly complaints: readonly Complaint[];
}

/** Kinds that stand for a Secret in Git. */
const SECRET_KINDS = [
  { apiVersion: "v1", kind: "Secret" },
  { apiVersion: "bitnami.com/v1alpha1", kind: "SealedSecret" },
  { apiVersion: "external-secrets.io/v1", kind: "ExternalSecret" },
];

/** @param commit 40 hex digits; where the manifests were read from */
export function resolveRelease(canary: Canary, commit: string, finder: ManifestFinder): ResolvedRelease {
  if (canary.render === "live") return { found: renderedByEngine(canary, commit), complaints: [] };
  const complaints: Complaint[] = [];
  const { namespace } = canary.id;
  const only = (found: readonly Manifest[]): Manifest | null => {
    const [first, second] = found;
    if (first !== undefined && second !== undefined) complaints.push(duplicate(canary, first, second));
    return first ?? null;
  };
  const target = only(finder.find(identityKey({ ...canary.target, namespace })));
  if (target === null) complaints.push(missing(canary, "targetRef", finder));
  else complaints.push(...checkWorkload(canary, target));
  const scaler = canary.scaler === null ? null : only(finder.find(identityKey({ ...canary.scaler, namespace })));
  if (canary.scaler !== null && scaler === null) complaints.push(missing(canary, "autoscalerRef", finder));
  if (target === null) return { found: null, complaints };
  const configs: Manifest[] = [];
  const find = (kind: ConfigName["kind"], name: string) => {
    const kinds = kind === "Secret" ? SECRET_KINDS : [{ apiVersion: "v1", kind }];
    const manifest = only(kinds.flatMap((known) => finder.find(identityKey({ ...known, namespace, name }))));
    if (manifest !== null) configs.push(manifest);
    return manifest?.object ?? null;
  };
  const tracking = canary.configTracking !== "off";
  const release = releaseOf(commit, target.object, find, { scaler: scaler?.object ?? null, tracking });
  return { found: complaints.length > 0 ? null : { release, target, configs }, complaints };
}

/** Git has no manifest of it: all that is known here is its name, and what it runs is read off the cluster. */
function renderedByEngine({ id, target, source }: Canary, commit: string): NonNullable<ResolvedRelease["found"]> {
  const { apiVersion, kind, name } = target;
  const object = { apiVersion, kind, metadata: { name, namespace: id.namespace } };
  const rendering = { template: "", rest: "", source: "", owner: "" };
  const release = { revision: "", commit, images: [], target: object, configs: [], scaler: null, rendering };
  return { release, target: { object, place: { ...source, document: 0, item: null } }, configs: [] };
}

function complain(canary: Canary, field: string, message: string, fix: string): Complaint {
  return { ...canary.source, field, message, fix, severity: "error", canary: canary.id };
}

function duplicate(canary: Canary, first: Manifest, second: Manifest): Complaint {
  const { kind, metadata } = second.object;
  const { file, line } = second.place;
  return {
    file,
    line,
    field: "",
    message: `${kind} "${
      metadata.namespace ?? ""
    }/${metadata.name}" is declared twice: also in "${first.place.file}", line ${first.place.line}`,
    fix: "Keep one of them, or narrow the source's paths",
    severity: "error",
    canary: canary.id,
  };
}

function missing(canary: Canary, field: "targetRef" | "autoscalerRef", finder: ManifestFinder): Complaint {
  const ref = field === "targetRef" || canary.scaler === null ? canary.target : canary.scaler;
  const { namespace } = canary.id;
  const message = `${ref.kind} "${namespace}/${ref.name}" is not in Git`;
  const [homeless] = finder.find(identityKey({ ...ref, namespace: "" }));
  if (homeless !== undefined) {
    const { file, line } = homeless.place;
    const reason = `${message}: the one in "${file}", line ${line}, has no namespace`;
    return complain(canary, `spec.${field}`, reason, `Write "metadata.namespace: ${namespace}" there`);
  }
  const [unread] = finder.unread(canary.source.file);
  if (unread !== undefined) {
    const where = unread.line === 0 ? unread.file : `${unread.file}:${unread.line}`;
    const reason = `${message}, unless ${where} declares it, which could not be read: ${unread.message}`;
    return complain(canary, `spec.${field}`, reason, unread.fix);
  }
  const names = finder.namesLike({ ...ref, namespace });
  const near = nearest(ref.name, names);
  const known = names.length === 0
    ? "there is none of that kind"
    : near === undefined
    ? "no name is like it"
    : `the nearest is "${near}"`;
  const fix = near === undefined ? "Add it to the paths of the source, or name another one" : `Write "${near}"`;
  return complain(canary, `spec.${field}`, `${message}: in that namespace, ${known}`, fix);
}
