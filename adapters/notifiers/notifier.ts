/**
 * What a row of the notifiers' table is: the port, and how an answer is read, since some places say "no" with a status
 * of 200.
 */
import type { HttpAnswer } from "../../src/ports/http.ts";
import type { NotifierAdapter, NotifierTarget } from "../../src/ports/notifier.ts";
import { errorOfStatus, originOf, quoteWords } from "../http_status.ts";

export interface Notifier extends NotifierAdapter {
  /**
   * Returns when the notice was taken.
   *
   * @throws {RejectedError} it was refused for good: wrong token, no such channel
   * @throws {UnavailableError} it may be taken later
   */
  readonly check: (answer: HttpAnswer, target: NotifierTarget) => void;
}

/** "Cannot notify slack at "https://hooks.slack.com"": what an error of a notifier begins with. */
export function notifying(id: string, target: NotifierTarget): string {
  return `Cannot notify ${id} at "${originOf(target.url)}"`;
}

/** Takes 2xx for success, whatever the body. */
export function checkStatus(id: string, answer: HttpAnswer, target: NotifierTarget): void {
  if (answer.status >= 200 && answer.status < 300) return;
  throw errorOfStatus(answer, {
    what: notifying(id, target),
    words: wordsOf(answer.body, target),
    credentialsFix: "Check the address and the token in the Secret of the AlertProvider.",
    fix: "Check the address of the AlertProvider.",
  });
}

/** A server's words for a message; pages of HTML say nothing of use. The address itself may be a secret. */
export function wordsOf(body: string, target: NotifierTarget): string {
  if (body.trimStart().startsWith("<")) return "";
  const path = URL.parse(target.url)?.pathname ?? "";
  return quoteWords(body, [
    target.url,
    ...(path.length > 1 ? [path] : []),
    ...(target.token === null ? [] : [target.token]),
  ]);
}

/** Headers of a JSON body, with the token where one is given. */
export function jsonHeaders(target: NotifierTarget): Readonly<Record<string, string>> {
  const token = target.token?.trim() ?? "";
  return { "content-type": "application/json", ...(token === "" ? {} : { authorization: `Bearer ${token}` }) };
}

/** As in Flagger: one attempt of 5 s; a notice that failed is announced again by the shell, with the same id. */
export const NOTICE_TIMEOUT_MS = 5_000;

/** The proxy of a target as a request names it. */
export function proxyOf(target: NotifierTarget): { readonly proxyUrl?: string } {
  return target.proxyUrl === null ? {} : { proxyUrl: target.proxyUrl };
}
