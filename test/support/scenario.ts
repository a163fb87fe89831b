/**
 * Rollouts told as text: blocks of commands, "----", and what each turn then did. Commands set the scene, change the
 * world, speak for people, or let time pass; see `COMMANDS`. Every turn is checked against the invariants as well.
 */
import type { Action } from "../../src/core/action.ts";
import type { Canary, WebhookType } from "../../src/core/canary.ts";
import type { Command } from "../../src/core/command.ts";
import type { Gate, Lock } from "../../src/core/decision.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { Release } from "../../src/core/release.ts";
import type { State } from "../../src/core/state.ts";
import type { SeriesAnswer } from "../../src/core/observation.ts";
import { NO_WORKLOAD } from "../../src/core/workload.ts";
import { newState } from "../../src/core/state.ts";
import {
  aCheck,
  aLock,
  aWorkload,
  closed,
  MINUTE,
  NOW,
  OPEN,
  SECOND,
  unknown,
  versionName,
  versionOf,
} from "./core_builders.ts";
import { announcements, checkTold, checkTurn, type Memory, NO_MEMORY } from "./core_invariants.ts";
import { canaryFrom } from "./scenario_canary.ts";
import { aStory, command, type Story, turn, type Turned } from "./story.ts";
import {
  declare,
  fetched,
  freshWorld,
  inMood,
  meddle,
  restingWorld,
  type ToyWorld,
  type WorldOptions,
} from "./toy_world.ts";

export interface Block {
  readonly comment: readonly string[];
  readonly commands: readonly string[];
  readonly output: readonly string[];
}

/** Blocks are parted by empty lines; lines that begin with "#" are comments. */
export function parseScenario(text: string): readonly Block[] {
  return text.split(/\n{2,}/).map((part) => part.split("\n").filter((line) => line.trim() !== "")).flatMap((lines) => {
    if (lines.length === 0) return [];
    const cut = lines.indexOf("----");
    const head = cut < 0 ? lines : lines.slice(0, cut);
    return [{
      comment: head.filter((line) => line.startsWith("#")),
      commands: head.filter((line) => !line.startsWith("#")),
      output: cut < 0 ? [] : lines.slice(cut + 1),
    }];
  });
}

export function formatScenario(blocks: readonly Block[]): string {
  return blocks.map(({ comment, commands, output }) => {
    const head = [...comment, ...commands].join("\n");
    return commands.length === 0 ? head : `${head}\n----${output.map((line) => `\n${line}`).join("")}`;
  }).join("\n\n") + "\n";
}

/** Plays a scenario: the same blocks with the output that is true now. */
export function play(blocks: readonly Block[]): readonly Block[] {
  let stage = onStage(canaryFrom([]));
  return blocks.map((block) => {
    for (const line of block.commands) stage = run({ ...stage }, line);
    const output = stage.lines;
    stage = { ...stage, lines: [] };
    return { ...block, output };
  });
}

/** A story under way, with what its turns have said so far. */
export interface Stage {
  readonly story: Story;
  readonly memory: Memory;
  readonly canary: Canary;
  readonly lines: readonly string[];
}

/** At rest on release 1.0.0, before anything happens. */
export function onStage(canary: Canary, options: WorldOptions = {}): Stage {
  return { story: aStory(restingWorld({ ...options, canary })), memory: NO_MEMORY, canary, lines: [] };
}

const TURNS_MAX = 400;

type Words = readonly string[];

/** Does one command. Throws where a turn breaks an invariant. */
export function run(stage: Stage, line: string): Stage {
  const [name = "", ...words] = line.trim().split(/\s+/);
  const does = COMMANDS[name];
  if (does === undefined) throw new Error(`Unknown command "${line}": known are ${Object.keys(COMMANDS).join(", ")}`);
  return does(stage, words);
}

