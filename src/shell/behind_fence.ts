/**
 * What Git says by now of a target that an engine renders, while our fence keeps the engine from it: the target itself cannot
 * show a newer release then. Told by the places of its images; looked at once a commit.
 */
import type { Release } from "../core/release.ts";
import { type SaidOfImages, saidOfImages } from "../ledger/places/said_of_images.ts";
import type { FileText } from "../ledger/splice.ts";
import type { Source } from "../ports/source.ts";
import { placesOfRelease, type Rendered, treeBelow } from "./image_places.ts";

interface Known {
  readonly revision: string;
  readonly commit: string;
  readonly said: SaidOfImages;
}

export class BehindFence {
  readonly #known = new Map<string, Known>();

  /**
   * "unknown" until a commit was seen that said what runs: places that never did say nothing of it now.
   *
   * @param key of the canary
   * @param running the release that is analysed; `lock`: the one that users are on
   */
  async said(
    key: string,
    { running, lock, watched }: {
      readonly running: Rendered;
      readonly lock: Release;
      readonly watched: NonNullable<Source["watched"]>;
    },
    signal: AbortSignal,
  ): Promise<SaidOfImages> {
    const { snapshot, roots } = watched;
    const { release } = running;
    const { commit } = snapshot;
    const { revision } = release;
    const remembered = this.#known.get(key);
    const known = remembered?.revision === revision ? remembered : undefined;
    if (known?.commit === commit) return known.said;
    const found = await placesOfRelease(running, await treeBelow(snapshot, roots), signal);
    const files = new Map<string, FileText>();
    for (const path of new Set(found.map(({ place }) => place.file))) {
      const content = await snapshot.read(path);
      if (content !== undefined) files.set(path, { path, content, link: false });
    }
    const carriers = found.map((one) => ({ ...one, alsoServes: [] }));
    const file = (path: string): FileText | null => files.get(path) ?? null;
    const now = saidOfImages(carriers, { judged: release, wanted: lock, file });
    const said = now === "judged" || known !== undefined && known.said !== "unknown" ? now : "unknown";
    this.#known.set(key, { revision, commit, said });
    return said;
  }

  /** No fence is on, or its rollout is over. */
  forget(key: string): void {
    this.#known.delete(key);
  }
}
