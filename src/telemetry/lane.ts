/**
 * Background work of one canary: one job at a time, in order, a bounded number waiting. A slow receiver delays its own
 * canary's messages, and no turn.
 */

export interface LaneJob {
  readonly id: string;
  /** Must not throw but for an abort. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

const WAITING_MAX = 50;

/** Lanes by key; an empty lane is forgotten. */
export class Lanes {
  readonly #waiting = new Map<string, LaneJob[]>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #signal: AbortSignal;
  readonly #onDropped: (key: string, job: LaneJob) => void;

  /** @param onDropped told of the oldest waiting job when there are more than 50 */
  constructor(signal: AbortSignal, onDropped: (key: string, job: LaneJob) => void) {
    this.#signal = signal;
    this.#onDropped = onDropped;
  }

  push(key: string, job: LaneJob): void {
    if (this.#signal.aborted) return;
    const waiting = this.#waiting.get(key) ?? [];
    waiting.push(job);
    this.#waiting.set(key, waiting);
    if (waiting.length > WAITING_MAX) {
      const dropped = waiting.shift();
      if (dropped !== undefined) this.#onDropped(key, dropped);
    }
    if (!this.#running.has(key)) this.#running.set(key, this.#drain(key));
  }

  /** Resolves when nothing waits or runs in any lane. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  async #drain(key: string): Promise<void> {
    // Not in the caller's turn.
    await Promise.resolve();
    try {
      for (;;) {
        const job = this.#waiting.get(key)?.shift();
        if (job === undefined || this.#signal.aborted) return;
        await job.run(this.#signal);
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      this.#waiting.delete(key);
      this.#running.delete(key);
    }
  }
}
