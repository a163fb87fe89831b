/**
 * The writer of one branch of one remote: takes the decisions that wait, plans each on the present tip, and pushes them
 * in one go, each as its own commit. A lost race means to plan again, never to force; every loop here is bounded.
 *
 * *Guarantees*: a decision that landed is never written a second time, also when the answer to its push was lost or
 * the process was restarted, as long as its commit is among the last 100 or its status file is the present one.
 * *Caveats*: a push whose connection was cut may in theory still be served after the look at the tip that followed;
 * the source then shows the decision, and whoever withdrew it must look there.
 */
import type { Catalogue } from "../core/catalogue.ts";
import type { ClusterIdentity, Decision, DecisionOutcome } from "../core/decision.ts";
import { offeredBranch } from "../core/names.ts";
import { RejectedError, SerinError, UnavailableError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitDraft, CommitInfo, GitRemote, PushResult, Snapshot } from "../ports/git.ts";
import type { Ledger } from "../ports/ledger.ts";
import { offerMessage } from "./message.ts";
import { NOT_RENDERED, type ReleaseRenderer } from "./places/release_renderer.ts";
import { type Plan, prepareDecision } from "./plan.ts";
import { DecisionQueue, type Waiting } from "./queue.ts";
import { type ManifestReader, Tip } from "./tip.ts";

/** Decisions of one push. */
const GROUP_MAX = 50;
/** What a lost race leaves of a group's size: not the half, or bad luck would make many small pushes of one large one. */
const SHRINK = 0.7;
/** No group is made smaller than this but by the last race of a row: what remains is what asking and sending take anyway. */
const GROUP_SMALL = 12;
/** Races lost in a row before the group is put off. */
const LOSSES_MAX = 8;
/** Commits looked at for own trailers. */
const LOG_MAX = 100;
const RACE_BACKOFF_MS = 50;
/** The other one pushes on meanwhile: waiting longer helps nobody but another agent. */
const RACE_BACKOFF_FACTOR_MAX = 8;
const LOST_DEFER_MS = 2_000;
const FOLLOWER_DEFER_MS = 5_000;
const REFUSED_DEFER_MS = 60_000;
const UNAVAILABLE_MIN_MS = 1_000;
const UNAVAILABLE_MAX_MS = 60_000;

export interface LedgerOptions {
  readonly remote: GitRemote;
  /** What manifests say at a snapshot; the source of the same remote. */
  readonly reader: ManifestReader;
  readonly cluster: ClusterIdentity;
  /** Absent: releases that are rendered are never put back in Git, only those that are applied as written. */
  readonly renderer?: ReleaseRenderer;
  readonly clock: Clock;
  readonly author: CommitDraft["author"];
  /** Asked right before each push, so it must be a local question: is the Lease still ours by the monotonic clock? */
  readonly isLeader: () => boolean;
}

/** A ledger that writes only while `run` is running; `run` ends when the signal is aborted. */
export interface RunningLedger extends Ledger {
  run(signal: AbortSignal): Promise<void>;
}

/** Makes the writer of a remote's branch. There must be one of them a remote and branch. */
export function createLedger(options: LedgerOptions): RunningLedger {
  return new LedgerWriter(options);
}

/** How one attempt ended, and what that means for the next. */
type Attempt = "settled" | "lost" | "group-refused" | "stopped";

class LedgerWriter implements RunningLedger {
  readonly #options: LedgerOptions;
  readonly #queue = new DecisionQueue();
  #wake = Promise.withResolvers<void>();
  /** No request to the remote before this: it gave no answer. */
  #remoteDueMs = 0;
  #failures = 0;
  /** Decisions that one push may have: fewer after a lost race, twice as many after each push that landed. */
  #groupMax = GROUP_MAX;
  #busy: ReadonlySet<string> = new Set();
  /**
   * Looked for among the commits of a tip. Since then only we have pushed them, and what became of that is known unless
   * one is in doubt: so they are not looked for again, which would be a request, and time in which others push.
   */
  readonly #sought = new WeakSet<Decision>();
  /** As the last tip had them. */
  #entries: Catalogue["entries"] = new Map();
  #log: { readonly commit: string; readonly commits: readonly CommitInfo[] } | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  submit(decision: Decision): void {
    if (this.#queue.add(decision, this.#now())) this.#wake.resolve();
  }

  outcome(id: string): DecisionOutcome | undefined {
    return this.#queue.outcome(id);
  }

  onOutcome(listener: (decision: Decision, outcome: DecisionOutcome) => void): void {
    this.#queue.onOutcome(listener);
  }

