/**
 * Makes the user's manifests declare an earlier release again, and proves it: the plan is read back, and the revision
 * of what it declares must be the wanted one under the running code. Pure; touches the release unit and nothing else.
 */
import type { Manifest, ManifestPlace } from "../core/catalogue.ts";
import type { KubeObject } from "../core/kube_object.ts";
import { type Release, revisionOf, type TrackedConfig, trackedConfig } from "../core/release.ts";
import type { FileEdit } from "../ports/git.ts";
import { type Original, restoreFile, type UnitPart } from "./restore_edit.ts";
import type { FileText } from "./splice.ts";
import { sameJson } from "./yaml_file.ts";

/** What the tip declares for a canary, where, and how files are read. */
export interface RestoreInput {
  readonly current: Release;
  readonly target: Manifest;
  /** Manifests of the tip that declare the configs of `current`. */
  readonly configs: readonly Manifest[];
  readonly wanted: Release;
  /** A file at the tip; null: it is not there. */
  readonly file: (path: string) => FileText | null;
  /** A file at `wanted.commit`. */
  readonly original: (path: string) => Original;
  /** Reads a file as the catalogue does. */
  readonly parse: (path: string, content: Uint8Array<ArrayBuffer>) => readonly Manifest[];
}

export type Restored =
  /** `touched`: the manifests that say something new. No edits: the tip declares it already. */
  | { readonly type: "restored"; readonly edits: readonly FileEdit[]; readonly touched: readonly ManifestPlace[] }
  /** Ask again with these files as `wanted.commit` had them. */
  | { readonly type: "needs-original"; readonly paths: readonly string[] }
  /** `nearest`: edits that put a part of it back, for people to go on from; nothing is proven of them. */
  | { readonly type: "refused"; readonly reason: string; readonly nearest?: readonly FileEdit[] };

/** Plans the edits after which the tip declares `wanted`. */
export function restoreRelease(input: RestoreInput): Restored {
  const unit = partsOf(input);
  if (unit.type === "needs-original") return unit;
  const byFile = Map.groupBy(unit.parts, ({ place }) => place.file);
  const edits: FileEdit[] = [];
  const missing: string[] = [];
  const refusals = unit.refusals.slice();
  for (const [path, parts] of byFile) {
    const file = input.file(path);
    const restored = file === null ? notThere(path) : restoreFile(file, parts, input.original(path));
    if (restored.type === "needs-original") missing.push(path);
    if (restored.type === "refused") refusals.push(restored.reason);
    if (restored.type === "edited") edits.push({ path, content: restored.content });
  }
  if (missing.length > 0) return { type: "needs-original", paths: missing };
  const problem = refusals[0] ?? whyNotProved(input, edits);
  if (problem !== null) return { type: "refused", reason: problem, nearest: edits };
  return { type: "restored", edits, touched: unit.parts.map(({ place }) => place) };
}

function notThere(path: string): { readonly type: "refused"; readonly reason: string } {
  return { type: "refused", reason: `Cannot edit "${path}": it is not a file of the tip` };
}

type Parts =
  /** `refusals`: why parts that are not among these cannot be put back. */
  | { readonly type: "parts"; readonly parts: readonly UnitPart[]; readonly refusals: readonly string[] }
  | Extract<Restored, { readonly type: "needs-original" }>;

function partsOf(input: RestoreInput): Parts {
  const { current, wanted, target } = input;
  const parts: UnitPart[] = [];
  if (!sameJson(current.target.spec?.["template"] ?? null, wanted.target.spec?.["template"] ?? null)) {
    parts.push({ place: target.place, is: target.object, wanted: wanted.target, fields: "pod-template" });
  }
  const missing: string[] = [];
  const refusals: string[] = [];
  for (const config of wanted.configs) {
    const part = configPart(input, config);
    if (part === null) continue;
    if (part.type === "refused") refusals.push(part.reason);
    if (part.type === "needs-original") missing.push(...part.paths);
    if (part.type === "part") parts.push(part.part);
  }
  if (missing.length > 0) return { type: "needs-original", paths: [...new Set(missing)] };
  return { type: "parts", parts, refusals };
}

type ConfigPart =
  | { readonly type: "part"; readonly part: UnitPart }
  | Exclude<Restored, { readonly type: "restored" }>
  /** Nothing to do. */
  | null;

function configPart(input: RestoreInput, wanted: TrackedConfig): ConfigPart {
  const name = `${wanted.kind} "${wanted.name}"`;
  const manifest = manifestOf(input, wanted);
  const digest = digestOf(wanted);
  const digestNow = manifest === null ? null : trackedConfig(wanted, manifest.object).digest;
  if (digest === digestNow) return null;
  if (digest === null) return { type: "refused", reason: `Cannot restore ${name}: it was not in Git, and now it is` };
  if (manifest === null) return { type: "refused", reason: `Cannot restore ${name}: Git no longer declares it` };
  const { place, object: is } = manifest;
  if (wanted.declared !== null) {
    return { type: "part", part: { place, is, wanted: wanted.declared, fields: "content" } };
  }
  const original = input.original(place.file);
  if (original === undefined) return { type: "needs-original", paths: [place.file] };
  const declared = original === null ? undefined : input.parse(place.file, original)
    .find(({ object }) => trackedConfig(wanted, object).digest === digest && sameName(object, is))?.object;
  if (declared === undefined) {
    return {
      type: "refused",
      reason: `Cannot restore ${name}: its earlier content is not in the lock, and not in Git`,
    };
  }
  return { type: "part", part: { place, is, wanted: declared, fields: "content" } };
}

/** Under the running code, which may count otherwise than the one that wrote the lock. */
function digestOf(config: TrackedConfig): string | null {
  return config.declared === null ? config.digest : trackedConfig(config, config.declared).digest;
}

/** The manifest that declares a config at the tip: a SealedSecret may stand for the Secret of that name. */
function manifestOf({ current, configs }: RestoreInput, wanted: TrackedConfig): Manifest | null {
  const tracked = current.configs.find(({ kind, name }) => kind === wanted.kind && name === wanted.name);
  const found = tracked === undefined
    ? configs.find(({ object }) => object.kind === wanted.kind && object.metadata.name === wanted.name)
    : configs.find(({ object }) => sameJson(object, tracked.declared));
  return found ?? null;
}

function sameName(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
}

/** Reads the edited files again; null: they declare the wanted release. */
function whyNotProved(input: RestoreInput, edits: readonly FileEdit[]): string | null {
  const reread = new Map(
    edits.map(({ path, content }) => [path, content === null ? [] : input.parse(path, content)] as const),
  );
  const now = ({ object, place }: Manifest): KubeObject | undefined => {
    const manifests = reread.get(place.file);
    if (manifests === undefined) return object;
    return manifests.find((other) =>
      other.place.document === place.document && other.place.item === place.item && sameName(other.object, object)
    )?.object;
  };
  const target = now(input.target);
  if (target === undefined) return "Cannot restore the release: its manifest does not parse once it is edited";
  const configs = input.wanted.configs.map((config) => {
    const manifest = manifestOf(input, config);
    return trackedConfig(config, manifest === null ? null : now(manifest) ?? null);
  });
  const revision = revisionOf({ target, configs });
  const wanted = revisionOf(input.wanted);
  if (revision === wanted) return null;
  return `Cannot restore the release: the edited manifests would declare revision ${revision}, not ${wanted}`;
}
