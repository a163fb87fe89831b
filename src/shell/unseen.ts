/**
 * Why a canary that was declared cannot be seen at the tip, nor counts as removed: its file broke, moved, or is outside
 * what is watched. Nothing is changed then, and whoever looks at the canary is told.
 */
import type { Canary } from "../core/canary.ts";
import type { Complaint } from "../core/catalogue.ts";
import type { SourceView } from "../ports/source.ts";

/** @param canary as it was declared last; null: never seen. Empty before the first fetch. */
export function unseen(view: SourceView, canary: Canary | null): readonly Complaint[] {
  const { catalogue } = view;
  if (catalogue === null || canary === null) return [];
  const { file } = canary.source;
  const about = (files: readonly string[]) =>
    catalogue.complaints.filter((complaint) => files.includes(complaint.file));
  const own = about([file]);
  if (own.length > 0) return own;
  const suspects = about(catalogue.unknownFiles);
  return suspects.length > 0 ? suspects : [{
    file,
    line: 0,
    field: "",
    message: "Is not there any more, and whether the Canary was removed or moved cannot be told: nothing is changed",
    fix: "Bring the file back, or correct the paths of the source",
    severity: "error",
    canary: canary.id,
  }];
}
