/**
 * A world in which every action works at once: pods get ready, routes are taken, decisions are committed, unless the
 * mood says otherwise. Pure values in, pure values out, so that a rollout can be told as a story without any I/O. It
 * knows only what an observation can say; real objects, conflicts and crashes of the shell are the simulation's.
 */
import type { Action } from "../../src/core/action.ts";
import type { Canary, WebhookType } from "../../src/core/canary.ts";
import { type Decision, type DecisionOutcome, lockDigest, removesLock } from "../../src/core/decision.ts";
import { digestOf } from "../../src/core/digest.ts";
import {
  type Answers,
  type CheckResult,
  type ClusterFacts,
  type GitFacts,
  type HooksAnswer,
  NO_ANSWERS,
  type Observation,
  type Question,
  type SeriesAnswer,
} from "../../src/core/observation.ts";
import type { Release } from "../../src/core/release.ts";
import type { State } from "../../src/core/state.ts";
import { NO_WORKLOAD, type WorkloadView } from "../../src/core/workload.ts";
import { nextStatus } from "../../src/ledger/next_status.ts";
import {
  aCheck,
  aComparison,
  anObservation,
  aWorkload,
  closed,
  CLUSTER,
  OLD,
  OPEN,
  templateOf,
} from "./core_builders.ts";

export interface Mood {
  /** Turns until pods are ready after a change of theirs; 0: at once. */
  readonly podsTake: number;
  /** Turns until a route is accepted; 0: at once. */
  readonly routesTake: number;
  /** Why the data plane takes no route that is written; null: it takes them. */
  readonly routesRefused: string | null;
  /** Revisions whose pods never get ready, by workload. */
  readonly primaryStuck: readonly string[];
  readonly canaryStuck: readonly string[];
  /**
   * "down": neither fetch nor push; "refuses": fetches work, pushes do not; "impossible": no plan fits the tip;
   * "in-doubt": a push got no answer, and landed all the same.
   */
  readonly git: "up" | "down" | "refuses" | "impossible" | "in-doubt";
  readonly checks: readonly CheckResult[];
  readonly series: SeriesAnswer;
  /** Open where nothing is said, but for the hook that asks for a rollback. */
  readonly hooks: Partial<Readonly<Record<WebhookType, HooksAnswer>>>;
  /** What the dry run finds beside a difference of revisions; null: nothing. */
  readonly difference: string | null;
  /** The user's manifests cannot be edited, so a revert only writes the status file. */
  readonly manifestsShared: boolean;
}

const GOOD_MOOD: Mood = {
  podsTake: 1,
  routesTake: 1,
  routesRefused: null,
  primaryStuck: [],
  canaryStuck: [],
  git: "up",
  checks: [aCheck()],
  series: { type: "there" },
  hooks: { rollback: closed("rollback") },
  difference: null,
  manifestsShared: false,
};

export interface ToyWorld {
  /** What is true in Git, and what of it was fetched last. */
  readonly git: GitFacts;
  readonly fetched: GitFacts;
  readonly cluster: ClusterFacts;
  /** What the target's template was last applied from; null: there is no target. */
  readonly live: Release | null;
  readonly write: { readonly decision: Decision; readonly outcome: Outcome } | null;
  /** A decision that was taken back though it never came to the ledger: the process died before it submitted it. */
  readonly takenBack: string | null;
  readonly podsLeft: { readonly target: number; readonly primary: number };
  readonly routesLeft: number;
  /** Steps by which routes were led back to the apex, of three. */
  readonly ledBack?: number;
  readonly mood: Mood;
}

type Outcome = DecisionOutcome | { readonly type: "withdrawn" };

export interface WorldOptions {
  readonly canary?: Canary;
  readonly engine?: "self" | "flux";
  readonly mood?: Partial<Mood>;
}

/** At rest on release 1.0.0, with its lock in Git. */
export function restingWorld(options: WorldOptions = {}): ToyWorld {
  const { git, cluster } = anObservation(options.canary === undefined ? {} : { git: { canary: options.canary } });
  const byEngine = options.engine === "flux";
  const facts = { ...cluster, engineApplies: !byEngine, fenceNeeded: byEngine };
  return {
    git,
    fetched: git,
    cluster: facts,
    live: OLD,
    write: null,
    takenBack: null,
    podsLeft: { target: 0, primary: 0 },
    routesLeft: 0,
    mood: { ...GOOD_MOOD, ...options.mood },
  };
}

