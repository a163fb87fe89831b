/** Says that a reference leads nowhere, naming what there is. */
import type { CanaryId } from "../core/canary.ts";
import { listed, nearest } from "../schema/nearest.ts";
import type { FieldPath } from "../schema/path.ts";
import type { Complaints } from "./complaints.ts";
import type { Resolved } from "./context.ts";

/** Adds one error: the object does not exist, is declared twice, or has errors of its own. */
export function missingReference(
  kind: string,
  ref: CanaryId,
  place: {
    readonly path: FieldPath;
    readonly complaints: Complaints;
    readonly found: Exclude<Resolved<unknown>, { type: "found" }>;
  },
): void {
  const { path, complaints, found } = place;
  const key = `${ref.namespace}/${ref.name}`;
  if (found.type === "broken") {
    const reason = `${kind} "${key}" ${found.why}: see "${found.file}", line ${found.line}`;
    complaints.error(path, reason, found.why === "has errors" ? `Mend the ${kind}` : "Keep one of them");
    return;
  }
  const near = nearest(key, found.known) ?? found.known.find((known) => known.endsWith(`/${ref.name}`));
  const known = found.known.length === 0 ? "there is none" : `known are ${listed(found.known)}`;
  const fix = near === undefined ? `Add the ${kind} to Git, or name another one` : `Name "${near}"`;
  complaints.error(path, `${kind} "${key}" does not exist: ${known}`, fix);
}