const COMMANDS: Readonly<Record<string, (stage: Stage, words: Words) => Stage>> = {
  canary: (stage, words) => ({ ...stage, canary: canaryFrom(words) }),
  world: (stage, words) => setUp(stage, words),
  // Git
  candidate: (stage, [version = ""]) =>
    changed(stage, (world) => declare(world, { candidate: pushed(world, version) })),
  spec: (stage, words) => {
    const canary = canaryFrom(words);
    return changed({ ...stage, canary }, (world) => declare(world, { canary }));
  },
  removed: (stage) => changed(stage, (world) => declare(world, { presence: "removed", canary: null, candidate: null })),
  broken: (stage) =>
    changed(
      stage,
      (world) =>
        declare(world, { presence: "broken", canary: null, candidate: null, complaint: "canary.yaml:3: not YAML" }),
    ),
  declared: (stage, [version = ""]) =>
    changed(stage, (world) =>
      declare(meddle(world, { targetUndeclared: false }), {
        presence: "declared",
        canary: stage.canary,
        candidate: versionOf(version),
        complaint: null,
      })),
  git: (stage, [mood = ""]) => {
    const git = oneOf(mood, ["up", "down", "refuses", "impossible", "in-doubt"] as const);
    return changed(stage, (world) => inMood(world, { git }));
  },
  manifests: (stage, [how = ""]) =>
    changed(stage, (world) => inMood(world, { manifestsShared: oneOf(how, ["shared", "own"] as const) === "shared" })),
  lock: (stage, [what = "", version = ""]) =>
    changed(stage, (world) => withLock(world, stage.story.state, what, version)),
  // The cluster
  metrics: (stage, words) => changed(stage, (world) => inMood(world, { checks: checksOf(words) })),
  series: (stage, [how = ""]) => changed(stage, (world) => inMood(world, { series: seriesOf(how) })),
  gate: (stage, [type = "", answer = ""]) => hookSays(stage, type, answer),
  hook: (stage, [type = "", answer = ""]) => hookSays(stage, type, answer),
  primary: (stage, [how = "", version = ""]) => changed(stage, (world) => withPrimary(world, how, version)),
  pods: (stage, [how = "", version = ""]) => {
    const stuck = oneOf(how, ["stuck", "free"] as const) === "stuck" ? [versionOf(version).revision] : [];
    return changed(stage, (world) => inMood(world, { canaryStuck: stuck }));
  },
  target: (stage, [how = "", version = ""]) => changed(stage, (world) => withTarget(world, how, version)),
  difference: (stage, words) =>
    changed(stage, (world) => inMood(world, { difference: words[0] === "none" ? null : words.join(" ") })),
  route: (stage, [how = ""]) => {
    const { routes } = stage.story.world.cluster;
    const next = oneOf(how, ["drifted", "refused", "accepted"] as const);
    if (next === "drifted") return changed(stage, (world) => meddle(world, { routes: { ...routes, drifted: true } }));
    return changed(
      stage,
      (world) => inMood(world, { routesRefused: next === "accepted" ? null : "Gateway is missing" }),
    );
  },
  // People
  approve: (stage, words) => asked(stage, "approve", words),
  reject: (stage, words) => asked(stage, "reject", words),
  pause: (stage, words) => asked(stage, "pause", words),
  resume: (stage, words) => asked(stage, "resume", words),
  retry: (stage, words) => asked(stage, "retry", words),
  rollback: (stage, words) => asked(stage, "rollback", words),
  adopt: (stage, words) => asked(stage, "adopt", words),
  // Time
  tick: (stage, [times = "1"]) => turns(stage, Number(times), () => false),
  wait: (stage, [length = ""]) => {
    const end = stage.story.now + duration(length);
    return turns(stage, TURNS_MAX, (story) => story.due > end);
  },
  until: (stage, [phase = "", weight]) =>
    turns(
      stage,
      TURNS_MAX,
      ({ state }) => state.phase === phase && (weight === undefined || state.run?.weight === Number(weight)),
      phase,
    ),
  // The process dies after so many actions of the turn that is due; the next turn is another process's.
  kill: (stage, [done = "0"]) => oneTurn(stage, { killedAfter: Number(done) }),
};

