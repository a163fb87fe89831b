/** A snapshot, with edits where there are any, as the tree of plain files that a kustomization is looked up in. */
import type { FileEdit, Snapshot } from "../ports/git.ts";
import type { FileTree } from "../spec/kustomize_reach.ts";

/** @param edits whole new contents; they count as if they were committed */
export function snapshotTree(snapshot: Snapshot, edits: readonly FileEdit[] = []): FileTree {
  const edited = new Map(edits.map(({ path, content }) => [path, content]));
  const listings = new Map<string, Promise<ReadonlyMap<string, string>>>();
  /** Files under a folder, links left out; a folder within one that was listed is not listed again. */
  const listing = (folder: string): Promise<ReadonlyMap<string, string>> => {
    for (let around = folder;; around = parentOf(around)) {
      const known = listings.get(around);
      if (known !== undefined) return known;
      if (around === "") break;
    }
    const listed = snapshot.files(folder).then((files) => new Map(files.map(({ path, oid }) => [path, oid])));
    listings.set(folder, listed);
    return listed;
  };
  return {
    async id(path) {
      const edit = edited.get(path);
      if (edit !== undefined) return edit === null ? undefined : await digestOf(edit);
      return (await listing(parentOf(path))).get(path);
    },
    async isFolder(path) {
      if ((await listing(path)).size === 0) return false;
      return path === "" || [...(await listing(path)).keys()].some((file) => file.startsWith(`${path}/`));
    },
    async read(path) {
      const edit = edited.get(path);
      return edit === undefined ? await snapshot.read(path) : edit ?? undefined;
    },
  };
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return `edit:${[...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
