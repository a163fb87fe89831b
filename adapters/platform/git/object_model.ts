/**
 * The only file that imports isomorphic-git. It writes commits (and later tags and signatures), where the library does the
 * header rules well; transport, packs and trees are ours, because the library rewrites names that are not UTF-8. It is
 * loaded with the first commit: an agent that only reads, or has just started, does without.
 */
import type { CommitDraft, Oid } from "../../../src/ports/git.ts";
import { GIT_FOLDER, objectFs } from "./obj_fs.ts";
import type { Overlay } from "./object_store.ts";

/**
 * Writes a commit into `objects` and returns its id, which depends on nothing but the arguments. Author and committer are
 * the same, in UTC, with whole seconds; the message ends in one newline.
 */
export async function commitTree(
  objects: Overlay,
  draft: CommitDraft,
  links: { tree: Oid; parents: readonly Oid[] },
): Promise<Oid> {
  const person = {
    name: headerText(draft.author.name),
    email: headerText(draft.author.email),
    timestamp: Math.floor(draft.timeMs / 1000),
    timezoneOffset: 0,
  };
  const message = draft.message.replaceAll("\0", "");
  const { writeCommit } = await import("isomorphic-git");
  return await writeCommit({
    fs: objectFs(objects),
    gitdir: GIT_FOLDER,
    commit: { message, tree: links.tree, parent: [...links.parents], author: person, committer: person },
  });
}

/** Git's own rule: characters that delimit a header are left out of names, or the commit could not be read again. */
function headerText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[<>\x00-\x1f\x7f]/g, "").trim();
}