/** Each push is a commit of its own, also of a version that was there before. */
function pushed(world: ToyWorld, version: string): Release {
  return { ...versionOf(version), commit: digestOf([world.git.commit, version], 40) };
}

function oneOf<T extends string>(word: string, known: readonly T[]): T {
  const found = known.find((one) => one === word);
  if (found === undefined) throw new Error(`"${word}" is none of ${known.join(", ")}`);
  return found;
}

function duration(text: string): number {
  const [, count, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  if (count === undefined) throw new Error(`"${text}" is no duration`);
  return Number(count) * (unit === "s" ? SECOND : unit === "m" ? MINUTE : 60 * MINUTE);
}

function changed(stage: Stage, change: (world: ToyWorld) => ToyWorld): Stage {
  const { story } = stage;
  const due = Math.min(story.due, story.now + SECOND);
  return { ...stage, story: { ...story, world: fetched(change(story.world)), due } };
}

function setUp(stage: Stage, [kind = "", ...words]: Words): Stage {
  const options: WorldOptions = {
    canary: stage.canary,
    engine: words.includes("flux") ? "flux" : "self",
  };
  const fresh = () => newState(stage.canary.id, NOW);
  const story = (): Story => {
    switch (oneOf(kind, ["resting", "serving", "empty", "rebuilt"] as const)) {
      case "resting":
        return aStory(restingWorld(options));
      case "serving":
        return aStory(freshWorld({ ...options, targetExists: true }), fresh());
      case "empty":
        return aStory(freshWorld({ ...options, targetExists: false }), fresh());
      case "rebuilt": {
        const world = freshWorld({ ...options, targetExists: false });
        const { git } = restingWorld(options);
        const lock = aLock(undefined, { cluster: { name: "east", uid: "uid-of-before" } });
        const kept = { ...git, lock: { type: "read" as const, value: lock } };
        return aStory({ ...world, git: kept, fetched: kept }, fresh());
      }
    }
  };
  return { ...stage, story: story(), memory: NO_MEMORY };
}

function checksOf([outcome = "", ...words]: Words): ToyWorld["mood"]["checks"] {
  switch (oneOf(outcome, ["pass", "fail", "critical", "none", "down"] as const)) {
    case "pass":
      return [aCheck()];
    case "fail": {
      const [name = "success-rate", value = "90"] = words;
      return [aCheck("failed", { name, value: Number(value), message: `${name} ${value} is out of range` })];
    }
    case "critical":
      return [aCheck("failed", { critical: true })];
    case "none":
      return [aCheck("inconclusive", { noData: true })];
    case "down":
      return [aCheck("inconclusive", { message: "Prometheus does not answer" })];
  }
}

const HOOKS: readonly WebhookType[] = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "rollback",
];

function hookSays(stage: Stage, type: string, answer: string): Stage {
  const hook = oneOf(type, HOOKS);
  const says = { open: OPEN, closed: closed(hook), silent: unknown(hook) }[
    oneOf(answer, ["open", "closed", "silent"] as const)
  ];
  return changed(stage, (world) => inMood(world, { hooks: { ...world.mood.hooks, [hook]: says } }));
}

function seriesOf(how: string): SeriesAnswer {
  const type = oneOf(how, ["there", "missing", "unknown"] as const);
  return type === "there" ? { type } : { type, metric: "success-rate", reason: `${type} to the metrics server.` };
}

function withLock(world: ToyWorld, state: State, what: string, version: string): ToyWorld {
  const read = (value: Lock) => ({ type: "read" as const, value });
  switch (oneOf(what, ["deleted", "reverted", "edited", "broken"] as const)) {
    case "deleted":
      return declare(world, { lock: { type: "absent" } });
    case "broken":
      return declare(world, { lock: { type: "broken", reason: "primary.yaml:7: not a lock" } });
    case "edited":
      return declare(world, { lock: read(aLock(versionOf(version))) });
    case "reverted": {
      const earlier = state.previousLock;
      if (earlier === null) throw new Error("No earlier lock is known");
      return declare(world, { lock: read(earlier), candidate: earlier.release });
    }
  }
}

