/**
 * What the places of a tip say of the images that tell two releases apart: where an engine renders, this is how the tip
 * declares one of them, or something newer. Pure.
 */
import type { Release } from "../../core/release.ts";
import type { FileText } from "../splice.ts";
import { parseImage } from "./image_reference.ts";
import type { WrittenImage } from "./place.ts";
import { type Carrier, placeNow } from "./restore_places.ts";

/** "unknown": no place says anything of these images. */
export type SaidOfImages = "judged" | "wanted" | "other" | "unknown";

export function saidOfImages(carriers: readonly Carrier[], { judged, wanted, file }: {
  readonly judged: Release;
  readonly wanted: Release;
  readonly file: (path: string) => FileText | null;
}): SaidOfImages {
  const found = new Set<SaidOfImages>();
  const then = new Map(wanted.images.map(({ container, image }) => [container, image]));
  for (const { container, image } of judged.images) {
    const before = then.get(container);
    if (before === undefined || before === image) continue;
    for (const carrier of carriers.filter(({ containers }) => containers.includes(container))) {
      const text = file(carrier.place.file);
      const place = text === null ? "it is gone" : placeNow(text, carrier);
      if (typeof place === "string") continue;
      found.add(saysVersionOf(place.image, image) ? "judged" : saysVersionOf(place.image, before) ? "wanted" : "other");
    }
  }
  // One place that still says what was judged has to go back, whatever others say.
  return (["judged", "other", "wanted"] as const).find((said) => found.has(said)) ?? "unknown";
}

/** Whether a place says an image's version; one that has a digest is told by it. */
export function saysVersionOf(said: WrittenImage, image: string): boolean {
  const whole = parseImage(image);
  if (whole === null) return false;
  return said.digest === null ? said.tag !== null && said.tag === whole.tag : said.digest === whole.digest;
}
