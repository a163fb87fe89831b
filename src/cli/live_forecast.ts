/**
 * What can be told offline of a canary whose engine renders it: what the places of its images say beside its lock. All
 * else of what an engine renders (values, charts, Secrets) is known to the agent alone, and that is said.
 */
import type { CatalogueEntry } from "../core/catalogue.ts";
import type { Lock } from "../core/decision.ts";
import { formatImage } from "../ledger/places/image_reference.ts";
import type { WrittenImage } from "../ledger/places/place.ts";
import { saysVersionOf } from "../ledger/places/said_of_images.ts";
import { placesOfRelease, type PlacesTree } from "../shell/image_places.ts";

type Known = Extract<CatalogueEntry, { readonly type: "canary" }>;

/** What a place says of an image of the lock. */
export interface SaidImage {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** The place within its object: "values/image". */
  readonly what: string;
  /** Of the lock. */
  readonly from: string;
  readonly to: string;
  readonly isLocked: boolean;
}

/** What the files say of the lock's images; empty where no place is known. */
export async function saidOfLock(entry: Known, lock: Lock, tree: PlacesTree): Promise<readonly SaidImage[]> {
  const found = await placesOfRelease({ ...entry, release: lock.release }, tree);
  const said: SaidImage[] = [];
  for (const { place, containers } of found) {
    const content = await tree.read(place.file);
    const start = place.parts.find(({ range }) => range !== null)?.range?.start ?? 0;
    const line = (content ?? new Uint8Array()).subarray(0, start).filter((byte) => byte === 0x0a).length + 1;
    for (const { container, image } of lock.release.images) {
      if (!containers.includes(container)) continue;
      const to = textOf(place.image);
      const { file, key: what } = place;
      said.push({ file, line, what, from: image, to, isLocked: saysVersionOf(place.image, image) });
    }
  }
  return said;
}

/** As far as it is said: a tag alone stays one. */
function textOf({ name, tag, digest }: WrittenImage): string {
  return name === null ? [tag, digest].filter((part) => part !== null).join("@") : formatImage({ name, tag, digest });
}
