/**
 * Before a deadline is held against a release, its objects are read from the server: a watch that has gone mute looks
 * like pods that never get ready, and must not get a good release reverted.
 */
import type { ObjectRef } from "../core/kube_object.ts";
import type { State } from "../core/state.ts";
import type { Cluster } from "../ports/cluster.ts";

/** Whether the next step may find that something took too long. */
export function deadlineIsDue(state: State, now: number): boolean {
  const { run, phase } = state;
  if (run === null || now < run.stageSince + run.canary.progressDeadlineMs) return false;
  switch (phase) {
    case "starting":
      return run.stage === "scaling";
    case "progressing":
      return run.stage === "capacity" || run.stage === "routing";
    case "promoting":
      return true;
    default:
      return false;
  }
}

/**
 * Reads what the deadline is about; the caches take it in.
 *
 * @throws {UnavailableError} the server gives no answer, and so nothing can be said of the release
 */
export async function lookAgain(cluster: Cluster, refs: readonly ObjectRef[], signal: AbortSignal): Promise<void> {
  await Promise.all(refs.map((ref) => cluster.live(ref, signal)));
}
