/**
 * Whether a canary that is no longer found was removed, or only cannot be seen. Whatever is unsure is "unknown":
 * a wrong "removed" takes a service down.
 */
import type { Catalogue, CatalogueEntry } from "../core/catalogue.ts";
import type { Source } from "../ports/source.ts";
import { isUnder } from "./roots.ts";

/** The files of one commit that the source watches, by path, with their blob ids. */
export type WatchedFiles = ReadonlyMap<string, string>;

interface Gone {
  readonly file: string;
  /** Files that broke in the commit in which the canary vanished: it may be in one of them now. */
  readonly suspects: readonly string[];
  /** Blob that its file had last; null: not known. */
  readonly blob: string | null;
}

export class Presence {
  /** Folders or files that are watched; one "" for all. */
  readonly #roots: readonly string[];
  readonly #seen = new Map<string, string>();
  readonly #gone = new Map<string, Gone>();
  #catalogue: Catalogue | null = null;
  #files: WatchedFiles = new Map();
  /** Every blob of the tip, where a vanished file had to be looked for. */
  #blobs: ReadonlySet<string> = new Set();

  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** Takes a new commit in. @param allBlobs every blob of the commit; asked only when a canary's file vanished */
  async follow(
    catalogue: Catalogue,
    files: WatchedFiles,
    allBlobs: () => Promise<ReadonlySet<string>>,
  ): Promise<void> {
    const brokenBefore = new Set(this.#catalogue?.unknownFiles);
    const gone: [string, Gone][] = [];
    for (const [key, file] of this.#seen) {
      if (catalogue.entries.has(key) || this.#gone.has(key)) continue;
      const suspects = catalogue.unknownFiles.filter((path) => !brokenBefore.has(path));
      gone.push([key, { file, suspects, blob: this.#files.get(file) ?? null }]);
    }
    const vanished = [...this.#gone.values(), ...gone.map(([, entry]) => entry)].some(({ file }) => !files.has(file));
    const blobs = vanished ? await allBlobs() : new Set<string>();
    for (const [key, entry] of gone) this.#gone.set(key, entry);
    for (const [key, entry] of catalogue.entries) {
      this.#seen.set(key, fileOf(entry));
      this.#gone.delete(key);
    }
    this.#catalogue = catalogue;
    this.#files = files;
    this.#blobs = blobs;
  }

  /** @param declaredIn the file that the canary's lock names, for a canary not seen since the start; null: none */
  of(key: string, declaredIn: string | null): ReturnType<Source["presence"]> {
    const catalogue = this.#catalogue;
    const entry = catalogue?.entries.get(key);
    if (catalogue === null) return "unknown";
    if (entry !== undefined) return entry.type === "broken" ? "broken" : "declared";
    const gone = this.#gone.get(key);
    const file = gone?.file ?? declaredIn;
    const broken = new Set(catalogue.unknownFiles);
    const suspects = gone?.suspects ?? catalogue.unknownFiles;
    if (suspects.some((path) => broken.has(path))) return "unknown";
    if (file === null) return catalogue.manifests.size > 0 ? "removed" : "unknown";
    if (broken.has(file)) return "unknown";
    if (this.#files.has(file)) return "removed";
    const wasMoved = gone !== undefined && gone.blob !== null && this.#blobs.has(gone.blob);
    return wasMoved || !this.#rootHasManifests(file, catalogue) ? "unknown" : "removed";
  }

  /** A watched folder that is empty now was moved or mistyped, not emptied canary by canary. */
  #rootHasManifests(file: string, catalogue: Catalogue): boolean {
    const root = this.#roots.find((folder) => isUnder(file, folder));
    if (root === undefined) return false;
    for (const { place } of catalogue.manifests.values()) {
      if (isUnder(place.file, root)) return true;
    }
    return false;
  }
}

function fileOf(entry: CatalogueEntry): string {
  return entry.type === "broken" ? entry.file : entry.canary.source.file;
}
