/** The folders or files of a repository that a source is about. */

/** As configured, without slashes around them; [""], the whole repository, where none is named or one is all of it. */
export function rootsOf(paths: readonly string[]): readonly string[] {
  const roots = paths.map((path) => path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "").replace(/^\.$/, ""));
  return roots.length === 0 || roots.includes("") ? [""] : roots;
}

/** Whether a path is a folder's, or the folder itself; "" is the whole repository. */
export function isUnder(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}
