/** Stock git's judgement of a whole repository: every object that anybody wrote into it is well-formed and all are there. */
import assert from "node:assert/strict";
import { runGit } from "./git_repository.ts";

/**
 * Fails with what `git fsck --strict` complains of. Objects that nothing refers to are none of its business: races that were
 * lost leave some.
 *
 * @param folder a bare repository, or a clone
 */
export async function isSound(folder: string): Promise<void> {
  const args = ["-c", "safe.directory=*", "fsck", "--strict", "--full", "--no-dangling", "--no-progress"];
  assert.equal(new TextDecoder().decode(await runGit(folder, args)).trim(), "", `git fsck --strict of ${folder}`);
}