/** Nothing of the agent's is there yet; the target serves 1.0.0 with four pods, or does not exist. */
export function freshWorld(options: WorldOptions & { readonly targetExists: boolean }): ToyWorld {
  const world = restingWorld(options);
  const { targetExists } = options;
  const git: GitFacts = { ...world.git, lock: { type: "absent" }, status: { type: "absent" } };
  return {
    ...world,
    git,
    fetched: git,
    live: targetExists ? OLD : null,
    cluster: {
      ...world.cluster,
      target: targetExists ? aWorkload(OLD, 4) : NO_WORKLOAD,
      primary: NO_WORKLOAD,
      targetRevision: null,
      routes: { ...world.cluster.routes, exists: false },
      apex: targetExists ? "target" : "absent",
      servicesReady: false,
      liveRelease: targetExists ? OLD : null,
    },
  };
}

export function inMood(world: ToyWorld, mood: Partial<Mood>): ToyWorld {
  return { ...world, mood: { ...world.mood, ...mood } };
}

/** Changes what is true in Git; it is fetched with the next turn. */
export function declare(world: ToyWorld, git: Partial<GitFacts>): ToyWorld {
  const commit = git.candidate?.commit ?? digestOf([world.git.commit, git], 40);
  return { ...world, git: { ...world.git, commit, ...git } };
}

/** Changes the cluster behind the agent's back. */
export function meddle(world: ToyWorld, cluster: Partial<ClusterFacts>): ToyWorld {
  return { ...world, cluster: { ...world.cluster, ...cluster } };
}

/** What one turn sees. */
export function look(world: ToyWorld, state: State, asked: readonly Question[]): Observation {
  const { write, mood } = world;
  const known = write !== null && write.decision.id === state.decision?.id;
  const isTakenBack = world.takenBack !== null && world.takenBack === state.decision?.id;
  return {
    git: { ...world.fetched, state: mood.git === "down" ? "stale" : "fresh" },
    cluster: { ...world.cluster, leadsOver: state.phase === "handing-back" ? stepsLeft(world) : null },
    answers: asked.reduce((answers, question) => answered(world, answers, question), NO_ANSWERS),
    decision: known ? write.outcome : isTakenBack ? { type: "withdrawn" } : null,
  };
}

function stepsLeft({ ledBack = 0 }: ToyWorld): ClusterFacts["leadsOver"] {
  if (ledBack === 0) return "first";
  return ledBack < 3 ? "next" : null;
}

function answered(world: ToyWorld, answers: Answers, question: Question): Answers {
  const { mood, live, cluster } = world;
  switch (question.type) {
    case "compare": {
      const same = live?.revision === question.release.revision;
      const difference = mood.difference ?? (same ? null : "spec.containers[app].image");
      const comparison = aComparison(question.release, {
        difference: live === null ? null : difference,
        templateDigest: cluster.target.templateDigest ?? "",
      });
      return { ...answers, comparison };
    }
    case "hooks":
      return { ...answers, hooks: { ...answers.hooks, [question.hooks]: mood.hooks[question.hooks] ?? OPEN } };
    case "metrics":
      return { ...answers, metrics: mood.checks };
    case "series":
      return { ...answers, series: mood.series };
  }
}

