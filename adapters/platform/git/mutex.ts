/** One thing at a time, in the order of asking. Guards a repository's state, which no two requests may change at once. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `work` once everything asked earlier has ended; an aborted signal takes the place in the line away. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#tail.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#tail = turn.catch(() => {
      // The one who asked gets the error; the next in line must not.
    });
    return turn;
  }
}
