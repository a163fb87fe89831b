/**
 * Builds what a turn sees of one canary: what Git says, what the caches say, what outside systems answered, and what
 * became of the decision on its way.
 */
import { type Complaint, isUndeclared } from "../core/catalogue.ts";
import type { Canary, CanaryId } from "../core/canary.ts";
import type { ClusterIdentity } from "../core/decision.ts";
import type { KubeObject, ObjectRef } from "../core/kube_object.ts";
import type { CheckResult, GitFacts, Observation, Question } from "../core/observation.ts";
import type { Release } from "../core/release.ts";
import { ALL_TO_PRIMARY } from "../core/routes.ts";
import type { State } from "../core/state.ts";
import { BugError, InvalidSpecError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { Http } from "../ports/http.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { MetricLabels } from "../ports/metrics.ts";
import type { Source } from "../ports/source.ts";
import { answer, type Askers } from "./answers.ts";
import { BehindFence } from "./behind_fence.ts";
import { Captures } from "./captures.ts";
import { choose, clusterFacts, engineOf, ownersOf, present, type Refs, refsOf } from "./facts.ts";
import { lostPolicies, podLabelsOf } from "./policies.ts";
import { deadlineIsDue, lookAgain } from "./look_again.ts";
import { preflight } from "./preflight.ts";
import { RenderedReleases } from "./rendered_releases.ts";
import { Removals } from "./removals.ts";
import type { Tables } from "./tables.ts";
import type { Telling } from "./telling.ts";
import { unseen } from "./unseen.ts";
import { sentence } from "./views.ts";

/** One branch that is followed and written. */
export interface Branch {
  readonly source: Source;
  readonly ledger: Ledger;
  readonly url: string;
  readonly branch: string;
  /** Why decisions cannot be pushed, asked of the server; null when they can. */
  readonly cannotPush: () => string | null;
  /** Calls back when that answer has changed. */
  readonly onPushRight?: (listener: () => void) => void;
}

const POLICIES_MS = 30_000;

export interface ObserverOptions {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly http: Http;
  readonly tables: Tables;
  readonly identity: ClusterIdentity;
  readonly branches: readonly Branch[];
  readonly telling: Telling;
  readonly metricLabels: MetricLabels;
  readonly defaultEngine: string;
  readonly secretKey: string | null;
  readonly promotionDeadlineMs: number;
  /** All canaries that are known. */
  readonly ids: ReadonlyMap<string, CanaryId>;
  /** Resolves when all that a canary needs is watched. */
  readonly ensure: (canary: Canary, signal: AbortSignal) => Promise<void>;
}

export interface ObserveTurn {
  readonly key: string;
  readonly id: CanaryId;
  readonly state: State;
  readonly asked: readonly Question[];
  readonly signal: AbortSignal;
}

export class Observer {
  readonly #options: ObserverOptions;
  readonly captures: Captures;
  readonly #releases: RenderedReleases;
  readonly #behindFence = new BehindFence();
  readonly #removals = new Removals();
  /** Canaries of a source whose removal waits for a person. */
  readonly #held = new Map<Source, ReadonlySet<string>>();
  readonly #policies = new Map<string, { readonly lost: string | null; readonly at: number }>();
  /** Ids of decisions that were taken back before they landed. */
  readonly #withdrawn = new Set<string>();
  /** Ids of decisions that landed before the tip that the source shows. */
  readonly #shown = new Set<string>();
  readonly #landed = new Map<string, { readonly source: Source; readonly at: number }>();

  /** The commit that a canary's engine was last ahead of us with. */
  readonly #ahead = new Map<string, string>();

  constructor(options: ObserverOptions) {
    this.#options = options;
    const { cluster, clock, secretKey: key } = options;
    this.#releases = new RenderedReleases({ cluster, clock, key });
    this.captures = new Captures(cluster);
  }

  /** A decision landed, and its source has not been asked since. */
  landed(decision: string, source: Source): void {
    this.#landed.set(decision, { source, at: this.#options.clock.now() });
  }

  /** What landed before a fetch that succeeded is at its tip, or was undone there. */
  fetched(source: Source): void {
    if (source.view.state !== "fresh") return;
    const now = this.#options.clock.now();
    for (const [decision, landed] of this.#landed) {
      // The clock was set back meanwhile: the next fetch is after it for certain.
      if (landed.at > now) this.#landed.set(decision, { ...landed, at: now });
      // A fetch that began before the push may have ended after it, and knows nothing of it.
      if (landed.source !== source || source.view.fetchedAt < landed.at) continue;
      this.#shown.add(decision);
      this.#landed.delete(decision);
    }
  }

  withdrawn(decision: string): void {
    this.#withdrawn.add(decision);
  }

  /** Another replica may have led meanwhile. */
  forgetSeen(): void {
    this.#withdrawn.clear();
    this.#releases.forgetAll();
    this.captures.forgetAll();
  }

  /** How many removals that waited are confirmed now. */
  confirmRemovals(): number {
    const confirmed = this.#removals.confirm();
    for (const { source } of this.#options.branches) this.reviewRemovals(source);
    return confirmed;
  }

  /** The branch that declares a canary, else the one whose ledger has its lock. */
  branchOf(key: string): Branch | undefined {
    const { branches, ids } = this.#options;
    const id = ids.get(key);
    return branches.find(({ source }) => source.view.catalogue?.entries.has(key)) ??
      branches.find(({ source }) => id !== undefined && source.lock(id).type === "read") ?? branches[0];
  }

  async observe(turn: ObserveTurn): Promise<Observation> {
    const { key, id } = turn;
    const { cluster, tables, identity, defaultEngine, http, clock } = this.#options;
    const { state, asked, signal } = turn;
    // At one moment, before anything is waited for: a commit that is shown must be shown with the lock that it wrote.
    const declared = this.#gitFacts(key, id, state.canary);
    const decision = this.#decisionOutcome(key, id, state);
    const canary = state.run?.canary ?? declared.canary ?? state.canary;
    if (canary === null) throw unread(key, declared.complaint);
    await this.#options.ensure(canary, signal);
    const askers: Askers = {
      cluster,
      http,
      clock,
      tables,
      metricLabels: this.#options.metricLabels,
      secretKey: this.#options.secretKey,
      defaultEngine,
      measured: (measured: Canary, check: CheckResult) => this.#options.telling.measured(measured, check),
    };
    const answers = await answer(askers, { ...state, canary }, asked, signal);
    const chosen = choose(tables, canary);
    const refs = refsOf(canary, chosen.scaler);
    if (deadlineIsDue(state, clock.now())) {
      await lookAgain(cluster, [refs.targetRef, refs.primaryRef, ...chosen.router.needs(canary)], signal);
    }
    const target = cluster.get(refs.targetRef);
    const engine = engineOf(tables, canary, target, defaultEngine);
    const { git, renderedReplicas } = await this.#rendered(turn, declared, { canary, ref: refs.targetRef, engine });
    this.#catchUp(key, engine.seen(ownersOf(cluster, engine, target)), signal);
    const isSettled = state.lock !== null && git.candidate?.revision === state.lock.release.revision;
    // Nothing else than a start asks what stands in its way.
    const mayStart = (state.phase === "new" || state.phase === "idle") && !isSettled;
    const blocked = !mayStart ? null : preflight(cluster, {
      canary,
      refs,
      workload: chosen.workload,
      candidate: git.candidate,
      engine,
      renderedReplicas,
      renderRoutes: () => chosen.router.render(canary, ALL_TO_PRIMARY, present(cluster, chosen.router.needs(canary))),
      declares: (ref) => this.#declares(key, ref),
      cannotPush: this.branchOf(key)?.cannotPush() ?? null,
      locked: state.lock !== null || git.lock.type === "read",
    });
    return {
      git,
      cluster: clusterFacts(cluster, tables, {
        canary,
        state,
        candidate: git.candidate,
        tip: git.commit,
        identity,
        defaultEngine,
        undeclared: (ref) =>
          this.#undeclared(key, ref, git.presence) &&
          (canary.render !== "live" || this.#leftEngine(key, git.presence, { target, engine })),
        lockPrimary: state.lock === null ? null : (await this.captures.filled(canary, state.lock, signal)).primary,
        captured: await this.#captured(state, signal),
        blocked: blocked ?? await this.#lostPolicies(turn, canary, refs),
      }),
      answers,
      decision,
      promotionDeadlineMs: this.#options.promotionDeadlineMs,
    };
  }

  /** Where an engine renders, the candidate is what it wrote; nothing of it is in Git. */
  async #rendered(
    turn: ObserveTurn,
    git: GitFacts,
    { canary, ref, engine }: { readonly canary: Canary; readonly ref: ObjectRef; readonly engine: EngineAdapter },
  ): Promise<{ readonly git: GitFacts; readonly renderedReplicas: number | null }> {
    if (canary.render !== "live" || git.candidate === null) return { git, renderedReplicas: null };
    const { cluster } = this.#options;
    const { state, signal } = turn;
    const owners = ownersOf(cluster, engine, cluster.get(ref));
    const input = { canary, state, ref, engine, owners, tip: git.commit };
    const { candidate: live, complaint, replicas } = await this.#releases.candidate(input, signal);
    const candidate = live === null ? null : await this.#newerBehindFence(turn, live, engine, cluster.get(ref));
    return { git: { ...git, candidate, complaint: git.complaint ?? complaint }, renderedReplicas: replicas };
  }

  /** Behind a fence that an engine heeds, a newer release shows in Git alone; the rollout on its way is told by its images. */
  async #newerBehindFence(
    { key, state: { run, lock }, signal }: ObserveTurn,
    live: Release,
    engine: EngineAdapter,
    target: KubeObject | undefined,
  ): Promise<Release> {
    const watched = this.branchOf(key)?.source.watched;
    const isFenced = target !== undefined && engine.ours(target) === true && engine.keeps(target);
    if (!isFenced || run === null || lock === null || watched === undefined || run.release.revision !== live.revision) {
      this.#behindFence.forget(key);
      return live;
    }
    const said = await this.#behindFence.said(key, { running: run, lock: lock.release, watched }, signal);
    if (said === "wanted") return lock.release;
    return said === "other" ? { ...live, revision: `${live.revision}-newer` } : live;
  }

  /** Only asked for where something has to be kept, and it is not promoted yet. */
  async #captured({ run }: State, signal: AbortSignal): Promise<boolean> {
    if (run === null || run.release.rendering === undefined) return true;
    return await this.captures.of(run.canary, run.release.revision, signal) !== null;
  }

  /**
   * An engine that looks at a commit unknown here is about to apply it, also to ConfigMaps under running pods: Git is
   * fetched at once, once a commit.
   */
  #catchUp(key: string, seen: readonly string[], signal: AbortSignal): void {
    const source = this.branchOf(key)?.source;
    const [ahead] = seen.filter((commit) => commit !== source?.view.commit);
    if (source === undefined || ahead === undefined || this.#ahead.get(key) === ahead) return;
    this.#ahead.set(key, ahead);
    // What comes of it is in the source's view; only the agent's end makes it fail.
    source.poll(signal).catch(() => undefined);
  }

  /** Whether the canary's own source declares an object. */
  #declares(key: string, ref: ObjectRef): boolean {
    const manifests = this.branchOf(key)?.source.view.catalogue?.manifests;
    return manifests?.has(`${ref.apiVersion}/${ref.kind}/${ref.namespace ?? ""}/${ref.name}`) ?? false;
  }

  /**
   * Whether its source certainly declares an object no more. A tip that declares nothing at all is more likely a
   * mistake, unless the Canary counts as removed by now.
   */
  #undeclared(key: string, ref: ObjectRef, presence: GitFacts["presence"]): boolean {
    const view = this.branchOf(key)?.source.view;
    const catalogue = view?.catalogue;
    if (view?.state !== "fresh" || catalogue === null || catalogue === undefined) return false;
    if (catalogue.manifests.size === 0 && presence !== "removed") return false;
    return isUndeclared(catalogue, ref);
  }

  /** Git never declares what an engine renders: it left once the object did that it is rendered from, or it is gone. */
  #leftEngine(
    key: string,
    presence: GitFacts["presence"],
    { target, engine }: { readonly target: KubeObject | undefined; readonly engine: EngineAdapter },
  ): boolean {
    if (presence !== "removed") return false;
    return target === undefined ||
      (engine.owner(target) ?? []).every((owner) => this.#undeclared(key, owner, presence));
  }

  /** Before the first start only, and asked of the server at most twice a minute. */
  async #lostPolicies(turn: ObserveTurn, canary: Canary, refs: Refs): Promise<string | null> {
    const { cluster, tables, clock } = this.#options;
    const live = cluster.get(refs.targetRef);
    if (turn.state.phase !== "new" || live === undefined) return null;
    const known = this.#policies.get(turn.key);
    if (known !== undefined && clock.monotonic() - known.at < POLICIES_MS) return known.lost;
    const pods = podLabelsOf(live, tables.selector(live));
    const lost = await lostPolicies(cluster, { canary, refs, pods }, turn.signal);
    this.#policies.set(turn.key, { lost, at: clock.monotonic() });
    return lost;
  }

  /** A commit counts once the source shows it, so that no turn decides on a tip from before it. */
  #decisionOutcome(key: string, id: CanaryId, state: State): Observation["decision"] {
    const branch = this.branchOf(key);
    if (state.decision === null || branch === undefined) return null;
    if (this.#withdrawn.has(state.decision.id)) return { type: "withdrawn" };
    const outcome = branch.ledger.outcome(state.decision.id) ?? null;
    if (outcome?.type !== "committed") return outcome;
    const status = branch.source.status(id);
    const shown = status.type === "read" && status.value.last.id === state.decision.id;
    return shown || this.#shown.has(state.decision.id) || branch.source.view.commit === outcome.commit
      ? outcome
      : { type: "pending", reason: null, attempts: 1 };
  }

  #gitFacts(key: string, id: CanaryId, before: Canary | null): GitFacts {
    const branch = this.branchOf(key);
    if (branch === undefined) throw new BugError("Cannot observe: no source is configured");
    const { source } = branch;
    const entry = source.view.catalogue?.entries.get(key);
    const presence = source.presence(id);
    const hidden = entry === undefined && presence === "unknown" ? unseen(source.view, before) : [];
    const complaints = entry?.type === "broken" ? entry.complaints : hidden;
    return {
      state: source.view.state,
      presence: presence === "removed" && this.#held.get(source)?.has(key) === true ? "held-removal" : presence,
      canary: entry?.type === "canary" ? entry.canary : null,
      candidate: entry?.type === "canary" ? entry.release : null,
      complaint: entry?.type === "broken" || hidden.length > 0 ? brokenSentence(complaints) : null,
      lock: source.lock(id),
      status: source.status(id),
      commit: source.view.commit,
    };
  }

  /** Looks at what is gone from a source; called whenever the source changed, also when something came back. */
  reviewRemovals(source: Source): void {
    const known = [...this.#options.ids].filter(([key]) => this.branchOf(key)?.source === source);
    const removed = known.filter(([, id]) => source.presence(id) === "removed").map(([key]) => key);
    const held = this.#removals.held({
      known: known.map(([key]) => key),
      removed,
      now: this.#options.clock.monotonic(),
    });
    this.#held.set(source, held);
  }
}

/** A Canary that was wrong from the first is the user's mistake to mend: the next commit looks again. */
function unread(key: string, complaint: string | null): InvalidSpecError {
  return new InvalidSpecError(complaint ?? `Cannot look after "${key}": its Canary was never read from Git`);
}

function brokenSentence(complaints: readonly Complaint[]): string {
  const first = complaints.find((complaint) => complaint.severity === "error") ?? complaints[0];
  const more = complaints.length > 1 ? ` and ${complaints.length - 1} more` : "";
  return first === undefined ? "The Canary cannot be read." : `${sentence(first)}${more}`;
}