/** Does one action. */
export function perform(world: ToyWorld, action: Action): ToyWorld {
  const { cluster, podsLeft, mood } = world;
  const { target, primary } = cluster;
  switch (action.type) {
    case "apply-primary":
      return applyPrimary(world, action);
    case "apply-services":
      return meddle(world, { apex: action.apex, servicesReady: true });
    case "apply-target":
      return applyTarget(world, action.release);
    case "scale-target":
      if (!target.exists || target.replicas === action.replicas) return world;
      return {
        ...meddle(world, { target: scaled(target, action.replicas) }),
        podsLeft: { ...podsLeft, target: mood.podsTake },
      };
    case "scale-primary":
      return {
        ...meddle(world, { primary: scaled(primary, action.replicas) }),
        podsLeft: { ...podsLeft, primary: mood.podsTake },
      };
    case "route": {
      const { weight, mirror } = action.routes;
      const accepted = mood.routesTake === 0 ? "yes" : "unknown";
      const routes = { exists: true, weight, mirror, accepted, reason: null, drifted: false } as const;
      return { ...meddle(world, { routes }), routesLeft: mood.routesTake };
    }
    case "lead-over": {
      const routes = { ...cluster.routes, accepted: mood.routesTake === 0 ? "yes" : "unknown" } as const;
      return { ...meddle(world, { routes }), routesLeft: mood.routesTake, ledBack: (world.ledBack ?? 0) + 1 };
    }
    case "fence":
      return meddle(world, { fence: "ours", fenceRun: action.rollout });
    case "unfence":
      return cluster.fence === "ours" ? meddle(world, { fence: "none", fenceRun: null }) : world;
    case "submit":
      return submit(world, action.decision);
    case "withdraw":
      return withdraw(world, action.decision);
    case "remove-derived":
      return meddle(world, {
        primary: NO_WORKLOAD,
        routes: { ...cluster.routes, exists: false, weight: 0, mirror: false },
        apex: action.restoreRoutes ? "target" : "absent",
        servicesReady: false,
      });
    default:
      return world;
  }
}

function scaled(workload: WorkloadView, replicas: number): WorkloadView {
  const left = (pods: number) => Math.min(pods, replicas);
  return {
    ...workload,
    replicas,
    ready: left(workload.ready),
    updated: left(workload.updated),
    available: left(workload.available),
    old: left(workload.old),
    generation: workload.generation + 1,
  };
}

/** A new template: old pods serve on until new ones are ready. */
function replaced(workload: WorkloadView, release: Release): WorkloadView {
  return {
    ...workload,
    ready: 0,
    updated: 0,
    old: workload.available,
    templateDigest: templateOf(release),
    generation: workload.generation + 1,
  };
}

function applyPrimary(world: ToyWorld, action: Extract<Action, { readonly type: "apply-primary" }>): ToyWorld {
  const { primary } = world.cluster;
  const { release } = action.lock;
  const podsLeft = { ...world.podsLeft, primary: world.mood.podsTake };
  if (!primary.exists) {
    const fresh = { ...NO_WORKLOAD, exists: true, replicas: action.replicas };
    const created = { ...fresh, templateDigest: templateOf(release), revision: release.revision };
    return { ...meddle(world, { primary: created, primaryDrifted: false }), podsLeft };
  }
  if (primary.revision === release.revision) return meddle(world, { primaryDrifted: false });
  const rolled = { ...replaced(primary, release), revision: release.revision };
  return { ...meddle(world, { primary: rolled, primaryDrifted: false }), podsLeft };
}

function applyTarget(world: ToyWorld, release: Release): ToyWorld {
  const { target } = world.cluster;
  const facts = { targetRevision: release.revision, liveRelease: release };
  if (world.live?.revision === release.revision && target.exists) return meddle(world, facts);
  const fresh = { ...NO_WORKLOAD, exists: true, templateDigest: templateOf(release), generation: 1 };
  const next = target.exists ? replaced(target, release) : fresh;
  const podsLeft = { ...world.podsLeft, target: world.mood.podsTake };
  return { ...meddle(world, { ...facts, target: next }), live: release, podsLeft };
}

function submit(world: ToyWorld, decision: Decision): ToyWorld {
  const { write } = world;
  if (write?.decision.id === decision.id && write.outcome.type !== "withdrawn") return world;
  return { ...world, write: { decision, outcome: { type: "pending", reason: null, attempts: 0 } }, takenBack: null };
}

/** A push in doubt is found out by a fetch: it landed. */
function withdraw(world: ToyWorld, id: string): ToyWorld {
  const { write, mood } = world;
  if (write?.decision.id !== id) return { ...world, takenBack: id };
  if (write.outcome.type !== "pending") return world;
  if (mood.git === "down") return world;
  if (mood.git === "in-doubt") return commit(world, write.decision);
  return { ...world, write: { ...write, outcome: { type: "withdrawn" } } };
}

