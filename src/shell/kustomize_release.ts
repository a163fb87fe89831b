/**
 * What the writer asks about a release that kustomize renders. Which places decide an image is found by trying: each that
 * says the running version is changed in thought and rendered, and what changes with it is what it decides, for this
 * canary and for every other one that is built from the same file.
 */
import { type CanaryId, canaryKey } from "../core/canary.ts";
import { imagesOf, type Release } from "../core/release.ts";
import { type KubeObject, stringAt } from "../core/kube_object.ts";
import { UnavailableError } from "../errors.ts";
import { parseLockFile } from "../ledger/lock_file.ts";
import { editPlaces } from "../ledger/places/edit_places.ts";
import { parseImage } from "../ledger/places/image_reference.ts";
import { findPlaces } from "../ledger/places/mod.ts";
import type { ImagePlace } from "../ledger/places/place.ts";
import { type CanaryEntry, NOT_RENDERED, type ReleaseRenderer } from "../ledger/places/release_renderer.ts";
import type { Carrier, Rendered } from "../ledger/places/restore_places.ts";
import type { FileEdit, Snapshot } from "../ports/git.ts";
import type { Renderer } from "../ports/renderer.ts";
import { type FileTree, kustomizationFolder, type Reach, reachOf } from "../spec/kustomize_reach.ts";
import { identityKey, ManifestIndex } from "../spec/manifest_index.ts";
import { idOf } from "../spec/read_spec.ts";
import { resolveRelease } from "../spec/resolve_release.ts";
import { buildReach } from "./kustomize_build.ts";
import { snapshotTree } from "./snapshot_tree.ts";

/** Places that are tried for one release. */
const PLACES_MAX = 16;
/** Other kustomizations that are tried for one place; further ones count as served by it. */
const OTHERS_MAX = 16;

export interface KustomizeReleaseOptions {
  readonly renderer: Renderer;
  /** The agent's cluster, by name. */
  readonly cluster: string;
  /** Kustomizations that are rendered at the tip, of all sources of the branch. */
  readonly reaches: () => readonly Reach[];
}

/** The writer's renderer for `render: kustomize`. */
export function kustomizeRelease(options: KustomizeReleaseOptions): ReleaseRenderer {
  return {
    carriers: (entry, snapshot, signal) => carriers(entry, { ...options, snapshot, signal }),
    render: (entry, { snapshot, edits }, signal) => renderEntry(entry, { ...options, snapshot, signal }, edits),
  };
}

interface Context extends KustomizeReleaseOptions {
  readonly snapshot: Snapshot;
  readonly signal: AbortSignal | undefined;
}

type RenderedUnit =
  | {
    readonly type: "unit";
    readonly reach: Reach;
    readonly manifests: ManifestIndex;
    /** The target of each canary, by its key. */
    readonly targets: ReadonlyMap<string, KubeObject>;
  }
  | { readonly type: "refused"; readonly reason: string };

async function renderEntry(
  entry: CanaryEntry,
  context: Context,
  edits: readonly FileEdit[],
): Promise<Exclude<Rendered, { readonly type: "unknown" }>> {
  const unit = await renderUnit(entry.canary.source.file, context, edits);
  if (unit.type === "refused") return unit;
  const { found, complaints } = resolveRelease(entry.canary, context.snapshot.commit, {
    find: (identity) => unit.manifests.find(identity),
    namesLike: (ref) => unit.manifests.namesLike(ref),
    unread: () => [],
  });
  if (found === null) return { type: "refused", reason: complaints[0]?.message ?? "it would declare no release" };
  return { type: "release", release: found.release };
}

/** @param file of the kustomization @throws {UnavailableError} it cannot be rendered now */
async function renderUnit(
  file: string,
  { renderer, snapshot, signal }: Context,
  edits: readonly FileEdit[],
): Promise<RenderedUnit> {
  const tree = snapshotTree(snapshot, edits);
  const reach = await reachAt(file, tree, signal);
  if (reach === null) return { type: "refused", reason: `"${file}" is no kustomization` };
  const build = await buildReach(reach, { tree, renderer }, signal);
  if (build.type === "failed") {
    const [complaint] = build.complaints;
    const reason = `"${complaint?.file ?? file}": ${complaint?.message ?? "it cannot be rendered"}`;
    if (build.isTransient) throw new UnavailableError(`Cannot render ${reason}`, { data: { reason: NOT_RENDERED } });
    return { type: "refused", reason };
  }
  const manifests = new ManifestIndex();
  manifests.replace([], build.file.manifests);
  const targets = new Map<string, KubeObject>();
  for (const { value } of build.file.canaryDocs) {
    const id = idOf(value);
    const target = id === null ? undefined : targetOf(value, id, manifests);
    if (id !== null && target !== undefined) targets.set(canaryKey(id), target);
  }
  return { type: "unit", reach, manifests, targets };
}

/** From a kustomization file; null: it is none, or is not there. */
async function reachAt(file: string, tree: FileTree, signal: AbortSignal | undefined): Promise<Reach | null> {
  const folder = kustomizationFolder(file);
  return folder === null ? null : await reachOf(folder, tree, signal);
}

function targetOf(canary: unknown, { namespace }: CanaryId, manifests: ManifestIndex): KubeObject | undefined {
  const key = identityKey({
    apiVersion: stringAt(canary, "spec", "targetRef", "apiVersion") ?? "",
    kind: stringAt(canary, "spec", "targetRef", "kind") ?? "",
    name: stringAt(canary, "spec", "targetRef", "name") ?? "",
    namespace,
  });
  return manifests.find(key)[0]?.object;
}

