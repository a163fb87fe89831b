/** The decisions a writer knows: waiting, being pushed, or settled. Holds no I/O and never waits. */
import { canaryKey } from "../core/canary.ts";
import type { Decision, DecisionOutcome } from "../core/decision.ts";

/** Settled outcomes that are remembered; older ones are found at the tip again. */
const SETTLED_MAX = 1000;

export interface Waiting {
  readonly decision: Decision;
  /** Monotonic milliseconds; not tried before. */
  readonly dueMs: number;
  readonly attempts: number;
  /** A push went out and its answer is not known: only a look at the tip can tell. */
  readonly inDoubt: boolean;
  /** Somebody wants it back, and waits to hear what it came to. */
  readonly withdrawn: boolean;
}

type Listener = (decision: Decision, outcome: DecisionOutcome) => void;

export class DecisionQueue {
  readonly #waiting = new Map<string, Waiting>();
  readonly #outcomes = new Map<string, DecisionOutcome>();
  readonly #waiters = new Map<string, ((outcome: DecisionOutcome) => void)[]>();
  readonly #listeners: Listener[] = [];

  /** False when it is known already. */
  add(decision: Decision, nowMs: number): boolean {
    if (this.#outcomes.has(decision.id)) return false;
    this.#waiting.set(decision.id, { decision, dueMs: nowMs, attempts: 0, inDoubt: false, withdrawn: false });
    this.#outcomes.set(decision.id, { type: "pending", reason: null, attempts: 0 });
    return true;
  }

  outcome(id: string): DecisionOutcome | undefined {
    return this.#outcomes.get(id);
  }

  waiting(id: string): Waiting | undefined {
    return this.#waiting.get(id);
  }

  onOutcome(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Those that may be tried now, first come, first served, at most `max`, and one a canary: each needs its own tip. */
  due(nowMs: number, max: number): readonly Waiting[] {
    return this.#firsts().filter(({ dueMs }) => dueMs <= nowMs).slice(0, max);
  }

  /** When the next one is due, or undefined when none waits. */
  nextDueMs(): number | undefined {
    const times = this.#firsts().map(({ dueMs }) => dueMs);
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  /** A later decision never overtakes an earlier one of the same canary. */
  #firsts(): readonly Waiting[] {
    const firsts = new Map<string, Waiting>();
    for (const waiting of this.#waiting.values()) {
      const key = canaryKey(waiting.decision.canary);
      if (!firsts.has(key)) firsts.set(key, waiting);
    }
    return [...firsts.values()];
  }

  settle(id: string, outcome: Exclude<DecisionOutcome, { readonly type: "pending" }>): void {
    this.#leave(id, outcome, true);
  }

  /** Forgets one that did not land; whoever withdrew it hears that it is pending. Submitting it again starts anew. */
  drop(id: string): void {
    const attempts = this.#waiting.get(id)?.attempts ?? 0;
    this.#leave(id, { type: "pending", reason: null, attempts }, false);
    this.#outcomes.delete(id);
  }

  #leave(id: string, outcome: DecisionOutcome, tell: boolean): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#outcomes.delete(id);
    this.#outcomes.set(id, outcome);
    this.#forgetOldest();
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    for (const waiter of waiters) waiter(outcome);
    if (tell) this.#tell(waiting.decision, outcome);
  }

  #forgetOldest(): void {
    let settled = this.#outcomes.size - this.#waiting.size;
    for (const id of this.#outcomes.keys()) {
      if (settled <= SETTLED_MAX) return;
      if (this.#waiting.has(id)) continue;
      this.#outcomes.delete(id);
      settled--;
    }
  }

  /** Puts one off; it stays pending, with what stands in its way. */
  defer(id: string, dueMs: number, reason: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const attempts = waiting.attempts + 1;
    this.#waiting.set(id, { ...waiting, dueMs, attempts });
    const outcome: DecisionOutcome = { type: "pending", reason, attempts };
    this.#outcomes.set(id, outcome);
    this.#tell(waiting.decision, outcome);
  }

  /** Lets another one go first the next time. */
  toTheEnd(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#waiting.set(id, waiting);
  }

  markDoubt(id: string, inDoubt: boolean): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) this.#waiting.set(id, { ...waiting, inDoubt });
  }

  /** Resolves once it is known what a decision came to. */
  withdraw(id: string): Promise<DecisionOutcome> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      return Promise.resolve(this.#outcomes.get(id) ?? { type: "pending", reason: null, attempts: 0 });
    }
    this.#waiting.set(id, { ...waiting, withdrawn: true });
    const { promise, resolve } = Promise.withResolvers<DecisionOutcome>();
    this.#waiters.set(id, [...this.#waiters.get(id) ?? [], resolve]);
    return promise;
  }

  #tell(decision: Decision, outcome: DecisionOutcome): void {
    for (const listener of this.#listeners) listener(decision, outcome);
  }
}