function commit(world: ToyWorld, decision: Decision): ToyWorld {
  const { git, mood } = world;
  const oid = digestOf([git.commit, decision.id], 40);
  if (removesLock(decision)) return removal(world, decision, oid);
  const judged = decision.quarantine?.release.revision ?? decision.release.revision;
  const reverts = decision.manifests !== null && git.candidate?.revision === judged && !mood.manifestsShared;
  const before = git.status.type === "read" ? git.status.value : null;
  const written = { cluster: CLUSTER, lockDigest: lockDigest(decision.lock), reverted: reverts };
  const next: Partial<GitFacts> = {
    commit: oid,
    lock: { type: "read", value: decision.lock },
    status: { type: "read", value: nextStatus(before, decision, written) },
    ...(reverts && decision.manifests !== null ? { candidate: { ...decision.manifests, commit: oid } } : {}),
  };
  return { ...world, git: { ...git, ...next }, write: { decision, outcome: { type: "committed", commit: oid } } };
}

/** Both files go, where the tip still declares nothing of it. */
function removal(world: ToyWorld, decision: Decision, oid: string): ToyWorld {
  const { git } = world;
  if (git.presence === "declared") {
    return { ...world, write: { decision, outcome: { type: "impossible", reason: "it is declared again." } } };
  }
  const next = { commit: oid, lock: { type: "absent" }, status: { type: "absent" } } as const;
  return { ...world, git: { ...git, ...next }, write: { decision, outcome: { type: "committed", commit: oid } } };
}

/** Time passes: pods start, routes are taken, pushes land, an engine applies the tip, the tip is fetched. */
export function pass(world: ToyWorld): ToyWorld {
  const steps = [pushed, applied, started, routed, fetched];
  return steps.reduce((next, step) => step(next), world);
}

function pushed(world: ToyWorld): ToyWorld {
  const { write, mood } = world;
  if (write === null || write.outcome.type !== "pending") return world;
  const attempts = 1;
  const pending = (reason: string): ToyWorld => ({
    ...world,
    write: { ...write, outcome: { type: "pending", reason, attempts } },
  });
  switch (mood.git) {
    case "up":
      return commit(world, write.decision);
    case "down":
      return pending("the Git server does not answer.");
    case "refuses":
      return pending("the branch is protected.");
    case "in-doubt":
      return pending("the push got no answer.");
    case "impossible":
      return { ...world, write: { ...write, outcome: { type: "impossible", reason: "someone moved on." } } };
  }
}

function applied(world: ToyWorld): ToyWorld {
  const { cluster, fetched: { candidate, presence } } = world;
  if (cluster.engineApplies || cluster.fence !== "none" || candidate === null || presence !== "declared") return world;
  return candidate.revision === world.live?.revision ? world : applyTarget(world, candidate);
}

function started(world: ToyWorld): ToyWorld {
  const { cluster, podsLeft, mood } = world;
  const stuck = (revision: string | null, list: readonly string[]) => revision !== null && list.includes(revision);
  const target = podsLeft.target > 0 || stuck(world.live?.revision ?? null, mood.canaryStuck)
    ? cluster.target
    : allReady(cluster.target);
  const primary = podsLeft.primary > 0 || stuck(cluster.primary.revision, mood.primaryStuck)
    ? cluster.primary
    : allReady(cluster.primary);
  return {
    ...meddle(world, { target, primary }),
    podsLeft: { target: Math.max(0, podsLeft.target - 1), primary: Math.max(0, podsLeft.primary - 1) },
  };
}

function allReady(workload: WorkloadView): WorkloadView {
  const { replicas } = workload;
  return { ...workload, ready: replicas, updated: replicas, available: replicas, old: 0, observed: true };
}

function routed(world: ToyWorld): ToyWorld {
  const { routes } = world.cluster;
  const { routesRefused } = world.mood;
  if (routesRefused !== null) return meddle(world, { routes: { ...routes, accepted: "no", reason: routesRefused } });
  if (routes.accepted === "no") return meddle(world, { routes: { ...routes, accepted: "yes", reason: null } });
  if (world.routesLeft > 0) return { ...world, routesLeft: world.routesLeft - 1 };
  return routes.accepted === "unknown" ? meddle(world, { routes: { ...routes, accepted: "yes" } }) : world;
}

/** What is true in Git is fetched, if its server answers. */
export function fetched(world: ToyWorld): ToyWorld {
  return world.mood.git === "down" ? world : { ...world, fetched: world.git };
}
