/** One step told in a few words, for tables: the phase it leads to, what is done, what is said. */
import type { Action } from "../../src/core/action.ts";
import type { State } from "../../src/core/state.ts";
import { step } from "../../src/core/step.ts";
import { frozen } from "./builders.ts";
import { NOW, type Situation } from "./core_builders.ts";

export interface Stepped {
  readonly state: State;
  readonly actions: readonly Action[];
  /** "progressing/check", or "idle" where there is no rollout. */
  readonly place: string;
  /** Types of the actions but for wakes and announcements; "scale-target 2", "route 20", "submit revert". */
  readonly does: readonly string[];
  /** Kinds of the announcements. */
  readonly says: readonly string[];
  readonly wakes: readonly number[];
}

export function stepped(at: Situation, now = NOW): Stepped {
  const { state, actions } = step(frozen(at.state), frozen(at.seen), now);
  return {
    state,
    actions,
    place: state.run === null ? state.phase : `${state.phase}/${state.run.stage}`,
    does: actions.flatMap(words),
    says: actions.flatMap((action) => action.type === "announce" ? [action.announcement.kind] : []),
    wakes: actions.flatMap((action) => action.type === "wake" ? [action.at] : []),
  };
}

function words(action: Action): readonly string[] {
  switch (action.type) {
    case "wake":
    case "announce":
      return [];
    case "scale-target":
    case "scale-primary":
      return [`${action.type} ${action.replicas}`];
    case "route":
      return [`route ${action.routes.weight}${action.routes.mirror ? " mirror" : ""}`];
    case "submit":
      return [`submit ${action.decision.kind}`];
    case "apply-services":
      return [`apply-services ${action.apex}`];
    case "call-hooks":
      return [`call ${action.hooks} ${action.phase}`];
    default:
      return [action.type];
  }
}
