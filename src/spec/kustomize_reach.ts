/**
 * All that a kustomization reaches within its commit: files, folders, and what keeps it from being rendered. What is not
 * in the commit as a plain file (a link, a submodule, a path out of the repository) is not reached, and said.
 */
import type { Complaint } from "../core/catalogue.ts";
import { type Hindrance, KUSTOMIZATION_NAMES, readKustomization, type Reference } from "./kustomization.ts";

/** Files of one commit, or of a commit with edits. */
export interface FileTree {
  /** Blob id of a plain file, or whatever else tells its contents apart; undefined: there is none. */
  id(path: string): Promise<string | undefined>;
  isFolder(path: string): Promise<boolean>;
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

export interface Reach {
  /** Folder of the kustomization; "" for the repository's root. */
  readonly folder: string;
  /** Its kustomization file. */
  readonly file: string;
  readonly isComponent: boolean;
  /** Folders with a kustomization, its own among them. */
  readonly folders: ReadonlySet<string>;
  /** Every file that rendering reads, by path, with its id. */
  readonly files: ReadonlyMap<string, string>;
  /** Every path that was asked for, there or not: as long as none of them changes, neither does the rest. */
  readonly sought: ReadonlySet<string>;
  /** Why it cannot be rendered; empty when it can be tried. */
  readonly complaints: readonly Complaint[];
  /** Whether anything in it asks for `render: kustomize`. */
  readonly asks: boolean;
}

const FOLDERS_MAX = 200;
const FILES_MAX = 5_000;
const BYTES_MAX = 32 * 1024 * 1024;

/** The folder and name of a kustomization file's path; null for other files. */
export function kustomizationFolder(path: string): string | null {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  return KUSTOMIZATION_NAMES.some((known) => known === name) ? path.slice(0, Math.max(slash, 0)) : null;
}

/** Walks from a folder; null: it has no kustomization. */
export async function reachOf(folder: string, tree: FileTree, signal?: AbortSignal): Promise<Reach | null> {
  const walk = new Walk(tree, signal);
  const file = await walk.kustomizationOf(folder);
  return file === undefined ? null : await walk.from(folder, file);
}

/** Whether a text sets `render: kustomize`: in a spec, an annotation, a patch. */
export function asksForKustomize(text: string): boolean {
  if (!text.includes("kustomize")) return false;
  return /render["']?\s*:\s*["']?kustomize\b/.test(text) || /\/spec\/render\b|serin\.dev~1render\b/.test(text);
}

class Walk {
  readonly #tree: FileTree;
  readonly #signal: AbortSignal | undefined;
  readonly #folders = new Set<string>();
  readonly #files = new Map<string, string>();
  readonly #sought = new Set<string>();
  readonly #complaints: Complaint[] = [];
  #bytes = 0;
  #asks = false;

  constructor(tree: FileTree, signal: AbortSignal | undefined) {
    this.#tree = tree;
    this.#signal = signal;
  }

  async kustomizationOf(folder: string): Promise<string | undefined> {
    for (const name of KUSTOMIZATION_NAMES) {
      const path = folder === "" ? name : `${folder}/${name}`;
      this.#sought.add(path);
      if (await this.#tree.id(path) !== undefined) return path;
    }
    return undefined;
  }

  async from(folder: string, file: string): Promise<Reach> {
    const waiting = [{ folder, file }];
    let isComponent: boolean | undefined;
    this.#folders.add(folder);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      this.#signal?.throwIfAborted();
      const content = await this.#take(next.file);
      const { references, hindrances, ...read } = readKustomization(content ?? "");
      isComponent ??= read.isComponent;
      for (const hindrance of hindrances) this.#complain(next.file, hindrance);
      for (const reference of references) {
        const found = await this.#follow(next, reference);
        if (found === null || this.#folders.has(found.folder)) continue;
        this.#folders.add(found.folder);
        waiting.push(found);
      }
      if (!this.#isBounded()) {
        const message = `Reaches too much: over ${FOLDERS_MAX} folders, ${FILES_MAX} files or ${BYTES_MAX} bytes`;
        this.#complain(file, { field: "", line: 0, message, fix: "Split it into several kustomizations" });
        break;
      }
    }
    return {
      folder,
      file,
      isComponent: isComponent ?? false,
      folders: this.#folders,
      files: this.#files,
      sought: this.#sought,
      complaints: this.#complaints,
      asks: this.#asks,
    };
  }

  #isBounded(): boolean {
    return this.#folders.size <= FOLDERS_MAX && this.#files.size <= FILES_MAX && this.#bytes <= BYTES_MAX;
  }

  /** Takes a reference in. @returns the kustomization that it leads to; null: a file, or nothing */
  async #follow(
    from: { readonly folder: string; readonly file: string },
    reference: Reference,
  ): Promise<{ readonly folder: string; readonly file: string } | null> {
    const { path: written, what, field, line } = reference;
    const path = within(from.folder, written);
    if (path === null) {
      const message = `"${written}" leads out of the repository`;
      this.#complain(from.file, { field, line, message, fix: "Name a path within the repository" });
      return null;
    }
    this.#sought.add(path);
    if (await this.#take(path) !== undefined) return null;
    if (what === "file" || !await this.#tree.isFolder(path)) {
      const message = `"${written}" is not a file${
        what === "file" ? "" : " or folder"
      } of the repository; links count as none`;
      this.#complain(from.file, { field, line, message, fix: "Commit it, or name another one" });
      return null;
    }
    const file = await this.kustomizationOf(path);
    if (file !== undefined) return { folder: path, file };
    const message = `Folder "${written}" has no kustomization.yaml`;
    this.#complain(from.file, { field, line, message, fix: "Add one, or name its files" });
    return null;
  }

  /** Text of a file that is there, which from now on is reached. */
  async #take(path: string): Promise<string | undefined> {
    const id = await this.#tree.id(path);
    const bytes = id === undefined ? undefined : await this.#tree.read(path);
    if (id === undefined || bytes === undefined) return undefined;
    const text = new TextDecoder().decode(bytes);
    if (!this.#files.has(path)) {
      this.#files.set(path, id);
      this.#bytes += bytes.length;
      this.#asks ||= asksForKustomize(text);
    }
    return text;
  }

  #complain(file: string, hindrance: Hindrance): void {
    this.#complaints.push({ file, ...hindrance, severity: "error", canary: null });
  }
}

/** A path from a folder, from the repository's root; null: it leads out of it, or is absolute. */
function within(folder: string, path: string): string | null {
  if (path.startsWith("/") || path.includes("\0") || path.includes("\\")) return null;
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join("/");
}
