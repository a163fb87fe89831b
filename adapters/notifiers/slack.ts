/**
 * Slack: an incoming webhook, or `chat.postMessage` with a bot's token. The payload is Flagger's, so that a channel
 * looks the same before and after.
 */
import { stringAt } from "../../src/core/kube_object.ts";
import { RejectedError, UnavailableError } from "../../src/errors.ts";
import type { HttpAnswer, HttpRequest } from "../../src/ports/http.ts";
import type { Notice, NotifierTarget } from "../../src/ports/notifier.ts";
import { checkStatus, jsonHeaders, NOTICE_TIMEOUT_MS, type Notifier, notifying, proxyOf, wordsOf } from "./notifier.ts";

/** Errors of Slack's API that pass. */
const PASSING_ERRORS = ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"];

/**
 * *Caveats*: the payload has no place for the notice's id, so a repeat after a crash shows twice.
 *
 * @see Slack, chat.postMessage: https://api.slack.com/methods/chat.postMessage
 */
export const slack = { id: "slack", request, check } satisfies Notifier;

function request(notice: Notice, target: NotifierTarget): HttpRequest {
  return {
    method: "POST",
    url: target.url,
    headers: jsonHeaders(target),
    body: JSON.stringify({
      channel: target.channel,
      username: target.username,
      icon_url: "",
      icon_emoji: ":rocket:",
      attachments: [{
        color: notice.severity === "error" ? "danger" : "good",
        author_name: notice.subject,
        text: notice.message,
        mrkdwn_in: ["text"],
        fields: notice.fields.map(({ name, value }) => ({ title: name, value, short: false })),
      }],
    }),
    timeoutMs: NOTICE_TIMEOUT_MS,
    ...proxyOf(target),
  };
}

/** A webhook answers "ok" as text, the API an object whose `ok` decides, under a status of 200. */
function check(answer: HttpAnswer, target: NotifierTarget): void {
  checkStatus("slack", answer, target);
  const error = apiError(answer.body);
  if (error === null) return;
  const message = `${notifying("slack", target)}: it answers ${wordsOf(error, target)}`;
  if (PASSING_ERRORS.includes(error)) throw new UnavailableError(message);
  throw new RejectedError(message, {
    fix: "Check the token, and that the bot is a member of the channel that the AlertProvider names.",
  });
}

/** "channel_not_found"; null when the answer is none of the API's, or says that all is well. */
function apiError(body: string): string | null {
  if (!body.trimStart().startsWith("{")) return null;
  try {
    const parsed: { readonly ok?: unknown } = JSON.parse(body);
    return parsed.ok === false ? stringAt(parsed, "error") ?? "an error without a name" : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
