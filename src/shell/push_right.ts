/** Whether decisions may be pushed, asked of the Git server at the start and again while the answer is no. */
import type { Clock } from "../ports/clock.ts";
import type { GitRemote } from "../ports/git.ts";

const ASK_AGAIN_MS = 60_000;

export class PushRight {
  readonly #remote: GitRemote;
  readonly #clock: Clock;
  #problem: string | null = null;
  #listener: () => void = () => {};

  constructor(remote: GitRemote, clock: Clock) {
    this.#remote = remote;
    this.#clock = clock;
  }

  /** The last answer; null when pushing is allowed, or not known to be forbidden. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Calls back when the answer has changed, so that whoever was held up by it looks again. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const before = this.#problem;
        this.#problem = await this.#remote.cannotPush(signal) ?? null;
        if (this.#problem !== before) this.#listener();
        if (this.#problem === null) return;
      } catch (error) {
        // No answer says nothing about the right; the source shows the outage.
        if (signal.aborted || !(error instanceof Error)) return;
      }
      await this.#clock.sleep(ASK_AGAIN_MS, signal).catch(() => undefined);
    }
  }
}
