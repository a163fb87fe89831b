/** One turn for one canary: load, observe, step, save, perform. The clock is read once. */
import { type Action, isOnce } from "../core/action.ts";
import type { CanaryId } from "../core/canary.ts";
import { applyCommand, type Command, type CommandResult } from "../core/command.ts";
import { NO_ANSWERS, type Observation } from "../core/observation.ts";
import { questions } from "../core/questions.ts";
import { isSame } from "../core/same.ts";
import type { State } from "../core/state.ts";
import { step } from "../core/step.ts";
import type { Step } from "../core/turn.ts";
import type { Clock } from "../ports/clock.ts";
import type { StateStore } from "./store.ts";

/** Steps taken in one turn without saving between them, because nothing but "again, at once" was decided. */
const STEPS_A_TURN_MAX = 12;

export interface TurnParts {
  readonly clock: Clock;
  readonly store: StateStore;
  /** Reads only. */
  readonly observe: (state: State, asked: ReturnType<typeof questions>, signal: AbortSignal) => Promise<Observation>;
  readonly perform: (state: State, seen: Observation, actions: readonly Action[], signal: AbortSignal) => Promise<void>;
  /** Where nothing is written: told of what would be done, in place of doing it. */
  readonly rehearse: ((state: State, actions: readonly Action[]) => void) | null;
  /** Whether this replica may act: the Lease is held by the local monotonic clock. */
  readonly mayAct: () => boolean;
}

export async function reconcile(parts: TurnParts, id: CanaryId, signal: AbortSignal): Promise<void> {
  const now = parts.clock.now();
  const state = await parts.store.load(id, now);
  // Hooks may have effects, and what a replica that stands by hears comes to nothing.
  const asked = parts.mayAct() || parts.rehearse !== null ? questions(state, now) : [];
  const seen = await parts.observe(state, asked, signal);
  const next = settle(step(state, seen, now), seen, now);
  await act(parts, { next, seen }, signal);
}

/** Goes on stepping while nothing has to be asked, saved or done in between: a step costs one save, not five. */
function settle(first: Step, seen: Observation, now: number): Step {
  let result = first;
  const quiet: Observation = { ...seen, answers: NO_ANSWERS };
  for (let steps = 1; steps < STEPS_A_TURN_MAX && onlyAgain(result.actions, now); steps += 1) {
    if (questions(result.state, now).length > 0) break;
    const next = step(result.state, quiet, now);
    if (next.actions.length === result.actions.length && isSame(next.state, result.state)) {
      break;
    }
    result = next;
  }
  return result;
}

function onlyAgain(actions: readonly Action[], now: number): boolean {
  return actions.length > 0 && actions.every((action) => action.type === "wake" && action.at <= now);
}

/**
 * Saves, then acts. A replica that does not lead any more does neither. What is to be told is saved too, and what an
 * earlier turn owed is told along with it.
 */
async function act(
  parts: TurnParts,
  turn: { readonly next: Step; readonly seen: Observation },
  signal: AbortSignal,
): Promise<void> {
  const { state, actions } = turn.next;
  if (parts.rehearse !== null) {
    await parts.store.save(state, signal);
    return parts.rehearse(state, actions);
  }
  if (!parts.mayAct()) return;
  const owed = state.outbox.filter((action) => !actions.some((other) => isSameAction(action, other)));
  const saved = { ...state, outbox: [...owed, ...actions.filter(isOnce)] };
  await parts.store.save(saved, signal);
  if (!parts.mayAct()) return;
  // What is owed comes before what is told now, and after the writes that make it true.
  const first = actions.findIndex(isOnce);
  const [before, rest] = first < 0 ? [actions, []] : [actions.slice(0, first), actions.slice(first)];
  await parts.perform(saved, turn.seen, [...before, ...owed, ...rest], signal);
  await parts.store.save({ ...saved, outbox: [] }, signal);
}

function isSameAction(a: Action, b: Action): boolean {
  if (a.type === "announce") return b.type === "announce" && a.announcement.id === b.announcement.id;
  return a.type === "call-hooks" && b.type === "call-hooks" && a.hooks === b.hooks && a.phase === b.phase;
}

/** A person's command: decided, saved at once, then done. Runs in the canary's own turn, never beside one. */
export async function reconcileCommand(
  parts: TurnParts,
  id: CanaryId,
  command: Command,
  signal: AbortSignal,
): Promise<CommandResult> {
  const now = parts.clock.now();
  const state = await parts.store.load(id, now);
  const seen = await parts.observe(state, [], signal);
  const result = applyCommand(state, command, seen, now);
  if (result.type === "refused") return result;
  await act(parts, { next: { state: result.state, actions: result.actions }, seen }, signal);
  return result;
}
