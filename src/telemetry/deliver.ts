/** Sends one notice to one place, a bounded number of times. */
import type { AlertProvider } from "../core/canary.ts";
import { InvalidSpecError, RejectedError, UnavailableError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Http, HttpAnswer } from "../ports/http.ts";
import type { Notice, NotifierAdapter, NotifierTarget } from "../ports/notifier.ts";

/** A row of the notifiers' table. `check` throws when an answer means no; without it, any 2xx means yes. */
export interface NotifierRow extends NotifierAdapter {
  readonly check?: (answer: HttpAnswer, target: NotifierTarget) => void;
}

export interface DeliverParts {
  readonly clock: Pick<Clock, "sleep">;
  readonly http: Http;
  /** undefined: no such type. */
  readonly row: NotifierRow | undefined;
  readonly type: string;
}

const ATTEMPTS_MAX = 3;
const FIRST_WAIT_MS = 1_000;
const WAIT_MAX_MS = 30_000;

/**
 * *Guarantees*: at most three attempts, only while the receiver may take it later.
 *
 * @throws {InvalidSpecError} no such notifier, or its target is not complete
 * @throws {RejectedError} the receiver refused for good
 * @throws {UnavailableError} the last attempt failed too
 */
export async function deliver(
  parts: DeliverParts,
  notice: Notice,
  to: { readonly target: (signal: AbortSignal) => Promise<NotifierTarget>; readonly signal: AbortSignal },
): Promise<void> {
  const { row } = parts;
  if (row === undefined) {
    throw new InvalidSpecError(`Cannot notify through alert type "${parts.type}": it is not known`);
  }
  for (let attempt = 1;; attempt++) {
    try {
      const target = await to.target(to.signal);
      const answer = await parts.http.send(row.request(notice, target), to.signal);
      return row.check === undefined ? checkStatus(parts.type, answer) : row.check(answer, target);
    } catch (error) {
      if (!(error instanceof UnavailableError) || attempt === ATTEMPTS_MAX) throw error;
      const waitMs = Math.max(error.retryAfterMs ?? 0, FIRST_WAIT_MS * 2 ** (attempt - 1));
      await parts.clock.sleep(Math.min(waitMs, WAIT_MAX_MS), to.signal);
    }
  }
}

function checkStatus(type: string, { status }: HttpAnswer): void {
  if (status >= 200 && status < 300) return;
  const message = `Cannot notify ${type}: it answers ${status}`;
  throw status === 429 || status >= 500 ? new UnavailableError(message) : new RejectedError(message);
}

/**
 * Where an AlertProvider sends to. Its Secret's `address` goes before the spec's.
 *
 * @throws {InvalidSpecError} no address; the message names the Secret, never what is in it
 */
export function targetOf(
  provider: AlertProvider,
  secret: Readonly<Record<string, string>> | undefined,
): NotifierTarget {
  const { id, secretName, address, channel, username, proxyUrl } = provider;
  const url = (secretName === null ? address : secret?.["address"] ?? address)?.trim() ?? "";
  if (url === "") {
    const why = secretName === null
      ? "it has neither address nor secretRef"
      : secret === undefined
      ? `Secret "${id.namespace}/${secretName}" does not exist`
      : `Secret "${id.namespace}/${secretName}" has no key "address"`;
    throw new InvalidSpecError(`Cannot notify through AlertProvider "${id.namespace}/${id.name}": ${why}`, {
      fix: 'Give the address in spec.address, or under the key "address" of the Secret.',
    });
  }
  const token = secret?.["token"]?.trim() ?? "";
  return { url, token: token === "" ? null : token, channel, username, proxyUrl };
}