function withPrimary(world: ToyWorld, how: string, version: string): ToyWorld {
  const { primary } = world.cluster;
  switch (oneOf(how, ["stuck", "free", "down", "drifted", "deleted"] as const)) {
    case "stuck":
      return inMood(world, { primaryStuck: [versionOf(version).revision] });
    case "free":
      return inMood(world, { primaryStuck: [] });
    case "down":
      return meddle(inMood(world, { primaryStuck: [primary.revision ?? ""] }), {
        primary: { ...primary, ready: 0, available: 0 },
      });
    case "drifted":
      return meddle(world, { primaryDrifted: true });
    case "deleted":
      return meddle(world, { primary: NO_WORKLOAD });
  }
}

function withTarget(world: ToyWorld, how: string, version: string): ToyWorld {
  const { target } = world.cluster;
  switch (oneOf(how, ["edited", "deleted", "down", "unfenced", "removed"] as const)) {
    case "edited": {
      const release = versionOf(version);
      return { ...meddle(world, { target: aWorkload(release, target.replicas) }), live: release };
    }
    case "deleted":
      return { ...meddle(world, { target: NO_WORKLOAD, targetRevision: null }), live: null };
    case "removed":
      // From Git, and the engine has applied that.
      return {
        ...meddle(world, { target: NO_WORKLOAD, targetRevision: null, targetUndeclared: true }),
        live: null,
      };
    case "unfenced":
      return meddle(world, { fence: "none", fenceRun: null });
    case "down":
      return meddle(world, { target: { ...target, ready: 0, available: 0 } });
  }
}

/** `approve confirm-promotion by robin of 2.0.0`: gate, name and revision may each be left out. */
function asked(stage: Stage, type: Command["type"], words: Words): Stage {
  const after = (word: string) => words.includes(word) ? words[words.indexOf(word) + 1] : undefined;
  const gates: readonly Gate[] = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];
  const version = after("of");
  const { story, result } = command(stage.story, {
    type,
    by: after("by") ?? "robin",
    gate: gates.find((gate) => words.includes(gate)) ?? null,
    ...(version === undefined ? {} : { revision: versionOf(version).revision }),
  });
  if (result.type === "refused") return { ...stage, lines: [...stage.lines, `refused: ${named(result.reason)}`] };
  checkTold(stage.story.state, story.state, result.actions);
  const said = announcements(result.actions).map(announced);
  const lines = [
    `done: ${named(result.message)}`,
    ...(actionsText(result.actions) === "" ? [] : [`      ${actionsText(result.actions)}`]),
    ...said,
  ];
  return { ...stage, story, lines: [...stage.lines, ...lines] };
}

function turns(stage: Stage, count: number, reached: (story: Story) => boolean, goal?: string): Stage {
  let next = stage;
  for (let taken = 0; taken < count; taken += 1) {
    if (taken > 0 && reached(next.story)) return next;
    next = oneTurn(next, {});
  }
  if (goal !== undefined && !reached(next.story)) {
    throw new Error(`"${goal}" is not reached: ${next.lines.slice(-5).join("\n")}`);
  }
  return next;
}

function oneTurn(stage: Stage, options: { readonly killedAfter?: number }): Stage {
  const { story, turned } = turn(stage.story, options);
  const memory = checkTurn(stage.memory, turned);
  const killed = options.killedAfter === undefined ? [] : [`      killed after ${options.killedAfter} actions`];
  return { ...stage, story, memory, lines: [...stage.lines, ...told(turned), ...killed] };
}

