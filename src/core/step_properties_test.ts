/**
 * What must hold for all inputs: states and observations that need not fit together, and stories in the toy world with
 * faults, gates and people. A failure prints its seed; what it found becomes a row or a scenario.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { frozen } from "../../test/support/builders.ts";
import { canaryWords, commands, events, observations, PHASES, states } from "../../test/support/arbitrary_core.ts";
import { NEW, NOW, OLD, versionName } from "../../test/support/core_builders.ts";
import { checkTold } from "../../test/support/core_invariants.ts";
import { onStage, run, type Stage } from "../../test/support/scenario.ts";
import { canaryFrom } from "../../test/support/scenario_canary.ts";
import { saved, turn } from "../../test/support/story.ts";
import type { Action } from "./action.ts";
import { applyCommand } from "./command.ts";
import { lockDigest } from "./decision.ts";
import { questions } from "./questions.ts";
import { inFlight, type Phase } from "./state.ts";
import { step } from "./step.ts";

const RUNS = { numRuns: 1_000 };
const STORIES = { numRuns: 100 };

Deno.test("step() is total: any state and any observation give a step, however they contradict each other", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      const next = step(frozen(state), frozen(seen), NOW);
      assert(PHASES.includes(next.state.phase));
      assert(next.state.waitsFor === null || next.state.waitsFor !== "");
    }),
    RUNS,
  );
});

Deno.test("questions() is total, and asks nothing of outside systems where no rollout is", () => {
  fc.assert(
    fc.property(states, (state) => {
      const asked = questions(frozen(state), NOW);
      if (state.run === null) assert.deepEqual(asked, []);
      if (state.suspended || state.paused !== null) {
        assert(asked.every(({ type }) => type === "compare"), "A frozen rollout asks no hook and no metric");
      }
    }),
    RUNS,
  );
});

Deno.test("questions() asks nothing twice in one turn", () => {
  fc.assert(
    fc.property(states, (state) => {
      const names = questions(state, NOW).map((asked) => asked.type === "hooks" ? asked.hooks : asked.type);
      assert.equal(new Set(names).size, names.length);
    }),
    RUNS,
  );
});

Deno.test("step() is deterministic, and its actions carry the same ids when it is repeated", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      assert.deepEqual(step(state, seen, NOW), step(state, seen, NOW));
    }),
    RUNS,
  );
});

Deno.test("step() gives the same from a state that went through JSON", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      const next = step(state, seen, NOW);
      assert.deepEqual(step(saved(state), seen, NOW), next);
      assert.deepEqual(saved(next.state), next.state);
    }),
    RUNS,
  );
});

Deno.test("step() keeps weights whole percent between 0 and 100", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      const next = step(state, seen, NOW);
      const routed = next.actions.flatMap((action) => action.type === "route" ? [action.routes.weight] : []);
      for (const weight of [next.state.run?.weight ?? 0, ...routed]) {
        assert(Number.isInteger(weight) && weight >= 0 && weight <= 100, String(weight));
      }
    }),
    RUNS,
  );
});

Deno.test("step() wakes at a time that can be kept, and scales to whole pods", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      for (const action of step(state, seen, NOW).actions) {
        if (action.type === "wake") assert(Number.isFinite(action.at), String(action.at));
        if (action.type !== "scale-target" && action.type !== "scale-primary") continue;
        assert(Number.isInteger(action.replicas) && action.replicas >= 0, String(action.replicas));
      }
    }),
    RUNS,
  );
});

Deno.test("step() applies no lock that the state calls withdrawn, unless it is the one users are on", () => {
  fc.assert(
    fc.property(states, observations, (state, seen) => {
      const next = step(state, seen, NOW);
      for (const action of next.actions) {
        if (action.type !== "apply-primary") continue;
        const digest = lockDigest(action.lock);
        const known = [state.lock, state.run?.previous ?? null, next.state.lock];
        assert(known.some((lock) => lock !== null && lockDigest(lock) === digest));
      }
    }),
    RUNS,
  );
});

Deno.test("applyCommand() is total, deterministic, and says why it refuses", () => {
  fc.assert(
    fc.property(states, observations, commands, (state, seen, command) => {
      const result = applyCommand(frozen(state), frozen(command), frozen(seen), NOW);
      assert.deepEqual(applyCommand(state, command, seen, NOW), result);
      if (result.type === "refused") return assert.notEqual(result.reason, "");
      assert.deepEqual(saved(result.state), result.state);
      checkTold(state, result.state, result.actions);
    }),
    RUNS,
  );
});

/** Phases in which a rollback can be asked for. */
const UNFINISHED: readonly Phase[] = [
  "waiting",
  "starting",
  "progressing",
  "waiting-promotion",
  "pushing",
  "promoting",
  "finalising",
];

function storyOf(lines: readonly string[], stage: Stage): Stage {
  return lines.reduce(run, run(stage, "candidate 2.0.0"));
}

const stories = fc.record({
  canary: canaryWords,
  engine: fc.constantFrom("self" as const, "flux" as const),
  /** How far it comes undisturbed. */
  before: fc.constantFrom("tick", "tick 12", "tick 20", "wait 2m", "wait 4m", "wait 6m"),
  events: fc.array(events, { maxLength: 40 }),
}).map(({ before, events, ...story }) => ({ ...story, events: [before, ...events] }));

Deno.test("a story holds the invariants in every turn, whatever breaks, dies, or is asked for", () => {
  fc.assert(
    fc.property(stories, ({ canary, engine, events }) => {
      storyOf(events, onStage(canaryFrom(canary), { engine }));
    }),
    STORIES,
  );
});

