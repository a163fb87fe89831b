/**
 * A rollout told turn by turn in the toy world: questions, observation, step, then the state saved as JSON and the
 * actions done, in that order, as the shell does it. Time goes on by the wakes that were asked for.
 */
import type { Action } from "../../src/core/action.ts";
import { applyCommand, type Command, type CommandResult } from "../../src/core/command.ts";
import type { Observation, Question } from "../../src/core/observation.ts";
import { questions } from "../../src/core/questions.ts";
import type { State } from "../../src/core/state.ts";
import { step } from "../../src/core/step.ts";
import { frozen } from "./builders.ts";
import { aState, NOW, SECOND } from "./core_builders.ts";
import { look, pass, perform, restingWorld, type ToyWorld } from "./toy_world.ts";

export interface Story {
  readonly state: State;
  readonly world: ToyWorld;
  readonly now: number;
  /** When the next turn is due. */
  readonly due: number;
}

/** One turn as it happened. */
export interface Turned {
  readonly before: State;
  readonly asked: readonly Question[];
  readonly seen: Observation;
  readonly after: State;
  readonly actions: readonly Action[];
  readonly now: number;
}

/** With nothing to wait for, Git is looked at this often. */
const POLL_MS = 30 * SECOND;

export function aStory(world: ToyWorld = restingWorld(), state: State = aState({ canary: world.git.canary })): Story {
  return { state: frozen(state), world: frozen(world), now: NOW, due: NOW };
}

/** What goes through the ConfigMap. */
export function saved(state: State): State {
  const text: unknown = JSON.parse(JSON.stringify(state));
  return frozen(text as State);
}

export interface TurnOptions {
  /** The process is killed after this many actions; none: it does all. */
  readonly killedAfter?: number;
}

/** Takes the turn that is due. */
export function turn(story: Story, options: TurnOptions = {}): { readonly story: Story; readonly turned: Turned } {
  const { state, due: now } = story;
  const asked = questions(state, now);
  const seen = frozen(look(story.world, state, asked));
  const next = frozen(step(state, seen, now));
  const after = saved(next.state);
  const done = next.actions.slice(0, options.killedAfter ?? next.actions.length);
  const world = frozen(pass(done.reduce(perform, story.world)));
  const turned: Turned = { before: state, asked, seen, after, actions: next.actions, now };
  return {
    story: { state: after, world, now, due: dueAfter(turned, done.length, { before: story.world, after: world }) },
    turned,
  };
}

/** A second later where something is under way, at once where the step wants that, else when the step asked to be woken, else with the next look at Git. */
function dueAfter(
  turned: Turned,
  done: number,
  worlds: { readonly before: ToyWorld; readonly after: ToyWorld },
): number {
  const { now, actions } = turned;
  const killed = done < actions.length;
  const moving = killed || JSON.stringify(worlds.after) !== JSON.stringify(worlds.before);
  const wakes = actions.flatMap((action) => action.type === "wake" ? [action.at] : []);
  const soonest = Math.min(now + POLL_MS, ...wakes);
  if (moving) return now + SECOND;
  return Math.max(now, soonest);
}

/** A person's command, in a turn of its own. */
export function command(
  story: Story,
  asked: Partial<Command> & Pick<Command, "type">,
): { readonly story: Story; readonly result: CommandResult } {
  const { state, world, now } = story;
  const full: Command = {
    by: "robin",
    reason: "",
    revision: state.run?.release.revision ?? null,
    gate: null,
    ...asked,
  };
  const result = frozen(applyCommand(state, full, frozen(look(world, state, [])), now));
  if (result.type === "refused") return { story, result };
  const next = frozen(result.actions.reduce(perform, world));
  return { story: { state: saved(result.state), world: next, now, due: now + SECOND }, result };
}

/** Turns until something is true, at most `turnsMax`. Throws when it never is. */
export function until(
  story: Story,
  reached: (story: Story) => boolean,
  turnsMax = 400,
): { readonly story: Story; readonly turns: readonly Turned[] } {
  const turns: Turned[] = [];
  let now = story;
  while (!reached(now)) {
    if (turns.length >= turnsMax) {
      const { phase, waitsFor, stalled } = now.state;
      throw new Error(`Not reached after ${turnsMax} turns: phase "${phase}", ${waitsFor ?? stalled ?? "no reason"}`);
    }
    const next = turn(now);
    turns.push(next.turned);
    now = next.story;
  }
  return { story: now, turns };
}
