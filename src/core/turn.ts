/** One turn's surroundings, and the few moves from which every phase is made. */
import type { Action, Announcement, AnnouncementKind } from "./action.ts";
import type { Canary, Severity } from "./canary.ts";
import { canaryKey } from "./canary.ts";
import { digestText } from "./digest.ts";
import type { Observation } from "./observation.ts";
import type { Phase, Run, Stage, State } from "./state.ts";

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

export interface Turn {
  readonly canary: Canary;
  readonly state: State;
  readonly seen: Observation;
  readonly now: number;
}

/** A turn of a phase that has a rollout. */
export interface RunTurn extends Turn {
  readonly run: Run;
}

/** Stays in the phase; the state may have changed, actions may be due. */
export function stay(turn: Turn, patch: Partial<State> = {}, actions: readonly Action[] = []): Step {
  return { state: { ...turn.state, ...patch }, actions };
}

/** Enters a phase and asks for another turn at once. */
export function enter(turn: Turn, phase: Phase, patch: Partial<State> = {}, actions: readonly Action[] = []): Step {
  const state = { ...turn.state, ...patch, phase, phaseSince: turn.now, waitsFor: null };
  return { state, actions: [...actions, { type: "wake", at: turn.now }] };
}

/** Stays in the phase with a changed run. */
export function keep(
  turn: RunTurn,
  patch: Partial<Run>,
  actions: readonly Action[] = [],
  rest: Partial<State> = {},
): Step {
  return stay(turn, { ...rest, run: { ...turn.run, ...patch } }, actions);
}

/** Goes to another stage of the same phase and asks for another turn at once. */
export function advance(turn: RunTurn, stage: Stage, patch: Partial<Run> = {}, actions: readonly Action[] = []): Step {
  const run = { ...turn.run, ...patch, stage, stageSince: turn.now };
  return stay(turn, { run, waitsFor: null }, [...actions, { type: "wake", at: turn.now }]);
}

/** Waits, and says what for. */
export function waitFor(turn: Turn, what: string, actions: readonly Action[] = [], patch: Partial<State> = {}): Step {
  return stay(turn, { ...patch, waitsFor: what }, actions);
}

export interface Telling {
  readonly severity?: Severity;
  readonly alert?: boolean;
  readonly details?: Readonly<Record<string, string | number>>;
  /** Tells several of one kind in one phase apart. */
  readonly part?: string;
}

export function announce(turn: Turn, kind: AnnouncementKind, message: string, telling: Telling = {}): Action {
  const { state } = turn;
  const scope = state.run?.id ?? state.lock?.release.revision ?? "start";
  const part = telling.part === undefined ? "" : `/${telling.part}`;
  const announcement: Announcement = {
    // What is said is part of its name: two things of one kind in one phase are two.
    id: `${canaryKey(state.id)}/${scope}/${state.phase}/${state.phaseSince}/${kind}${part}/${digestText(message, 6)}`,
    kind,
    severity: telling.severity ?? "info",
    message,
    alert: telling.alert ?? false,
    revision: state.run?.release.revision ?? state.lock?.release.revision ?? "",
    weight: state.run?.weight ?? 0,
    details: telling.details ?? {},
  };
  return { type: "announce", announcement };
}

const TOLD_MAX = 20;

/** What was told, with one key more; the latest 20 are remembered. */
export function alsoTold({ told }: State, key: string): readonly string[] {
  return [...told, key].slice(-TOLD_MAX);
}

/** Announces something that lasts, once: the key is remembered until `forget`. At most 20 are remembered. */
export function once(
  turn: Turn,
  key: string,
  action: Action,
): { readonly told: readonly string[]; readonly actions: readonly Action[] } {
  const { told } = turn.state;
  if (told.includes(key)) return { told, actions: [] };
  return { told: alsoTold(turn.state, key), actions: [action] };
}

/** What was told once may be told again. */
export function forget(state: State, kind: AnnouncementKind, what: string): readonly string[] {
  return state.told.filter((key) => key !== `${kind}:${what}`);
}

/** A wait that is told once under its own words, until it is forgotten. */
export function waitAndTell(
  turn: Turn,
  kind: AnnouncementKind,
  what: string,
  telling: Telling & { readonly actions?: readonly Action[] } = {},
): Step {
  const { told, actions } = once(turn, `${kind}:${what}`, announce(turn, kind, what, telling));
  return waitFor(turn, what, [...(telling.actions ?? []), ...actions], { told });
}

export function wakeAt(at: number): Action {
  return { type: "wake", at };
}
