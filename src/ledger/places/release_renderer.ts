/**
 * What the writer asks of rendering when it puts a rendered release back. The writer does not know how manifests are
 * rendered; whoever does (the kustomize binary, the engine itself) answers these two questions.
 */
import type { CatalogueEntry } from "../../core/catalogue.ts";
import type { FileEdit, Snapshot } from "../../ports/git.ts";
import type { Carrier, Rendered } from "./restore_places.ts";

export type CanaryEntry = Extract<CatalogueEntry, { readonly type: "canary" }>;

/** `data.reason` of an UnavailableError that is about rendering: the remote is there, and other decisions are not kept. */
export const NOT_RENDERED = "not-rendered";

export interface ReleaseRenderer {
  /**
   * The places of a tip that decide the images of a canary's target. Where an engine renders, `entry.release` is the
   * release that was judged.
   *
   * @returns empty where none are known: nothing is edited then
   * @throws {UnavailableError} it cannot be found out now; `data.reason` is "not-rendered"
   */
  carriers(entry: CanaryEntry, snapshot: Snapshot, signal?: AbortSignal): Promise<readonly Carrier[]>;
  /**
   * The release that the tip would render to with some files replaced.
   *
   * @throws {UnavailableError} it cannot be found out now; `data.reason` is "not-rendered"
   */
  render(
    entry: CanaryEntry,
    tip: { readonly snapshot: Snapshot; readonly edits: readonly FileEdit[] },
    signal?: AbortSignal,
  ): Promise<Exclude<Rendered, { readonly type: "unknown" }>>;
}