/** One line a turn that did or said something, one more for each announcement. */
function told(turned: Turned): readonly string[] {
  const { before, after, actions } = turned;
  const done = actionsText(actions);
  const hooks = turned.asked.flatMap((question) => question.type === "hooks" ? [question.hooks] : []);
  const waits = after.waitsFor !== before.waitsFor && after.waitsFor !== null ? ` (${named(after.waitsFor)})` : "";
  const stalled = after.stalled !== before.stalled && after.stalled !== null ? ` [stalled]` : "";
  const parts = [
    ...(hooks.length === 0 ? [] : [`asks ${hooks.join(", ")}`]),
    ...(done === "" ? [] : [done]),
  ];
  const where = `${place(before)}${place(after) === place(before) ? "" : ` -> ${place(after)}`}`;
  const quiet = parts.length === 0 && place(after) === place(before) && waits === "" && stalled === "";
  const said = announcements(actions).map(announced);
  if (quiet && said.length === 0) return [];
  const text = parts.length === 0 ? "" : `: ${parts.join("; ")}`;
  return [`${clock(turned.now)} ${where}${text}${waits}${stalled}`, ...said];
}

function place(state: State): string {
  const { run, phase, last } = state;
  if (phase === "idle") return `idle, ${last?.outcome ?? "at rest"}`;
  if (run === null) return phase;
  const failed = run.failedChecks === 0 ? "" : `, ${run.failedChecks} failed`;
  const mirror = run.mirror ? " mirror" : "";
  const stages = phase === "starting" || phase === "progressing" || phase === "waiting-promotion" ||
    phase === "initialising";
  return `${phase}${stages ? `/${run.stage}` : ""} ${run.weight}%${mirror}${failed}`;
}

function announced({ kind, severity, alert, message }: ReturnType<typeof announcements>[number]): string {
  return `      ! ${kind} (${severity}${alert ? ", alert" : ""}): ${named(message)}`;
}

function clock(now: number): string {
  const seconds = Math.floor((now - NOW) / SECOND);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const VERSIONS = ["1.0.0", "2.0.0", "3.0.0", "4.0.0"].map(versionOf);

/** Revisions and commits by the versions they stand for, so that a story can be read. */
function named(text: string): string {
  const revisions = VERSIONS.reduce(
    (next, release) =>
      next.replaceAll(release.revision, `<${versionName(release)}>`)
        .replaceAll(release.commit.slice(0, 10), `<commit ${versionName(release)}>`),
    text,
  );
  return revisions.replaceAll(/\b[0-9a-f]{10}\b/g, "<commit>");
}

function actionsText(actions: readonly Action[]): string {
  return actions.flatMap(actionText).join(", ");
}

function actionText(action: Action): readonly string[] {
  switch (action.type) {
    case "apply-primary":
      return [`apply primary ${versionName(action.lock.release)}`];
    case "apply-services":
      return [`services to ${action.apex}`];
    case "apply-target":
      return [`apply target ${versionName(action.release)}`];
    case "scale-target":
      return [`scale target to ${action.replicas}`];
    case "scale-primary":
      return [`scale primary to ${action.replicas}`];
    case "floor-primary":
      return [action.floor === null ? "lift floor" : `floor ${action.floor}`];
    case "route": {
      const { weight, mirror, cookies } = action.routes;
      const cookie = cookies.canary === null ? "" : " with cookie";
      const expired = cookies.previous === null ? "" : " expiring a cookie";
      return [`route ${weight}%${mirror ? " mirror" : ""}${cookie}${expired}`];
    }
    case "submit": {
      const { kind, manifests, quarantine, lock } = action.decision;
      const back = manifests === null ? "" : `, manifests to ${versionName(manifests)}`;
      const bad = quarantine === null ? "" : `, quarantine ${versionName(quarantine.release)}`;
      return [`submit ${kind} (lock ${versionName(lock.release)}${back}${bad})`];
    }
    case "withdraw":
      return ["withdraw"];
    case "call-hooks":
      return [`call ${action.hooks} (${action.phase})`];
    case "lead-over":
      return [`lead routes to ${action.to}`];
    case "remove-derived":
      return [action.restoreRoutes ? "remove derived, routes restored" : "remove derived"];
    case "announce":
    case "wake":
      return [];
    default:
      return [action.type];
  }
}
