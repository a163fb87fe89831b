/**
 * What the engine that applies a target changes in it beyond its files, in words: before a rollout starts where it is
 * certain, and as the likely cause where what runs is not what would be promoted. Decides nothing else.
 */
import type { Canary } from "../core/canary.ts";
import type { KubeObject } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import { RENDER_LIVE } from "../spec/check_engine_objects.ts";
import { namedTransforms, type Transform, transformsOf } from "../spec/engine_transforms.ts";

/**
 * Why a candidate cannot be analysed as it is read, as a sentence with what to do; null: nothing certain.
 *
 * @param owners the engine's live objects that apply the target
 */
export function changedByEngine(
  owners: readonly KubeObject[],
  canary: Canary,
  candidate: Release | null,
): string | null {
  if (candidate === null || canary.render === "live") return null;
  const { kind, metadata: { name } } = candidate.target;
  const [found] = named(owners, candidate.target, ({ certain }) => certain);
  if (found === undefined) return null;
  return `${found} changes what it applies, so that ${kind} "${name}" would not run as it is read from Git. ${RENDER_LIVE}.`;
}

/** What may have made a live target differ from its files, with what to do, to be put behind the difference; or "". */
export function likelyCause(owners: readonly KubeObject[], canary: Canary, { target }: Release): string {
  const found = canary.render === "live" ? [] : named(owners, target, () => true);
  return found.length === 0 ? "" : `; ${found.join(" and ")} changes what it applies: ${lowered(RENDER_LIVE)}`;
}

function named(
  owners: readonly KubeObject[],
  target: KubeObject,
  counts: (transform: Transform) => boolean,
): readonly string[] {
  return owners.flatMap((owner) => {
    const transforms = transformsOf(owner, target).filter(counts);
    return transforms.length === 0 ? [] : [namedTransforms(owner, transforms)];
  });
}

function lowered(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}
