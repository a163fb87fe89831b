/** Abort signals joined and waited for. Listeners are taken off again, so a signal that lives long gathers none. */

/** A controller that is aborted along with any of its parents. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  /** Takes the listeners off the parents; to be called in a `finally`. */
  unlink(): void;
}

/** Joins signals into one; absent parents are left out. */
export function linkAbort(...parents: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController();
  const links: (() => void)[] = [];
  for (const parent of parents) {
    if (parent === undefined) continue;
    const pass = () => controller.abort(parent.reason);
    if (parent.aborted) pass();
    parent.addEventListener("abort", pass, { once: true });
    links.push(() => parent.removeEventListener("abort", pass));
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink: () => links.forEach((unlink) => unlink()),
  };
}

/**
 * Waits for a promise that others share, without being able to cancel it.
 *
 * @throws the signal's reason when it is aborted first
 */
export async function waitFor<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Keeps an answer in memory as long as its signal lives. The runtime ends a body on abort only while somebody holds the
 * `Response`; who reads on with the body alone would wait for ever once the garbage collector has been by.
 */
export function holdUntilAborted(response: Response, signal: AbortSignal): Response {
  signal.addEventListener("abort", () => void response.bodyUsed, { once: true });
  return response;
}
