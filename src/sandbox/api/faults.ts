/**
 * Fault switches: what a test can make the API server do wrong, by verb, path and count. A fault is used up by the
 * requests it meets; the oldest that matches wins.
 */

export type FaultEffect =
  /** Answers without doing anything. 429 and 503 may say when to come back. */
  | {
    readonly type: "status";
    readonly code: 401 | 403 | 404 | 409 | 410 | 422 | 429 | 500 | 503;
    readonly retryAfterSeconds?: number;
  }
  /** Never answers; ends when the client goes away or the server stops. */
  | { readonly type: "hang" }
  /** Breaks the connection instead of answering; nothing was done. */
  | { readonly type: "cut" }
  /** Does what was asked, then breaks the connection. */
  | { readonly type: "drop-answer" }
  /** Waits by the server's clock, then goes on. */
  | { readonly type: "delay"; readonly ms: number }
  /** Breaks a watch after so many events. */
  | { readonly type: "cut-watch"; readonly afterEvents: number };

export interface Fault {
  /** get, list, watch, create, update, patch, delete or deletecollection; all, when left out. */
  readonly verb?: string;
  /** Matched against path and query. */
  readonly path?: RegExp;
  /** How many requests it meets; 1 when left out, `Infinity` until it is cleared. */
  readonly times?: number;
  readonly effect: FaultEffect;
}

export interface FaultSwitches {
  /** Arms a fault; returns how to take it back. */
  add(fault: Fault): () => void;
  /** Takes back all faults. */
  clear(): void;
  /** Faults that still wait for a request. */
  readonly armed: number;
  /** Breaks open watches, all or those whose path matches; returns how many. */
  cutWatches(path?: RegExp): number;
  /** Ends open watches cleanly, as the real server does at their time-out. */
  closeWatches(path?: RegExp): number;
  /** Forgets the history, so that watches and pages from earlier versions are answered 410. */
  compact(): void;
}

/** The faults that are armed. */
export class Faults {
  #armed: { readonly fault: Fault; left: number }[] = [];

  get armed(): number {
    return this.#armed.length;
  }

  add(fault: Fault): () => void {
    const entry = { fault, left: fault.times ?? 1 };
    this.#armed.push(entry);
    return () => {
      this.#armed = this.#armed.filter((one) => one !== entry);
    };
  }

  clear(): void {
    this.#armed = [];
  }

  /** The effect that this request meets, which is thereby used up. */
  take(verb: string, path: string): FaultEffect | undefined {
    const found = this.#armed.find(({ fault }) =>
      (fault.verb === undefined || fault.verb === verb) && (fault.path === undefined || fault.path.test(path)) &&
      (fault.effect.type !== "cut-watch" || verb === "watch")
    );
    if (found === undefined) return undefined;
    found.left--;
    if (found.left <= 0) this.#armed = this.#armed.filter((one) => one !== found);
    return found.fault.effect;
  }
}
