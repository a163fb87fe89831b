/**
 * What the writer asks about a release that an engine rendered: where in Git its images are written. Nothing can be tried
 * here, so places are looked for by what they say: first in the object that the target was made from, then in all files
 * of the source's paths and in the values files that Argo CD applications there name.
 */
import { canaryKey } from "../core/canary.ts";
import type { Release } from "../core/release.ts";
import { parseLockFile } from "../ledger/lock_file.ts";
import { isSameName, parseImage } from "../ledger/places/image_reference.ts";
import type { ImagePlace } from "../ledger/places/place.ts";
import type { CanaryEntry, ReleaseRenderer } from "../ledger/places/release_renderer.ts";
import type { Carrier } from "../ledger/places/restore_places.ts";
import type { Snapshot } from "../ports/git.ts";
import { placesOfRelease, treeBelow } from "./image_places.ts";

export interface LiveReleaseOptions {
  /** The agent's cluster, by name. */
  readonly cluster: string;
  /** Folders and files of all sources of the branch. */
  readonly roots: readonly string[];
}

/** The writer's renderer: engines' releases by their places, all others by `others`. */
export function liveRelease(options: LiveReleaseOptions, others: ReleaseRenderer): ReleaseRenderer {
  const isLive = ({ canary }: CanaryEntry): boolean => canary.render === "live";
  return {
    carriers: (entry, snapshot, signal) =>
      isLive(entry) ? carriers(entry, snapshot, options, signal) : others.carriers(entry, snapshot, signal),
    render: (entry, tip, signal) =>
      isLive(entry) ? Promise.resolve({ type: "by-engine" }) : others.render(entry, tip, signal),
  };
}

async function carriers(
  entry: CanaryEntry,
  snapshot: Snapshot,
  { roots, cluster }: LiveReleaseOptions,
  signal: AbortSignal | undefined,
): Promise<readonly Carrier[]> {
  const found = await placesOfRelease(entry, await treeBelow(snapshot, roots), signal);
  const locks = await otherLocks(entry, snapshot, cluster);
  return found.map(({ place, as, isOwn, containers }) => ({
    place,
    as,
    containers,
    isOwn,
    alsoServes: servedBy(place, entry, locks),
  }));
}

interface OtherLock {
  readonly cluster: string;
  readonly key: string;
  readonly release: Release;
  /** Path of the Canary's file; "": its lock does not say. */
  readonly file: string;
  readonly isHere: boolean;
}

/** Locks of other canaries and clusters whose release an engine renders. */
async function otherLocks(
  { canary }: CanaryEntry,
  snapshot: Snapshot,
  ownCluster: string,
): Promise<readonly OtherLock[]> {
  const found: OtherLock[] = [];
  for (const { path } of await snapshot.files(".serin")) {
    const [, cluster = "", namespace = "", name = ""] = path.split("/");
    const key = `${namespace}/${name}`;
    const isHere = cluster === ownCluster;
    if (!path.endsWith("/primary.yaml") || isHere && key === canaryKey(canary.id)) continue;
    const view = parseLockFile(new TextDecoder().decode(await snapshot.read(path)));
    if (view.type !== "read" || view.value.lock.release.rendering === undefined) continue;
    const { lock: { release }, declaredIn } = view.value;
    found.push({ cluster, key, release, file: declaredIn?.canary ?? "", isHere });
  }
  return found;
}

/** Who else may be made from the same place: nobody can try it here, so that doubt counts. */
function servedBy(place: ImagePlace, entry: CanaryEntry, locks: readonly OtherLock[]): readonly string[] {
  const { canary, release } = entry;
  const folder = commonFolder(place.file, canary.source.file);
  return locks.flatMap(({ cluster, key, release: other, file, isHere }) => {
    const isImages = other.images.some(({ image }) => {
      const reference = parseImage(image);
      return reference !== null && (place.image.name === null || isSameName(place.image.name, reference.name));
    });
    if (!isImages) return [];
    if (isHere) return other.rendering?.owner === release.rendering?.owner ? [`canary "${key}"`] : [];
    // Of another cluster, one whose Canary lies below what this one's Canary and the place have in common.
    const isBelow = file === "" || folder === "" || file.startsWith(`${folder}/`);
    return key === canaryKey(canary.id) && isBelow ? [`cluster "${cluster}"`] : [];
  });
}

function commonFolder(a: string, b: string): string {
  const [left, right] = [a.split("/").slice(0, -1), b.split("/").slice(0, -1)];
  const differs = left.findIndex((step, index) => step !== right[index]);
  return (differs === -1 ? left : left.slice(0, differs)).join("/");
}
