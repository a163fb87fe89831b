/** What an HTTP status that is not 200 means for a Git remote, and how long the server wants to be left alone. */
import { RejectedError, type SerinError, UnavailableError } from "../../../src/errors.ts";

export interface RefusedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The server's own words, redacted; "" when there are none. */
  readonly words: string;
  /** Without credentials. */
  readonly url: string;
  /** Epoch milliseconds, for a Retry-After that names a date. */
  readonly now: number;
}

/** Bound on a wish that is obeyed; a server that says "in a year" is asked again after an hour. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/**
 * 408, 425, 429, 5xx and a 403 that names a time are worth another try, and so is a redirect: only requests that must not
 * follow one get here, and the next try asks for the address again. Every other status is final.
 */
export function statusError(answer: RefusedAnswer): SerinError {
  const { status, url } = answer;
  const retryAfterMs = parseRetryAfter(answer.headers.get("retry-after"), answer.now);
  const words = answer.words.replace(/\s+/g, " ").trim();
  const said = words === "" ? "" : `: ${JSON.stringify(words)}`;
  const data = { url, status };
  const hasMoved = status >= 300 && status < 400;
  const isPassing = hasMoved || [408, 425, 429].includes(status) || status >= 500 ||
    (status === 403 && retryAfterMs !== undefined);
  if (isPassing) {
    return new UnavailableError(`Cannot reach Git remote "${url}": the server answers ${status}${said}`, {
      data,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  return new RejectedError(`Cannot use Git remote "${url}": ${meaningOf(status)} (status ${status})${said}`, {
    data,
    fix: fixFor(status),
  });
}

/**
 * Reads a Retry-After header.
 *
 * @param now epoch milliseconds
 * @returns milliseconds, at most an hour; undefined when there is none or it cannot be read
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX) : undefined;
}

function meaningOf(status: number): string {
  if (status === 401) return "the server does not accept the credentials";
  if (status === 403) return "the credentials are not allowed to do this";
  if (status === 404 || status === 410) return "there is no such repository, or the credentials may not see it";
  if (status === 413) return "the push is too large for the server";
  return "the server refuses the request";
}

function fixFor(status: number): string {
  if (status === 401) {
    return "Give a user name and password, or a token, that the server accepts and that has not expired.";
  }
  if (status === 403) return "Give the credentials read access, and write access where the agent is to push.";
  if (status === 404 || status === 410) return "Check the url, and that the credentials may read the repository.";
  return "Look into the log of the Git server or of the proxy in front of it.";
}
