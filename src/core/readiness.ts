/**
 * Who has the ready pods for a share, and since when. A proxy hears of pods later than the API server shows them ready:
 * what was routed in between would meet no pod. Kept as a time in the rollout, so that losing it only waits once more.
 */
import { canaryReplicas, enoughReady, firstReplicas } from "./capacity.ts";
import type { Run } from "./state.ts";
import type { RunTurn } from "./turn.ts";

/**
 * How long pods must have been seen ready before a share relies on them, milliseconds. A Deployment counts a pod as ready
 * at the moment from which its EndpointSlice is still to be written, read by the mesh's control plane (which holds
 * changes back for 100 to 500 ms to send them together) and taken by each proxy; nothing reports the last of these. A
 * second from the pods' readiness to the first share is promised, and the turns around the wait take up to 100 ms.
 */
export const PROXIES_FOLLOW_MS = 750;

/** The primary runs the lock's revision, all of it, and no older pod is left. */
export function primaryReady(turn: RunTurn): boolean {
  return runsLock(turn) && turn.seen.cluster.primary.old === 0;
}

/** The primary runs the lock's revision, with pods enough; older ones may be left. */
export function runsLock({ run, state, seen }: RunTurn): boolean {
  const { primary } = seen.cluster;
  return primary.exists && primary.revision === state.lock?.release.revision && primary.observed &&
    enoughReady(primary.ready, Math.max(1, primary.replicas), run.canary.analysis.primaryReadyPercent);
}

/** The canary of a rollout that starts: all pods of its first share, and no older one left. */
export function canaryUp({ run, seen }: RunTurn): boolean {
  const { target } = seen.cluster;
  const wanted = firstReplicas(run, seen);
  return target.observed && target.old === 0 && target.updated >= wanted &&
    enoughReady(target.ready, wanted, run.canary.analysis.canaryReadyPercent);
}

/** Whether what receives traffic next in this phase has the ready pods for it. */
function isReady(turn: RunTurn): boolean {
  const { run, state, seen } = turn;
  const enough = (wanted: number) =>
    enoughReady(seen.cluster.target.ready, wanted, run.canary.analysis.canaryReadyPercent);
  switch (state.phase) {
    case "starting":
      if (run.stage === "applying") return false;
      return run.stage === "scaling" ? canaryUp(turn) : enough(firstReplicas(run, seen));
    case "progressing":
    case "waiting-promotion":
    case "pushing": {
      const isOn = run.weight > 0 || run.mirror;
      const [weight, mirror] = isOn ? [run.weight, run.mirror] : [run.nextWeight, run.nextMirror];
      return enough(canaryReplicas(run, seen, weight, mirror));
    }
    case "initialising":
      return runsLock(turn);
    case "promoting":
    case "restoring":
      return primaryReady(turn);
    default:
      return false;
  }
}

/** The turn with `readySince` as this observation has it: it starts anew whenever pods are seen to be missing. */
export function withReadySince(turn: RunTurn): RunTurn {
  const { state, now } = turn;
  const known = turn.run.readySince ?? now;
  // From here on it is the primary that is meant.
  const since = state.phase === "promoting" || state.phase === "restoring" ? Math.max(known, state.phaseSince) : known;
  const readySince = isReady(turn) ? since : null;
  if (readySince === turn.run.readySince) return turn;
  const run: Run = { ...turn.run, readySince };
  return { ...turn, run, state: { ...state, run } };
}

/** How long proxies still have to learn of the pods that traffic is to go to; 0 when long enough, or without proxies. */
export function followLeftMs({ run, canary, now }: RunTurn): number {
  if (!canary.traits.weights) return 0;
  return Math.max(0, (run.readySince ?? now) + PROXIES_FOLLOW_MS - now);
}

/**
 * The same before the canary's first traffic. A later share finds pods that proxies know, and one that only goes back
 * to the primary of a rollout that failed is never put off.
 */
export function firstShareLeftMs(turn: RunTurn, to: Pick<Run, "weight" | "mirror">): number {
  const { routes } = turn.seen.cluster;
  const isFirst = (to.weight > 0 || to.mirror) && routes.weight === 0 && !routes.mirror;
  return isFirst ? followLeftMs(turn) : 0;
}
