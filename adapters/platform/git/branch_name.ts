/** Names of branches, checked before a server sees them. */
import { InvalidSpecError } from "../../../src/errors.ts";

/**
 * The name as given.
 *
 * @throws {InvalidSpecError} it is no branch's short name
 * @see git-check-ref-format(1)
 */
export function checkedBranch(branch: string): string {
  // deno-lint-ignore no-control-regex
  const isBad = branch === "" || /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|(^|\/)\.|\.lock(\/|$)|^\/|[/.]$/.test(branch);
  if (!isBad) return branch;
  throw new InvalidSpecError(`Cannot use Git branch ${JSON.stringify(branch)}: it is no branch name`, {
    fix: 'Give the short name of a branch, such as "main".',
  });
}
