/**
 * One process that may be killed or frozen at any moment. Every effect goes through `call`: it takes time, may fail
 * before or after it took place, and is the only place where a process learns anything. A killed process is one whose
 * calls never return; nothing it runs can reach the world any more.
 */
import { ConflictError, UnavailableError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Dice } from "./dice.ts";
import type { Timeline } from "./timeline.ts";

/** What befalls one call. */
export type Fault =
  | "none"
  | "kill-before"
  | "kill-after"
  | "freeze-before"
  | "freeze-after"
  | "error-before"
  /** It took place, and the answer is lost. */
  | "error-after"
  | "conflict"
  | "slow";

export type Port = "kube-read" | "kube-write" | "git-read" | "git-push" | "metrics" | "hook";

export interface ProcessOptions {
  readonly name: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly faultOf: (process: Process, port: Port, what: string) => Fault;
  readonly trace: (process: string, what: string) => void;
  readonly killed: (process: Process) => void;
  readonly frozen: (process: Process, ms: number) => void;
}

export class Process {
  readonly name: string;
  readonly #options: ProcessOptions;
  #dead = false;
  #thawAt = 0;
  #thawed: (() => void)[] = [];

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  get isFrozen(): boolean {
    return this.#thawAt > this.#options.timeline.elapsed;
  }

  kill(): void {
    this.#dead = true;
    this.#thawed = [];
  }

  freeze(ms: number): void {
    const { timeline } = this.#options;
    this.#thawAt = timeline.elapsed + ms;
    timeline.after(ms, () => this.#thaw());
  }

  #thaw(): void {
    if (this.isFrozen) return;
    const waiting = this.#thawed;
    this.#thawed = [];
    for (const run of waiting) run();
  }

  /** Runs something in this process: not at all when it is dead, later when it is frozen. */
  run(work: () => void): void {
    if (this.#dead) return;
    if (this.isFrozen) this.#thawed.push(work);
    else work();
  }

  async call<T>(port: Port, what: string, effect: () => T | Promise<T>): Promise<T> {
    const { dice, trace } = this.#options;
    const fault = this.#options.faultOf(this, port, what);
    const told = fault === "none" ? what : `${what}  [${fault}]`;
    if (fault === "kill-before") return this.#killed(told);
    if (fault === "freeze-before") this.#freezeNow();
    // What was read before the freeze stays read: the request goes out after it as it was meant before.
    await this.pause(fault === "slow" ? dice.int(2_000, 12_000) : dice.int(1, 20));
    if (port !== "kube-read" || fault !== "none") trace(this.name, told);
    if (fault === "error-before") throw new UnavailableError(`Cannot ${what}: no answer`);
    if (fault === "conflict") throw new ConflictError(`Cannot ${what}: the object has been modified`);
    const result = await this.#try(effect, told);
    if (fault === "kill-after") return this.#killed(told);
    if (fault === "freeze-after") this.#freezeNow();
    await this.pause(dice.int(1, 20));
    if (fault === "error-after") throw new UnavailableError(`Cannot ${what}: the answer was lost`);
    if (!result.done) throw result.error;
    return result.value;
  }

  async #try<T>(effect: () => T | Promise<T>, what: string): Promise<
    { readonly done: true; readonly value: T } | { readonly done: false; readonly error: unknown }
  > {
    try {
      return { done: true, value: await effect() };
    } catch (error) {
      this.#options.trace(this.name, `${what}  refused: ${error instanceof Error ? error.message : String(error)}`);
      return { done: false, error };
    }
  }

  /** Time passes; does not return while frozen, and never once dead. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      let over = false;
      const onAbort = (): void => {
        over = true;
        reject(signal?.reason);
      };
      this.#options.timeline.after(ms, () =>
        this.run(() => {
          if (over) return;
          signal?.removeEventListener("abort", onAbort);
          resolve();
        }));
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #killed(what: string): Promise<never> {
    this.#options.trace(this.name, what);
    this.kill();
    this.#options.killed(this);
    return new Promise(() => undefined);
  }

  #freezeNow(): void {
    const ms = this.#options.dice.int(5_000, 60_000);
    this.freeze(ms);
    this.#options.frozen(this, ms);
  }
}

/** Looks at the clock in one moment before it is called a loop that never sleeps. */
const LOOKS_MAX = 20_000;

/** @param runaway told when a process goes round and round without any time passing; it is killed then */
export function clockOf(
  process: Process,
  { timeline, dice, runaway }: { readonly timeline: Timeline; readonly dice: Dice; readonly runaway: () => void },
): Clock {
  let moment = -1;
  let looks = 0;
  function now(): number {
    if (timeline.elapsed !== moment) [moment, looks] = [timeline.elapsed, 0];
    if (++looks === LOOKS_MAX) {
      process.kill();
      runaway();
    }
    return timeline.now;
  }
  return {
    now,
    monotonic: () => timeline.elapsed,
    sleep: (ms, signal) => process.pause(ms, signal),
    random: () => dice.next(),
  };
}
