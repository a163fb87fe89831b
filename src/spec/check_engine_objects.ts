/**
 * Whether an engine's object in the same repository applies a canary's folder otherwise than it is read. A warning and no
 * error: several clusters may apply one folder, each with an object of its own; the one in the cluster decides.
 */
import type { Canary } from "../core/canary.ts";
import type { Complaint, Manifest } from "../core/catalogue.ts";
import { formatPath } from "../schema/path.ts";
import { foldersAppliedBy, transformsOf } from "./engine_transforms.ts";

/** What to do about a transform that is not reproduced, wherever it is found. */
export const RENDER_LIVE =
  'Write "render: live" on the Canary, so that what was applied is read, or move it into the files';

/** @param engines objects by which engines apply folders */
export function checkEngineObjects(
  canary: Canary,
  target: Manifest,
  engines: readonly Manifest[],
): readonly Complaint[] {
  if (canary.render === "live" || canary.engine === "self") return [];
  return engines.filter(({ object }) => foldersAppliedBy(object).some((folder) => isRead(folder, canary, target)))
    .flatMap(({ object, place }) => {
      const certain = transformsOf(object, target.object).filter((transform) => transform.certain);
      const { kind, metadata: { name } } = target.object;
      const message = `${object.kind} "${object.metadata.name}" changes ${kind} "${name}" here, and that is not read`;
      return certain.map(({ path }): Complaint => ({
        file: place.file,
        line: place.line,
        field: formatPath(path),
        message,
        fix: RENDER_LIVE,
        severity: "warning",
        canary: canary.id,
      }));
    });
}

/** Whether what a folder holds is what the canary is read from. */
function isRead(folder: string, { render }: Canary, { place: { file } }: Manifest): boolean {
  const own = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : "";
  // A kustomization is applied as itself; files as they are written, from any folder above them.
  return own === folder || render === "manifests" && (folder === "" || own.startsWith(`${folder}/`));
}
