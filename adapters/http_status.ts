/**
 * What a status that is not a success means, the same for every adapter on HTTP: no for good, or not now. Also the two
 * things their messages need: a place without its secrets, and a bounded quotation of what a server said. Pure.
 */
import { RejectedError, type SerinError, UnavailableError } from "../src/errors.ts";
import type { HttpAnswer } from "../src/ports/http.ts";

/** Characters of a server's own words that a message carries. */
const QUOTED_CHARACTERS_MAX = 300;

/** Whether the same request may be answered otherwise later: 408, 429, and 5xx but 501. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/**
 * The wish of a `Retry-After` header in milliseconds from now, never negative; undefined where there is none that can
 * be read.
 *
 * @param now epoch milliseconds, for the form that names a date
 * @see RFC 9110, section 10.2.3
 */
export function retryAfterMs(headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const written = headers["retry-after"]?.trim();
  if (written === undefined || written === "") return undefined;
  if (/^\d{1,9}$/.test(written)) return Number(written) * 1000;
  // The runtime takes "1.5" and "-5" for dates; those of HTTP begin with the day's name.
  const at = /^[A-Z][a-z]{2}/.test(written) ? Date.parse(written) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

export interface RefusalOptions {
  /** What could not be done, with its place: `Cannot query Prometheus at "https://prom.example.com"`. */
  readonly what: string;
  /** The server's own words, already bounded and without secrets; empty when it said nothing of use. */
  readonly words?: string;
  /** What to do about refused credentials. */
  readonly credentialsFix: string;
  /** What to do about any other answer that is no for good. */
  readonly fix: string;
  /** Epoch milliseconds, to read `Retry-After`; without it that is left out. */
  readonly now?: number;
}

/** The error of an answer that is not a success: UnavailableError when it is transient, else RejectedError. */
export function errorOfStatus(answer: HttpAnswer, options: RefusalOptions): SerinError {
  const { status } = answer;
  const said = options.words === undefined || options.words === "" ? "" : `: ${options.words}`;
  const message = `${options.what}: it answers ${status}${said}`;
  const data = { status };
  if (isTransient(status)) {
    const wish = options.now === undefined ? undefined : retryAfterMs(answer.headers, options.now);
    return new UnavailableError(message, { data, ...(wish === undefined ? {} : { retryAfterMs: wish }) });
  }
  const refused = status === 401 || status === 403 || status === 407;
  return new RejectedError(message, { data, fix: refused ? options.credentialsFix : options.fix });
}

/** "https://prom.example.com:9090": where a URL leads, without its path, query and userinfo, which may hold secrets. */
export function originOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null || parsed.host === "" ? "an address that is not a URL" : `${parsed.protocol}//${parsed.host}`;
}

/** A server's words on one line, at most 300 characters, with each of `secrets` blotted out. */
export function quoteWords(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.trim() !== "") clean = clean.replaceAll(secret.trim(), "[redacted]");
  }
  const line = clean.replaceAll(/\s+/g, " ").trim();
  return line.length <= QUOTED_CHARACTERS_MAX ? line : `${line.slice(0, QUOTED_CHARACTERS_MAX)}…`;
}
