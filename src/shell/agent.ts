/**
 * The agent: sources, ledgers, cluster and queue put together. It keeps one turn at a time per canary, gives each the
 * observation it needs, and answers people.
 */
import type { Complaint } from "../core/catalogue.ts";
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { Command } from "../core/command.ts";
import type { ClusterIdentity, Decision, DecisionOutcome } from "../core/decision.ts";
import type { Observation } from "../core/observation.ts";
import { inFlight, newState, type State } from "../core/state.ts";
import type { Action } from "../core/action.ts";
import type { Agent, CanaryDetail, CanarySummary, CommandAnswer, SourceSummary } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Http } from "../ports/http.ts";
import type { MetricLabels } from "../ports/metrics.ts";
import type { Source } from "../ports/source.ts";
import { fencedCluster } from "./fenced_cluster.ts";
import { HookRunner } from "./hooks.ts";
import { type Branch, Observer } from "./observer.ts";
import { perform } from "./perform.ts";
import { KeyQueue } from "./queue.ts";
import { reconcile, reconcileCommand, type TurnParts } from "./reconcile.ts";
import { readinessOf } from "./readiness.ts";
import { Rehearsal } from "./rehearsal.ts";
import { createRoster, type Roster } from "./roster.ts";
import { stampEpoch } from "./stamp.ts";
import type { StateStore } from "./store.ts";
import type { Tables } from "./tables.ts";
import type { Telling } from "./telling.ts";
import { unseen } from "./unseen.ts";
import { type Verdict, verdictOn } from "./trouble.ts";
import { detailOf, type Shown, shownOf, summaryOf, type ViewInput } from "./views.ts";
import { watchfulLedger } from "./watchful_ledger.ts";
import { createWatching, type Watching } from "./watching.ts";

export interface AgentOptions {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly http: Http;
  readonly tables: Tables;
  readonly identity: ClusterIdentity;
  readonly branches: readonly Branch[];
  readonly store: StateStore;
  readonly telling: Telling;
  readonly election: { isLeader(): boolean; epoch(): number; leader(): string | null };
  readonly metricLabels: MetricLabels;
  readonly defaultEngine: string;
  readonly secretKey: string | null;
  /** How long a promotion commit may take to land. */
  readonly promotionDeadlineMs: number;
  readonly namespaces: readonly string[];
  /** "observe": everything but writes. */
  readonly mode: "run" | "observe";
  readonly parallel: number;
}

interface Inboxed {
  readonly command: Command;
  readonly answer: (answer: CommandAnswer) => void;
}

export class ServingAgent implements Agent {
  readonly #options: AgentOptions;
  readonly #queue: KeyQueue;
  readonly #watching: Watching;
  readonly #observer: Observer;
  readonly #hooks: HookRunner;
  readonly #roster: Roster;
  readonly #shown = new Map<string, Shown>();
  readonly #failures = new Map<string, number>();
  readonly #troubles = new Map<string, Verdict>();
  readonly #inbox = new Map<string, Inboxed[]>();
  /** Leadership epoch in which the canaries' in-flight objects were stamped. */
  readonly #stamped = new Set<string>();
  readonly #rehearsal = new Rehearsal();
  #signal: AbortSignal = AbortSignal.abort();
  #synced = false;
  readonly #entryOf = (key: string) => this.#observer.branchOf(key)?.source.view.catalogue?.entries.get(key);

