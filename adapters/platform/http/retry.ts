/** When a request is sent again: which answers, and how long to wait. Pure; the executor does the waiting. */

/** Extra attempts that are honoured, however many a spec asks for. */
export const RETRIES_MAX = 20;

const FIRST_WAIT_MS = 1_000;
const WAIT_MS_MAX = 30_000;
/** A server that wishes for more is taken at its word: no further attempt in this turn. */
const RETRY_AFTER_MS_MAX = 60_000;

/** 429, and 5xx but 501. */
export function isRetried(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

/**
 * Milliseconds before the next attempt, or null when there is to be none.
 *
 * @param failed attempts that have failed, at least 1
 * @param wishMs the server's `Retry-After`
 */
export function nextWaitMs(failed: number, retries: number, wishMs: number | undefined): number | null {
  if (failed > Math.min(retries, RETRIES_MAX)) return null;
  if (wishMs === undefined) return Math.min(FIRST_WAIT_MS * 2 ** (failed - 1), WAIT_MS_MAX);
  return wishMs <= RETRY_AFTER_MS_MAX ? wishMs : null;
}
