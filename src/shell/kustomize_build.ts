/**
 * One kustomization of one commit, rendered and read: its files are looked up first, and all that it may read is what was
 * found.
 */
import type { Complaint } from "../core/catalogue.ts";
import type { Renderer } from "../ports/renderer.ts";
import type { FileTree, Reach } from "../spec/kustomize_reach.ts";
import type { ParsedFile } from "../spec/parse_file.ts";
import { type Cover, parseRendered } from "../spec/rendered_file.ts";

export type Build =
  | { readonly type: "rendered"; readonly file: ParsedFile; readonly cover: Cover }
  /** `isTransient`: the same files may build the next time. */
  | { readonly type: "failed"; readonly complaints: readonly Complaint[]; readonly isTransient: boolean };

/** @param renderer null: nobody here renders */
export async function buildReach(
  reach: Reach,
  { tree, renderer }: { readonly tree: FileTree; readonly renderer: Renderer | null },
  signal?: AbortSignal,
): Promise<Build> {
  if (reach.complaints.length > 0) return { type: "failed", complaints: reach.complaints, isTransient: false };
  if (renderer === null) {
    return failed(reach, { message: "Is not rendered here", fix: "Ask an agent that has kustomize" }, false);
  }
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const path of reach.files.keys()) {
    const content = await tree.read(path);
    if (content !== undefined) files.set(path, content);
  }
  const output = await renderer.render({ folder: reach.folder, files }, signal);
  if (output.type !== "rendered") {
    const { type, reason, fix } = output;
    return failed(reach, { message: `Cannot be rendered: ${reason}`, fix }, type === "unavailable");
  }
  const parsed = parseRendered(reach.file, output.content);
  return "problem" in parsed
    ? failed(reach, { message: parsed.problem, fix: "Mend what it renders to" }, false)
    : { type: "rendered", ...parsed };
}

function failed(reach: Reach, what: { readonly message: string; readonly fix: string }, isTransient: boolean): Build {
  const complaint = { file: reach.file, line: 0, field: "", severity: "error", canary: null, ...what } as const;
  return { type: "failed", complaints: [complaint], isTransient };
}