async function carriers(entry: CanaryEntry, context: Context): Promise<readonly Carrier[]> {
  const own = entry.canary.source.file;
  const now = await renderUnit(own, context, []);
  if (now.type === "refused") return [];
  const candidates = await placesOf(now.reach, entry.release, context.snapshot);
  if (candidates.length > PLACES_MAX) return [];
  const foreign = await foreignReaches(entry, context);
  const asIs = remembered((file) => renderUnit(file, context, []));
  const found: Carrier[] = [];
  for (const { place, edit } of candidates) {
    const then = await renderUnit(own, context, [edit]);
    if (then.type === "refused") continue;
    const key = canaryKey(entry.canary.id);
    const containers = changedContainers(now.targets.get(key), then.targets.get(key));
    if (containers.length === 0) continue;
    const beside = changedCanaries(now, then).filter((other) => other !== key).map((other) => `canary "${other}"`);
    const clusters = foreign.flatMap(({ cluster, reach }) =>
      reach.files.has(place.file) ? [`cluster "${cluster}"`] : []
    );
    const alsoServes = [...beside, ...await othersServed({ own, edit, place }, context, asIs), ...clusters];
    found.push({ place, as: "manifests", containers, alsoServes });
  }
  return found;
}

/** Places that say a version which the release runs, each with an edit that would change it. */
async function placesOf(
  reach: Reach,
  release: Release,
  snapshot: Snapshot,
): Promise<readonly { readonly place: ImagePlace; readonly edit: FileEdit }[]> {
  const versions = release.images.flatMap(({ image }) => parseImage(image) ?? []);
  const found: { place: ImagePlace; edit: FileEdit }[] = [];
  for (const path of reach.files.keys()) {
    const content = await snapshot.read(path);
    if (content === undefined) continue;
    const file = { path, content, link: false };
    const search = findPlaces(file);
    for (const place of search.type === "found" ? search.places : []) {
      const { tag, digest } = place.image;
      const isSaid = versions.some((version) =>
        digest === null ? tag !== null && tag === version.tag : digest === version.digest
      );
      if (!isSaid || place.held !== null) continue;
      const wanted = { ...place.image, ...(digest === null ? { tag: "serin-probe" } : { digest: PROBE_DIGEST }) };
      const edited = editPlaces(file, [{ place, wanted }]);
      if (edited.type === "edited") found.push({ place, edit: { path, content: edited.content } });
    }
  }
  return found;
}

const PROBE_DIGEST = `sha256:${"0".repeat(64)}`;

function changedContainers(before: KubeObject | undefined, after: KubeObject | undefined): readonly string[] {
  if (before === undefined || after === undefined) return [];
  const then = new Map(imagesOf(after).map(({ container, image }) => [container, image]));
  return imagesOf(before).filter(({ container, image }) => then.get(container) !== image).map(({ container }) =>
    container
  );
}

function changedCanaries(
  before: Extract<RenderedUnit, { readonly type: "unit" }>,
  after: Extract<RenderedUnit, { readonly type: "unit" }>,
): readonly string[] {
  return [...before.targets].flatMap(([key, target]) =>
    changedContainers(target, after.targets.get(key)).length > 0 ? [key] : []
  );
}

/** Asks once for each file: every place is tried against what the others render to as they are. */
function remembered<T>(ask: (file: string) => Promise<T>): (file: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (file) => {
    const answer = asked.get(file) ?? ask(file);
    asked.set(file, answer);
    return answer;
  };
}

/** Canaries of other kustomizations that a change of a place reaches. */
async function othersServed(
  { own, edit, place }: { readonly own: string; readonly edit: FileEdit; readonly place: ImagePlace },
  context: Context,
  asIs: (file: string) => Promise<RenderedUnit>,
): Promise<readonly string[]> {
  const others = context.reaches().filter(({ file, files }) => file !== own && files.has(place.file));
  const served: string[] = [];
  for (const [index, { file }] of others.entries()) {
    const before = index < OTHERS_MAX ? await asIs(file) : null;
    const after = before?.type === "unit" ? await renderUnit(file, context, [edit]) : null;
    // What cannot be tried may be served.
    if (before?.type !== "unit" || after?.type !== "unit") served.push(`kustomization "${file}"`);
    else served.push(...changedCanaries(before, after).map((key) => `canary "${key}"`));
  }
  return served;
}

/** Kustomizations from which other clusters' locks of a canary of this name were promoted. */
async function foreignReaches(
  { canary }: CanaryEntry,
  { snapshot, cluster: ownCluster, signal }: Context,
): Promise<readonly { readonly cluster: string; readonly reach: Reach }[]> {
  const found: { cluster: string; reach: Reach }[] = [];
  const end = `/${canaryKey(canary.id)}/primary.yaml`;
  for (const { path } of await snapshot.files(".serin")) {
    const cluster = path.split("/")[1] ?? "";
    if (cluster === ownCluster || !path.endsWith(end)) continue;
    const view = parseLockFile(new TextDecoder().decode(await snapshot.read(path)));
    const file = view.type === "read" ? view.value.declaredIn?.target ?? "" : "";
    const reach = await reachAt(file, snapshotTree(snapshot), signal);
    if (reach !== null) found.push({ cluster, reach });
  }
  return found;
}
