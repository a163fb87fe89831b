/** Marks objects of a rollout in flight with the leadership's epoch, so that versions an older leader holds go stale. */
import type { Canary } from "../core/canary.ts";
import { refOf } from "../core/kube_object.ts";
import { CANARY_LABEL, EPOCH_ANNOTATION } from "../core/names.ts";
import type { Cluster } from "../ports/cluster.ts";
import { choose, present, refsOf } from "./facts.ts";
import type { Tables } from "./tables.ts";

/** @param options.onlyKnown nothing is done where no object carries a label of ours */
export async function stampEpoch(
  parts: { readonly cluster: Cluster; readonly tables: Tables },
  canary: Canary,
  options: { readonly epoch: number; readonly onlyKnown: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { cluster, tables } = parts;
  const { router, scaler } = choose(tables, canary);
  const refs = refsOf(canary, scaler);
  const scalers = [refs.primaryScalerRef, refs.scalerRef].flatMap((ref) => ref === null ? [] : [ref]);
  const epoch = String(options.epoch);
  const objects = present(cluster, [...router.needs(canary), refs.targetRef, ...scalers, refs.primaryRef]);
  // Before a first start all of them are the user's, and no older leader knows them.
  if (options.onlyKnown && !objects.some(({ metadata }) => metadata.labels?.[CANARY_LABEL] !== undefined)) return;
  for (const object of objects) {
    const known = Number(object.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0);
    if (known >= options.epoch) continue;
    // On the version that was seen: a leader that slept through its successor must not put its own mark back.
    const { resourceVersion } = object.metadata;
    await cluster.patch(refOf(object), { metadata: { annotations: { [EPOCH_ANNOTATION]: epoch } } }, {
      signal: options.signal,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    });
  }
}
