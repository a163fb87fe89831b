/**
 * The primary where an engine renders: kept when a release is analysed, taken from there when it is promoted or repaired,
 * and made from what the engine renders, with the lock's images, where what was kept is lost.
 */
import type { Lock } from "../core/decision.ts";
import { canaryKey } from "../core/canary.ts";
import type { ObjectRef } from "../core/kube_object.ts";
import { type Release, withImages } from "../core/release.ts";
import type { State } from "../core/state.ts";
import { UnavailableError } from "../errors.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { WorkloadAdapter } from "../ports/workload.ts";
import { captureName, type Captures } from "./captures.ts";
import { type Copying, type Kept, makeCopies } from "./copies.ts";
import { primaryFrom, readTarget, templateHashes } from "./rendered.ts";

export interface Capturing {
  readonly copying: Copying;
  readonly captures: Captures;
  /** null: the agent may not read Secrets, and nothing can be kept. */
  readonly key: string | null;
  readonly workload: WorkloadAdapter;
  readonly ref: ObjectRef;
  readonly engine: EngineAdapter;
}

/** Keeps the primary that a release makes, with its configs; nothing where the live target is another one by now. */
export async function keepRendered(capturing: Capturing, release: Release): Promise<void> {
  const { copying: { canary, cluster, signal }, captures, key } = capturing;
  if (key === null || await captures.of(canary, release.revision, signal) !== null) return;
  const target = await readTarget(cluster, capturing, signal);
  if (target === undefined || templateHashes(key, target.owned).template !== release.revision) return;
  await keep(capturing, { ...target, release, key });
}

/** A lock with the primary that is to be applied. Of what an engine rendered, lock and state have an outline alone. */
export async function renderedLock(capturing: Capturing, lock: Lock): Promise<Lock> {
  const { copying: { canary, cluster, signal }, captures, key } = capturing;
  const { release } = lock;
  if (release.rendering === undefined || key === null) return lock;
  const captured = await captures.of(canary, release.revision, signal);
  if (captured !== null) return { ...lock, primary: captured };
  const target = await readTarget(cluster, capturing, signal);
  if (target === undefined) {
    throw new UnavailableError(
      `Cannot apply the primary of "${
        canaryKey(canary.id)
      }": what the engine rendered is lost, and the target "${capturing.ref.name}" is not in the cluster to make it from`,
    );
  }
  const images = new Map(release.images.map(({ container, image }) => [container, image]));
  const owned = withImages(target.owned, images);
  return { ...lock, primary: await keep(capturing, { owned, release, key }) };
}

/** Configs first: what is kept names their copies. */
async function keep(
  { copying, captures, workload }: Capturing,
  { owned, release, key }: { readonly owned: Lock["primary"]; readonly release: Release; readonly key: string },
): Promise<Lock["primary"]> {
  const { canary, cluster, signal } = copying;
  const { revision } = release;
  const parts = await primaryFrom(cluster, { canary, workload, owned, revision, key }, signal);
  const configs = parts.configs.filter(({ kind }) => kind !== "Secret");
  await makeCopies(copying, { primary: parts.workload, configs });
  await captures.keep(cluster, { canary, revision, primary: parts.workload }, signal);
  return parts.workload;
}

/** What must stay of copies and captures: all that may be applied again. */
export async function keptPrimaries({ copying, captures }: Capturing, state: State): Promise<Kept> {
  const { canary, signal } = copying;
  const { lock, previousLock, run } = state;
  if (lock === null) return { primaries: [], secrets: [] };
  const locks = [lock, previousLock, run?.previous ?? null].flatMap((one) => one === null ? [] : [one]);
  const filled = await Promise.all(locks.map((one) => captures.filled(canary, one, signal)));
  const inFlight = run?.rendered?.primary;
  const releases = [...locks.map(({ release }) => release), ...(run === null ? [] : [run.release])];
  return {
    primaries: [...filled.map(({ primary }) => primary), ...(inFlight === undefined ? [] : [inFlight])],
    secrets: releases.flatMap(({ rendering, revision }) =>
      rendering === undefined ? [] : [captureName(canary, revision)]
    ),
  };
}
