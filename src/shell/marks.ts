/**
 * Notes of the agent's on objects that it does not delete when a canary is handed back: nobody would ever read them
 * again, and a later Canary must not take them for its own.
 */
import type { ObjectRef } from "../core/kube_object.ts";
import { FENCE_ANNOTATION, FORMER_SYNC_OPTIONS_ANNOTATION } from "../core/names.ts";
import type { Cluster } from "../ports/cluster.ts";
import { present } from "./facts.ts";
import { ADOPT_ANNOTATION } from "./preflight.ts";

const PREFIX = "serin.dev/";
/** A person's consent stays, and a fence is taken off as an engine wants it, last. */
const KEPT = [ADOPT_ANNOTATION, FENCE_ANNOTATION, FORMER_SYNC_OPTIONS_ANNOTATION];

export async function takeMarksOff(
  cluster: Cluster,
  refs: readonly ObjectRef[],
  signal: AbortSignal,
): Promise<void> {
  for (const ref of refs) {
    const annotations = present(cluster, [ref])[0]?.metadata.annotations ?? {};
    const ours = Object.keys(annotations).filter((key) => key.startsWith(PREFIX) && !KEPT.includes(key));
    if (ours.length === 0) continue;
    await cluster.patch(ref, { metadata: { annotations: Object.fromEntries(ours.map((key) => [key, null])) } }, {
      signal,
    });
  }
}