  withdraw(id: string): Promise<DecisionOutcome> {
    const result = this.#queue.withdraw(id);
    const waiting = this.#queue.waiting(id);
    if (waiting === undefined || this.#busy.has(id)) return result;
    if (!waiting.inDoubt) this.#queue.drop(id);
    this.#remoteDueMs = 0;
    this.#wake.resolve();
    return result;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#due(1).length > 0) await this.#round(signal);
        else await this.#idle(signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #due(max: number): readonly Waiting[] {
    return this.#now() < this.#remoteDueMs ? [] : this.#queue.due(this.#now(), max);
  }

  /** Until something is submitted, or the next one is due. */
  async #idle(signal: AbortSignal): Promise<void> {
    const due = this.#queue.nextDueMs();
    const woken = new AbortController();
    const stop = () => woken.abort();
    signal.addEventListener("abort", stop, { once: true });
    this.#wake.promise.then(stop);
    try {
      if (due === undefined) await aborted(woken.signal);
      else await this.#sleep(Math.max(due, this.#remoteDueMs) - this.#now(), woken.signal);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#wake = Promise.withResolvers<void>();
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    let most = GROUP_MAX;
    for (let losses = 0; losses < LOSSES_MAX && !signal.aborted;) {
      const group = this.#due(Math.min(most, this.#groupMax));
      if (group.length === 0) return;
      const attempt = await this.#attempt(group, signal);
      if (attempt === "stopped") return;
      // One commit that a hook does not like must not keep the others out: from here on each goes alone.
      if (attempt === "group-refused") most = 1;
      if (attempt !== "lost") {
        this.#groupMax = Math.min(GROUP_MAX, this.#groupMax * 2);
        losses = 0;
        continue;
      }
      // Beside a writer that pushes all the time only a short attempt gets through: fewer are planned and sent at once.
      const least = losses < LOSSES_MAX - 1 && group.length >= GROUP_SMALL ? GROUP_SMALL : 1;
      this.#groupMax = Math.max(least, Math.floor(group.length * SHRINK));
      // The other one has just pushed: a first loss waits least of all.
      const factor = Math.min(2 ** losses, RACE_BACKOFF_FACTOR_MAX);
      await this.#sleep(this.#options.clock.random() * RACE_BACKOFF_MS * factor, signal);
      losses++;
    }
    this.#defer(this.#due(GROUP_MAX), LOST_DEFER_MS, `Lost ${LOSSES_MAX} races for the branch in a row`);
  }

  async #attempt(group: readonly Waiting[], signal: AbortSignal): Promise<Attempt> {
    this.#busy = new Set(group.map(({ decision }) => decision.id));
    try {
      this.#prepare(group);
      const base = await this.#options.remote.fetch(signal);
      const tip = await this.#tip(base, group, signal);
      if (tip === undefined) return "lost";
      const drafted = await this.#plan(base, tip, group, signal);
      // Somebody took one back while we planned; what was planned after it may build on it.
      if (drafted.some(({ id }) => this.#queue.waiting(id)?.withdrawn)) return "settled";
      if (drafted.length === 0) return this.#reached("settled");
      if (!this.#options.isLeader()) {
        this.#defer(group, FOLLOWER_DEFER_MS, "This agent is not the leader");
        return "settled";
      }
      const result = await this.#push(base, drafted, signal);
      return this.#finish(result, base, drafted);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#putOff(group, error);
      return "stopped";
    } finally {
      this.#busy = new Set();
      for (const { decision: { id } } of group) {
        const left = this.#queue.waiting(id);
        if (left?.withdrawn && !left.inDoubt) this.#queue.drop(id);
      }
    }
  }

  /** Before the tip is asked for, since after it others may push. */
  #prepare(group: readonly Waiting[]): void {
    for (const { decision } of group) {
      try {
        prepareDecision(decision, this.#entries);
      } catch (_error) {
        // It fails again when it is planned, and there it stops this decision alone.
      }
    }
  }

  #reached(attempt: Attempt): Attempt {
    this.#failures = 0;
    this.#remoteDueMs = 0;
    return attempt;
  }

  /** undefined: the reader is past this snapshot already, so it is no longer the tip. */
  async #tip(snapshot: Snapshot, group: readonly Waiting[], signal: AbortSignal): Promise<Tip | undefined> {
    const { remote, reader, cluster, renderer } = this.#options;
    // Side by side, since what goes on until the push is time in which somebody else may push.
    const [catalogue, log] = await Promise.all([
      reader.catalogue(snapshot, signal),
      group.every(({ decision, inDoubt }) => this.#sought.has(decision) && !inDoubt)
        ? []
        : this.#logOf(snapshot, signal),
    ]);
    this.#entries = catalogue.entries;
    if (catalogue.commit !== snapshot.commit) return undefined;
    for (const { decision } of group) this.#sought.add(decision);
    return new Tip({ snapshot, catalogue, log, cluster, remote, reader, renderer });
  }

  async #logOf({ commit }: Snapshot, signal: AbortSignal): Promise<readonly CommitInfo[]> {
    if (this.#log?.commit === commit) return this.#log.commits;
    const commits = await this.#options.remote.log(LOG_MAX, signal);
    this.#log = { commit, commits };
    return commits;
  }

  async #plan(
    base: Snapshot,
    tip: Tip,
    group: readonly Waiting[],
    signal: AbortSignal,
  ): Promise<readonly Drafted[]> {
    const drafted: Drafted[] = [];
    for (const { decision } of group) {
      const { id } = decision;
      if (this.#queue.waiting(id)?.withdrawn && !this.#queue.waiting(id)?.inDoubt) continue;
      const plan = await this.#planOne(tip, decision, signal);
      if (plan === undefined) continue;
      // The tip has answered: what is not there now did not land.
      this.#queue.markDoubt(id, false);
      if (plan.type === "done") this.#queue.settle(id, { type: "committed", commit: plan.commit });
      if (plan.type === "impossible") {
        const offered = await this.#offer(base, { decision, ...plan }, signal);
        this.#queue.settle(id, { type: "impossible", reason: `${plan.reason}${offered}` });
      }
      if (plan.type !== "commit") continue;
      const { author } = this.#options;
      drafted.push({ id, draft: { message: plan.message, author, timeMs: decision.at, edits: plan.edits } });
    }
    return drafted;
  }

  /**
   * What of an impossible revert could be put back, as a branch for people.
   *
   * @returns a sentence's end that names the branch; empty where there is none
   */
  async #offer(base: Snapshot, refused: Refused, signal: AbortSignal): Promise<string> {
    const { remote, author, cluster, isLeader, clock } = this.#options;
    const { decision, reason, offer = [] } = refused;
    if (remote.offer === undefined || offer.length === 0 || !isLeader()) return "";
    const branch = offeredBranch(decision.canary, (decision.quarantine?.release ?? decision.release).revision);
    const message = offerMessage(decision, { cluster, why: reason });
    try {
      const made = await remote.offer(base, branch, { message, author, timeMs: clock.now(), edits: offer }, signal);
      return made.type === "refused" ? "" : `; what could be put back is offered as branch "${branch}"`;
    } catch (error) {
      // The verdict is the same without it.
      if (signal.aborted || !(error instanceof SerinError)) throw error;
      return "";
    }
  }

