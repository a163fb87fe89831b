/**
 * Runs controllers: each says which keys a change concerns and what to do about a key. Keys wait in one queue,
 * deduplicated, and are handled one after the other outside of the write that woke them. Level-based: a turn looks at
 * the store, never at the change.
 */
import type { KubeObject } from "../../core/kube_object.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DirectAccess, DirectChange } from "../api/cluster.ts";
import { StatusError } from "../api/status_error.ts";

export interface Controller {
  readonly name: string;
  /** Keys that a change concerns. */
  readonly concerns: (change: DirectChange) => readonly string[];
  /** One turn. Returns after how many milliseconds to look again, if at all. */
  readonly reconcile: (key: string) => number | undefined;
}

export interface Runner {
  /** Looks at a key although nothing changed. */
  enqueue(controller: Controller, key: string): void;
  stop(): void;
}

/** A write that lost a race is tried again after this long. */
const retryMs = 50;
/** What the API refuses (an invalid pod, a namespace that is going) is tried again after this long. */
const refusedRetryMs = 5_000;

/** @param present objects that were there before: they are told as if they had just been added */
export function runControllers(
  store: DirectAccess,
  clock: Clock,
  controllers: readonly Controller[],
  present: readonly KubeObject[] = [],
): Runner {
  const waiting = new Map<string, { readonly controller: Controller; readonly key: string }>();
  const stopped = new AbortController();
  let scheduled = false;

  function enqueue(controller: Controller, key: string): void {
    waiting.set(`${controller.name} ${key}`, { controller, key });
    if (scheduled || stopped.signal.aborted) return;
    scheduled = true;
    queueMicrotask(drain);
  }

  function drain(): void {
    scheduled = false;
    // One generation of keys a round, so that whoever wrote gets to go on between rounds.
    const round = [...waiting.values()];
    waiting.clear();
    for (const { controller, key } of round) {
      if (stopped.signal.aborted) return;
      const afterMs = turn(controller, key);
      if (afterMs !== undefined) later(controller, key, afterMs);
    }
  }

  function turn(controller: Controller, key: string): number | undefined {
    try {
      return controller.reconcile(key);
    } catch (error) {
      // An object may be gone or changed by the time its turn comes; what the API refuses is tried again, as real
      // controllers do. Anything else is a bug.
      if (error instanceof StatusError) {
        if (error.code === 404) return undefined;
        return error.code === 409 ? retryMs : refusedRetryMs;
      }
      throw error;
    }
  }

  function later(controller: Controller, key: string, ms: number): void {
    clock.sleep(ms, stopped.signal).then(() => enqueue(controller, key), () => {});
  }

  function tell(change: DirectChange): void {
    for (const controller of controllers) {
      for (const key of controller.concerns(change)) enqueue(controller, key);
    }
  }

  for (const object of present) tell({ type: "ADDED", object, before: undefined });
  const unwatch = store.watch(tell);
  return {
    enqueue,
    stop() {
      unwatch();
      stopped.abort();
      waiting.clear();
    },
  };
}

/** "namespace/name", the key most controllers use. */
export function keyOf(object: { readonly metadata: { readonly namespace?: string; readonly name: string } }): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Takes a key apart. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
