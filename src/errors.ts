/**
 * The whole error taxonomy. Messages read "what could not be done: why, with the current state"; `fix` says what to do.
 * The shell switches on `disposition`, never on text. Expected outcomes (no data, not ready yet) are values, not errors.
 */

/** What the shell does about an error: see style guide, section 6. */
export type Disposition = "stall" | "reject" | "retry" | "conflict" | "foreign" | "bug";

export interface ErrorDetails {
  /** What a person can do about it, one sentence. */
  readonly fix?: string;
  /** Machine-readable facts for logs and the API; never secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export abstract class SerinError extends Error {
  abstract readonly disposition: Disposition;
  readonly fix: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.fix = details.fix;
    this.data = details.data ?? {};
  }
}

/** The user's resource or configuration is wrong, or names an unknown provider. The canary stalls until it changes. */
export class InvalidSpecError extends SerinError {
  override readonly disposition = "stall";
}

/** An outside system says no for good (400, 401, 403, 422). Stall and announce. */
export class RejectedError extends SerinError {
  override readonly disposition = "reject";
}

/** No answer, a time-out, 429 or 5xx. Retry with backoff and jitter; `retryAfterMs` is the server's own wish. */
export class UnavailableError extends SerinError {
  override readonly disposition = "retry";
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly retryAfterMs?: number } = {}) {
    super(message, details);
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** A stale version or a non-fast-forward push: read again, decide again, at once. */
export class ConflictError extends SerinError {
  override readonly disposition = "conflict";
}

/** An object or route is owned by someone else. Stall and announce the owner. */
export class ForeignError extends SerinError {
  override readonly disposition = "foreign";
}

/** An invariant does not hold: our own mistake. Stops this canary only. */
export class BugError extends SerinError {
  override readonly disposition = "bug";
}