  constructor(options: AgentOptions) {
    this.#options = options;
    const { clock, cluster, namespaces, tables, telling } = options;
    this.#roster = createRoster({
      namespaces,
      elsewhere: (canary) => telling.log("info", "canary-elsewhere", { canary, namespaces }),
    });
    this.#queue = new KeyQueue({ clock, parallel: options.parallel, turn: (key) => this.#turn(key) });
    this.#watching = createWatching({ cluster, tables, defaultEngine: options.defaultEngine, namespaces });
    this.#observer = new Observer({
      ...options,
      ids: this.#roster.ids,
      ensure: (canary, signal) => this.#watching.ensure(canary, signal),
    });
    this.#hooks = new HookRunner({ http: options.http, gate: tables.gate, log: telling.log });
    cluster.onChange((ref) => this.#wake(this.#watching.canariesOf(ref)));
    for (const { source, ledger, onPushRight } of options.branches) {
      onPushRight?.(() => this.#wake([...this.#roster.ids.keys()]));
      source.onChange((keys) => this.#sourceChanged(source, keys));
      ledger.onOutcome((decision, outcome) => this.#outcome(source, decision, outcome));
    }
  }

  get leading(): boolean {
    return this.#options.election.isLeader();
  }

  /** Canaries that have a turn asked for. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Runs turns until the signal is aborted. Sources and ledgers are run by who made them. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#synced = true;
    this.#meetKnown();
    await this.#queue.run(signal);
    await this.#hooks.settle();
  }

  /** A new leadership: what is remembered may be stale, and what is in flight must be stamped before it moves. */
  lead(): void {
    this.#options.store.forgetAll();
    this.#stamped.clear();
    this.#observer.forgetSeen();
    this.#meetKnown();
  }

  #meetKnown(): void {
    for (const id of this.#options.store.known()) this.#roster.meet(id);
    for (const { source } of this.#options.branches) this.#observer.reviewRemovals(source);
    this.#wake([...this.#roster.ids.keys()]);
  }

  canaries(): readonly CanarySummary[] {
    return [...this.#roster.ids].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, id]) =>
      summaryOf(this.#viewInput(key, id))
    );
  }

  canary(id: CanaryId): CanaryDetail | undefined {
    const key = canaryKey(id);
    if (!this.#roster.ids.has(key)) return undefined;
    const input = this.#viewInput(key, id);
    const branch = this.#observer.branchOf(key);
    const { entry, state } = input;
    const gone = branch?.source.presence(id) === "unknown" ? unseen(branch.source.view, state.canary) : [];
    return detailOf(input, {
      complaints: entry === undefined ? gone : entry.type === "canary" ? entry.warnings : entry.complaints,
      events: this.#options.telling.recent(key),
      source: { name: branch?.source.name ?? "", commit: branch?.source.view.commit ?? null },
    });
  }

  sources(): readonly SourceSummary[] {
    return this.#options.branches.map(({ source, url, branch }) => {
      const { state, problem, commit, fetchedAt } = source.view;
      return { name: source.name, url, branch, state, problem, commit, fetchedAt };
    });
  }

  complaints(): readonly Complaint[] {
    return this.#options.branches.flatMap(({ source }) => {
      const { catalogue } = source.view;
      const broken = [...catalogue?.entries.values() ?? []].flatMap((entry) =>
        entry.type === "broken" ? entry.complaints : entry.warnings
      );
      return [...catalogue?.complaints ?? [], ...broken];
    });
  }

  command(id: CanaryId, command: Command): Promise<CommandAnswer> {
    const key = canaryKey(id);
    if (!this.#roster.ids.has(key)) return Promise.resolve({ type: "unknown-canary" });
    if (!this.leading) return Promise.resolve({ type: "not-leader", leader: this.#options.election.leader() });
    return new Promise((resolve) => {
      this.#inbox.set(key, [...this.#inbox.get(key) ?? [], { command, answer: resolve }]);
      this.#queue.add(key, 0);
    });
  }

  confirmRemoval(by: string): Promise<CommandAnswer> {
    if (!this.leading) return Promise.resolve({ type: "not-leader", leader: this.#options.election.leader() });
    const confirmed = this.#observer.confirmRemovals();
    if (confirmed === 0) return Promise.resolve({ type: "refused", reason: "No removal waits to be confirmed." });
    this.#options.telling.log("info", "removal-confirmed", { by, canaries: confirmed });
    this.#wake([...this.#roster.ids.keys()]);
    return Promise.resolve({ type: "done", message: `The removal of ${confirmed} canaries is confirmed.` });
  }

  hint(name: string): boolean {
    const branch = this.#options.branches.find(({ source }) => source.name === name);
    if (branch === undefined) return false;
    branch.source.poll(this.#signal).catch((error) => {
      this.#options.telling.log("warn", "git-fetch-failed", { source: name, error: String(error) });
    });
    return true;
  }

  readiness(): ReturnType<typeof readinessOf> {
    return readinessOf(this.#options.branches.map(({ source }) => source), this.#synced);
  }

  #viewInput(key: string, id: CanaryId): ViewInput {
    const shown = this.#shown.get(key);
    const trouble = this.#troubles.get(key);
    return {
      id,
      state: shown ?? shownOf(newState(id, this.#options.clock.now())),
      entry: this.#entryOf(key),
      trouble: trouble === undefined
        ? null
        : trouble.fix === null
        ? trouble.message
        : `${trouble.message} (${trouble.fix})`,
    };
  }

  #wake(keys: readonly string[]): void {
    const now = this.#options.clock.now();
    for (const key of keys) if (this.#roster.ids.has(key)) this.#queue.add(key, now);
  }

  #sourceChanged(source: Source, keys: readonly string[]): void {
    for (const [key, entry] of source.view.catalogue?.entries ?? []) {
      if (!this.#roster.ids.has(key)) this.#roster.meet(entry.type === "canary" ? entry.canary.id : entry.id);
    }
    for (const key of keys) if (this.#troubles.get(key)?.type === "stopped") this.#troubles.delete(key);
    this.#observer.fetched(source);
    this.#observer.reviewRemovals(source);
    this.#wake(keys);
  }

  /** A decision came to something: its canary looks again, after the source has seen the new tip. */
  #outcome(source: Source, decision: Decision, outcome: DecisionOutcome): void {
    const key = canaryKey(decision.canary);
    if (outcome.type !== "committed") return this.#wake([key]);
    this.#observer.landed(decision.id, source);
    source.poll(this.#signal).finally(() => {
      this.#observer.fetched(source);
      this.#wake([key]);
    }).catch(() => undefined);
  }

  async #turn(key: string): Promise<void> {
    const id = this.#roster.ids.get(key);
    const { clock, telling } = this.#options;
    if (id === undefined || this.#troubles.get(key)?.type === "stopped") return;
    const startedAt = clock.monotonic();
    try {
      const wake = (at: number): void => this.#queue.add(key, at);
      await this.#stamp(key, id);
      const commands = this.#inbox.get(key) ?? [];
      this.#inbox.delete(key);
      for (const inboxed of commands) await this.#obey(id, inboxed, wake);
      await reconcile(this.#parts(key, id, wake), id, this.#signal);
      this.#failures.delete(key);
      this.#troubles.delete(key);
    } catch (error) {
      if (!this.#signal.aborted) this.#failed(key, id, error);
    }
    const state = await this.#options.store.load(id, clock.now()).catch(() => undefined);
    if (state !== undefined) {
      this.#shown.set(key, shownOf(state, this.#entryOf(key)));
      telling.turned(state, clock.monotonic() - startedAt);
      await this.#bury(key, id, state);
    }
  }

  /** A canary that was released and is gone from Git is forgotten. */
  async #bury(key: string, id: CanaryId, state: State): Promise<void> {
    if (
      state.phase !== "released" || this.#observer.branchOf(key)?.source.presence(id) !== "removed" || !this.#mayWrite()
    ) {
      return;
    }
    await this.#options.store.remove(id).catch((error) => this.#failed(key, id, error));
    this.#roster.forget(key);
    this.#shown.delete(key);
    this.#watching.forget(key);
    this.#queue.forget(key);
    this.#options.telling.forgotten(key);
  }

  async #obey(id: CanaryId, inboxed: Inboxed, wake: (at: number) => void): Promise<void> {
    try {
      const result = await reconcileCommand(this.#parts(canaryKey(id), id, wake), id, inboxed.command, this.#signal);
      inboxed.answer(result.type === "done" ? { type: "done", message: result.message } : result);
      if (result.type === "done") {
        const { type, by, reason } = inboxed.command;
        this.#options.telling.log("info", "command-done", { canary: canaryKey(id), command: type, by, reason });
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      inboxed.answer({ type: "refused", reason: `It could not be saved: ${message}` });
      throw error;
    }
  }

  #failed(key: string, id: CanaryId, error: unknown): void {
    const { clock, store, telling } = this.#options;
    const failures = this.#failures.get(key) ?? 0;
    const verdict = verdictOn(error, failures, clock.random());
    this.#failures.set(key, failures + 1);
    if (verdict.reload) store.forget(id);
    const before = this.#troubles.get(key);
    if (verdict.type !== "again" || verdict.afterMs !== 0) this.#troubles.set(key, verdict);
    if (before?.message !== verdict.message || before.type !== verdict.type) {
      const level = verdict.type === "stopped" ? "error" : verdict.type === "stalled" ? "info" : "warn";
      telling.log(level, `turn-${verdict.type}`, {
        canary: key,
        error: verdict.message,
        fix: verdict.fix,
        ...(verdict.type === "stopped" && error instanceof Error ? { stack: error.stack } : {}),
      });
    }
    if (verdict.afterMs !== null) this.#queue.add(key, clock.now() + verdict.afterMs);
  }

  #mayWrite(): boolean {
    return this.#options.mode === "run" && this.#options.election.isLeader() && !this.#signal.aborted;
  }

  /** Once a leadership: marks what is in flight with our epoch, which makes an older leader's writes stale. */
  async #stamp(key: string, id: CanaryId): Promise<void> {
    if (this.#stamped.has(key) || !this.#mayWrite()) return;
    const { cluster, store, tables, clock, election } = this.#options;
    const state = await store.load(id, clock.now());
    // Without a state a rollout may be in flight all the same; it is known once the source was read.
    const lost = state.phase === "new" && state.lock === null;
    const entry = lost ? this.#observer.branchOf(key)?.source.view.catalogue?.entries.get(key) : undefined;
    const canary = state.run?.canary ?? (entry?.type === "canary" ? entry.canary : null);
    if (lost && canary === null) return;
    if (canary !== null && (lost || inFlight(state.phase)) && state.epoch < election.epoch()) {
      await this.#watching.ensure(canary, this.#signal);
      const how = { epoch: election.epoch(), onlyKnown: lost, signal: this.#signal };
      await stampEpoch({ cluster, tables }, canary, how);
    }
    this.#stamped.add(key);
  }

  #parts(key: string, id: CanaryId, wake: (at: number) => void): TurnParts {
    const { clock, store } = this.#options;
    return {
      clock,
      store,
      observe: (state, asked, signal) => this.#observer.observe({ key, id, state, asked, signal }),
      perform: (state, seen, actions, signal) => this.#perform(key, { state, seen, actions, wake, signal }),
      rehearse: this.#options.mode === "run"
        ? null
        : (state, actions) => this.#rehearsal.say(key, state, { actions, wake, log: this.#options.telling.log }),
      mayAct: () => this.#mayWrite(),
    };
  }

  async #perform(
    key: string,
    turn: {
      readonly state: State;
      readonly seen: Observation;
      readonly actions: readonly Action[];
      readonly wake: (at: number) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { tables, telling, clock, defaultEngine } = this.#options;
    const cluster = fencedCluster(this.#options.cluster, () => this.#mayWrite());
    const { state, actions, signal } = turn;
    const canary = state.run?.canary ?? state.canary;
    const branch = this.#observer.branchOf(key);
    if (canary === null || branch === undefined) return;
    await perform(
      {
        cluster,
        tables,
        defaultEngine,
        secretKey: this.#options.secretKey,
        captures: this.#observer.captures,
        token: () => new Date(clock.now()).toISOString(),
        announce: (about, now, action) => telling.announce(about, now, action.announcement),
        callHooks: (about, now, action) => this.#hooks.call(about, now, action, signal),
        wake: turn.wake,
      },
      {
        canary,
        state,
        scaler: turn.seen.git.candidate?.scaler ?? null,
        ledger: watchfulLedger(branch.ledger, {
          withdrawn: (id) => this.#observer.withdrawn(id),
          settled: () => this.#wake([key]),
          failed: (error) => telling.log("warn", "withdraw-failed", { canary: key, error: String(error) }),
        }),
        signal,
      },
      actions,
    );
  }
}
