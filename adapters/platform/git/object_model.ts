/**
 * The only file that imports isomorphic-git. It writes commits, where the library does the header rules well; transport,
 * packs and trees are ours, because the library rewrites names that are not UTF-8, and so are signatures. It is
 * loaded with the first commit: an agent that only reads, or has just started, does without.
 */
import { BugError } from "../../../src/errors.ts";
import type { CommitDraft, Oid } from "../../../src/ports/git.ts";
import { GIT_FOLDER, objectFs } from "./obj_fs.ts";
import { ObjectStore } from "./object_store.ts";
import { Overlay } from "./overlay.ts";
import { withSignature } from "./signed_commit.ts";

/**
 * Writes a commit into `objects` and returns its id, which depends on nothing but the arguments. Author and committer are
 * the same, in UTC, with whole seconds; the message ends in one newline.
 *
 * @param sign makes an armoured signature over the commit; left out, it has none
 */
export async function commitTree(
  objects: Overlay,
  draft: CommitDraft,
  links: { tree: Oid; parents: readonly Oid[] },
  sign?: (payload: Uint8Array<ArrayBuffer>) => Promise<string>,
): Promise<Oid> {
  const person = {
    name: headerText(draft.author.name),
    email: headerText(draft.author.email),
    timestamp: Math.floor(draft.timeMs / 1000),
    timezoneOffset: 0,
  };
  const message = draft.message.replaceAll("\0", "");
  const { writeCommit } = await import("isomorphic-git");
  // Apart from the others: without its signature the commit is nothing that anybody should get.
  const draftObjects = new Overlay(new ObjectStore());
  const oid = await writeCommit({
    fs: objectFs(draftObjects),
    gitdir: GIT_FOLDER,
    commit: { message, tree: links.tree, parent: [...links.parents], author: person, committer: person },
  });
  const commit = draftObjects.get(oid);
  if (commit === undefined) throw new BugError(`Cannot write a commit: ${oid} is not there`);
  if (sign === undefined) return objects.put(commit);
  return objects.put({ type: "commit", bytes: withSignature(commit.bytes, await sign(commit.bytes)) });
}

/** Git's own rule: characters that delimit a header are left out of names, or the commit could not be read again. */
function headerText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[<>\x00-\x1f\x7f]/g, "").trim();
}
