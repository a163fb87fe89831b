/** What an error means for a canary's next turn. The shell switches on the disposition, never on text. */
import { SerinError, UnavailableError } from "../errors.ts";

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const STALL_MS = 60_000;
/** Conflicts in a row that are answered at once; after that they back off like anything else. */
const CONFLICTS_AT_ONCE_MAX = 5;
/** Refusals in a row, over some seconds, before somebody must act. */
const REFUSALS_MAX = 2;

export interface Verdict {
  /** "again": nothing is wrong with the canary. "stalled": somebody must act. "stopped": our own mistake. */
  readonly type: "again" | "stalled" | "stopped";
  /** When to try again; null: not by itself. */
  readonly afterMs: number | null;
  readonly message: string;
  readonly fix: string | null;
  /** What is remembered of the state must be read again. */
  readonly reload: boolean;
}

/** @param failures turns that failed in a row before this one; @param random in [0, 1), for jitter */
export function verdictOn(error: unknown, failures: number, random: number): Verdict {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof SerinError)) {
    return { type: "stopped", afterMs: null, message: `Internal error: ${message}`, fix: null, reload: true };
  }
  const fix = error.fix ?? null;
  const backoff = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10)) * (0.8 + 0.4 * random);
  switch (error.disposition) {
    case "conflict":
      return { type: "again", afterMs: failures < CONFLICTS_AT_ONCE_MAX ? 0 : backoff, message, fix, reload: true };
    case "retry": {
      const wished = error instanceof UnavailableError ? error.retryAfterMs ?? 0 : 0;
      return { type: "again", afterMs: Math.max(wished, backoff), message, fix, reload: false };
    }
    case "reject":
      // An API server that has just started refuses what it will allow in a moment: its rules are not loaded yet.
      if (failures < REFUSALS_MAX) return { type: "again", afterMs: backoff, message, fix, reload: false };
      return { type: "stalled", afterMs: STALL_MS * (0.8 + 0.4 * random), message, fix, reload: false };
    case "stall":
    case "foreign":
      return { type: "stalled", afterMs: STALL_MS * (0.8 + 0.4 * random), message, fix, reload: false };
    case "bug":
      return { type: "stopped", afterMs: null, message, fix, reload: true };
  }
}