/** All is well again: whoever was refused, stuck or silent goes on. */
const HEALED = [
  "git up",
  "metrics pass",
  "primary free",
  "pods free",
  "route accepted",
  ...["confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"].map((hook) =>
    `hook ${hook} open`
  ),
  "hook rollback closed",
  "resume by robin",
];

Deno.test("a story comes to rest once the world is well again, and then asks for nothing", () => {
  fc.assert(
    fc.property(stories, ({ canary, engine, events }) => {
      const healed = HEALED.reduce(run, storyOf(events, onStage(canaryFrom(canary), { engine })));
      const rested = run(healed, "wait 2h");
      const { phase, waitsFor } = rested.story.state;
      assert.equal(phase, "idle", `It does not end: ${waitsFor}`);
      const { turned } = turn(rested.story);
      const doing = turned.actions.filter(({ type }) => type !== "wake");
      assert.deepEqual(doing, [], "A settled state asks for something");
      assert.deepEqual(turned.asked, [], "A settled state asks outside systems");
      assert.deepEqual(turned.after, turned.before, "A settled state changes");
      assert.equal(rested.story.world.cluster.routes.weight, 0);
      assert.equal(rested.story.world.cluster.target.replicas, 0);
      assert.equal(rested.story.world.cluster.fence, "none");
    }),
    STORIES,
  );
});

const analysed = canaryWords.filter((words) => !words.includes("skip-analysis"));

function isBack(actions: readonly Action[]): boolean {
  return actions.some((action) => action.type === "route" && action.routes.weight === 0 && !action.routes.mirror);
}

Deno.test("a rollback asked for in any unfinished phase is honoured at the next step", () => {
  const reached = new Set<Phase>();
  fc.assert(
    fc.property(stories, ({ canary, engine, events }) => {
      const stage = storyOf(events, onStage(canaryFrom(canary), { engine }));
      const { state } = stage.story;
      if (!UNFINISHED.includes(state.phase)) return;
      reached.add(state.phase);
      const asked = run(stage, "rollback by robin");
      const { turned } = turn(asked.story);
      const { seen, after, actions } = turned;
      assert(["rolling-back", "restoring", "reverting"].includes(after.phase), `It goes on in ${after.phase}`);
      const { routes, primary } = seen.cluster;
      if (asked.story.state.phase === "restoring") {
        const previous = asked.story.state.lock;
        const applied = actions.some((action) =>
          action.type === "apply-primary" && previous !== null && lockDigest(action.lock) === lockDigest(previous)
        );
        assert(applied || primary.revision === previous?.release.revision, "The previous release is not applied");
        return;
      }
      const on = canaryFrom(canary).traits.weights && (routes.weight > 0 || routes.mirror);
      const stranded = primary.exists && primary.available === 0;
      assert(!on || stranded || isBack(actions), "Traffic does not go back at once");
    }),
    { numRuns: 300 },
  );
  for (const phase of ["starting", "progressing", "pushing", "promoting"] as const) {
    assert(reached.has(phase), `The stories never came to "${phase}"`);
  }
});

Deno.test("with passed checks and open gates a rollout ends, and users are on it", () => {
  fc.assert(
    fc.property(canaryWords, fc.constantFrom("self" as const, "flux" as const), (canary, engine) => {
      const stage = storyOf(["until idle"], onStage(canaryFrom(canary), { engine }));
      const { state, world } = stage.story;
      assert.match(state.last?.outcome ?? "", /^(succeeded|skipped)$/);
      assert.equal(state.lock?.release.revision, NEW.revision);
      assert.equal(world.cluster.primary.revision, NEW.revision);
      assert.equal(world.git.lock.type === "read" && versionName(world.git.lock.value.release), "2.0.0");
    }),
    STORIES,
  );
});

Deno.test("with failed checks a rollout ends, users stay on the lock, and Git goes back to it", () => {
  fc.assert(
    fc.property(analysed, (canary) => {
      const stage = storyOf(["metrics fail", "until idle"], onStage(canaryFrom(canary)));
      const { state, world } = stage.story;
      assert.equal(state.last?.outcome, "failed");
      assert.equal(world.cluster.primary.revision, OLD.revision);
      assert.equal(world.git.candidate?.revision, OLD.revision);
      assert.equal(world.git.status.type === "read" && world.git.status.value.quarantine[0]?.revision, NEW.revision);
    }),
    STORIES,
  );
});

Deno.test("with the metrics server down a rollout is held, and nothing is written to Git", () => {
  fc.assert(
    fc.property(
      analysed.filter((words) => !words.includes("on-inconclusive=hold")),
      (canary) => {
        const before = onStage(canaryFrom(canary)).story.world.git.commit;
        const stage = storyOf(["metrics down"], onStage(canaryFrom(canary)));
        const { commit } = stage.story.world.git;
        const { state, world } = run(stage, "until idle").story;
        assert.equal(state.last?.outcome, "held");
        assert.notEqual(commit, before);
        assert.equal(world.git.commit, commit);
      },
    ),
    STORIES,
  );
});

Deno.test("inFlight() names exactly the phases whose routes are not everybody's to repair to 0", () => {
  assert.deepEqual(PHASES.filter(inFlight), [
    "starting",
    "progressing",
    "waiting-promotion",
    "pushing",
    "promoting",
    "finalising",
    "rolling-back",
    "restoring",
  ]);
});
