/** Time and chance, the only two things no code but `adapters/platform/clock.ts` may take from the machine. */
export interface Clock {
  /** Wall time, epoch milliseconds. */
  now(): number;
  /** Time that only moves forward, milliseconds; for leases and deadlines inside one process. */
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1), for jitter. */
  random(): number;
}