  /** undefined: our own mistake, or what cannot be rendered now, stops this decision, which says so, and no other one. */
  async #planOne(tip: Tip, decision: Decision, signal: AbortSignal): Promise<Plan | undefined> {
    try {
      return await tip.plan(decision, signal);
    } catch (error) {
      const isRenderers = error instanceof UnavailableError && error.data["reason"] === NOT_RENDERED;
      const isRemotes = error instanceof UnavailableError && !isRenderers || error instanceof RejectedError;
      if (signal.aborted || isRemotes) throw error;
      this.#queue.defer(decision.id, this.#now() + this.#jittered(REFUSED_DEFER_MS), `Cannot plan: ${textOf(error)}`);
      return undefined;
    }
  }

  async #push(base: Snapshot, drafted: readonly Drafted[], signal: AbortSignal): Promise<PushResult> {
    const doubt = (inDoubt: boolean) => drafted.forEach(({ id }) => this.#queue.markDoubt(id, inDoubt));
    doubt(true);
    try {
      const result = await this.#options.remote.push(base, drafted.map(({ draft }) => draft), signal);
      doubt(false);
      return result;
    } catch (error) {
      if (error instanceof RejectedError) doubt(false);
      throw error;
    }
  }

  #finish(result: PushResult, base: Snapshot, drafted: readonly Drafted[]): Attempt {
    switch (result.type) {
      case "lost":
        return "lost";
      case "refused":
        if (drafted.length > 1) return "group-refused";
        // Another one goes first the next time, in case this one is the only one that is not wanted.
        for (const { id } of drafted) this.#queue.toTheEnd(id);
        this.#defer(this.#due(GROUP_MAX), this.#jittered(REFUSED_DEFER_MS), `The push was refused: ${result.reason}`);
        return this.#reached("settled");
      case "unchanged":
      case "pushed": {
        const commits = result.type === "pushed" ? result.commits : [];
        drafted.forEach(({ id }, index) => {
          this.#queue.settle(id, { type: "committed", commit: commits[index] ?? base.commit });
        });
        return this.#reached("settled");
      }
    }
  }

  /** Pending, with the reason; nothing is given up because of an error. */
  #putOff(group: readonly Waiting[], error: unknown): void {
    const reason = textOf(error);
    if (error instanceof UnavailableError) {
      const backoff = Math.min(UNAVAILABLE_MAX_MS, UNAVAILABLE_MIN_MS * 2 ** this.#failures++);
      this.#remoteDueMs = this.#now() + Math.max(this.#jittered(backoff), error.retryAfterMs ?? 0);
      this.#defer(group, 0, reason);
      return;
    }
    this.#defer(group, this.#jittered(REFUSED_DEFER_MS), reason);
  }

  #defer(group: readonly Waiting[], ms: number, reason: string): void {
    for (const { decision } of group) this.#queue.defer(decision.id, this.#now() + ms, reason);
  }

  #jittered(ms: number): number {
    return ms * (0.8 + 0.4 * this.#options.clock.random());
  }
}

type Refused = Extract<Plan, { readonly type: "impossible" }> & { readonly decision: Decision };

interface Drafted {
  readonly id: string;
  readonly draft: CommitDraft;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
