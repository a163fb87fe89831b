/**
 * `mode: observe`: what the agent would do, said once in place of being done. Decides nothing and writes nothing.
 */
import type { Action } from "../core/action.ts";
import type { Canary } from "../core/canary.ts";
import { namesOf } from "../core/names.ts";
import type { State } from "../core/state.ts";
import type { Telling } from "./telling.ts";

/** The action as a sentence after "Would"; null for what a reader need not hear of. */
export function sentenceOf(action: Action, canary: Canary): string | null {
  const names = namesOf(canary);
  switch (action.type) {
    case "apply-primary":
      return `apply the primary "${names.primary}" at revision ${action.lock.release.revision}`;
    case "apply-services":
      return `write the Services "${names.apex}", "${names.primaryService}" and "${names.canaryService}", the apex selecting the ${action.apex}`;
    case "apply-target":
      return `apply "${names.target}" at revision ${action.release.revision}`;
    case "scale-target":
      return `scale "${names.target}" to ${action.replicas}`;
    case "scale-primary":
      return `scale "${names.primary}" to ${action.replicas}`;
    case "route":
      return `route ${action.routes.weight} % to the canary${action.routes.mirror ? ", and a copy of requests" : ""}`;
    case "capture":
      return `keep what the engine rendered for "${names.target}" in a Secret`;
    case "fence":
      return `fence "${names.target}" for rollout ${action.rollout}`;
    case "unfence":
      return action.gone.length === 0
        ? `take the fence of "${names.target}" off`
        : `take the fence of "${names.target}" off, and delete what left Git behind it`;
    case "submit":
      return `commit the decision "${action.decision.kind}": ${action.decision.reason}`;
    case "withdraw":
      return `take the decision ${action.decision} back`;
    case "lead-over":
      return action.to === "ours"
        ? `lead the routes over to "${names.primaryService}"`
        : `lead the routes back to "${names.apex}"`;
    case "remove-derived":
      return "remove what was derived";
    case "protect-live":
      return "make the live objects safe that an engine applies";
    case "floor-primary":
    case "refresh-engine":
    case "prune-copies":
    case "call-hooks":
    case "announce":
    case "wake":
      return null;
  }
}

/** Says each sentence of a canary once, until another one was said. */
export class Rehearsal {
  readonly #said = new Map<string, string>();

  /** Says what a turn would have done; of the actions only the wakes are really done. */
  say(
    key: string,
    state: State,
    next: {
      readonly actions: readonly Action[];
      readonly wake: (at: number) => void;
      readonly log: Telling["log"];
    },
  ): void {
    for (const action of next.actions) if (action.type === "wake") next.wake(action.at);
    const canary = state.run?.canary ?? state.canary;
    if (canary === null) return;
    const sentences = next.actions.flatMap((action) => sentenceOf(action, canary) ?? []);
    const all = sentences.join("\n");
    if (all === "" || this.#said.get(key) === all) return;
    this.#said.set(key, all);
    for (const would of sentences) next.log("info", "would", { canary: key, phase: state.phase, would });
  }
}
