/**
 * Flagger's webhooks: a POST that a server lets pass or not. The payload is Flagger's, byte for byte where JSON leaves a
 * choice of order, so that its load tester and every handler written for it go on working.
 */
import type { WebhookType } from "../../src/core/canary.ts";
import type { HttpAnswer, HttpRequest } from "../../src/ports/http.ts";
import type { GateAdapter, GateAnswer, GateQuestion } from "../../src/ports/gate.ts";
import { isTransient } from "../http_status.ts";

/** Of the answer that is given as the reason, bytes of UTF-8. */
const REASON_BYTES_MAX = 1024;

/**
 * Open is a status of 200, 201 or 202, as in Flagger. Whatever else the server decided is closed, with its words as the
 * reason; 408, 429 and 5xx, which are left after the retries, are unknown, also with its words; but a 500 from a
 * pre-rollout or rollout hook is a test that failed.
 *
 * @see Flagger, webhooks: https://docs.flagger.app/usage/webhooks
 */
export const webhook = { id: "webhook", request, parse } satisfies GateAdapter;

function request({ webhook, canary, phase, revision, event }: GateQuestion): HttpRequest {
  const metadata = sorted({ ...webhook.metadata, ...event });
  return {
    method: "POST",
    url: webhook.url,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      name: canary.name,
      namespace: canary.namespace,
      phase,
      checksum: revision,
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    }),
    timeoutMs: webhook.timeoutMs,
    retries: webhook.retries,
    insecureSkipVerify: webhook.insecureSkipVerify,
  };
}

function parse(answer: HttpAnswer, type?: WebhookType): GateAnswer {
  if (answer.status >= 200 && answer.status <= 202) return { type: "open" };
  const words = bounded(answer.body.trim());
  const reason = words === "" ? `it answers ${answer.status}` : words;
  // Flagger's load tester answers 500 when an acceptance test or a blocking task has failed.
  const isFailedTest = answer.status === 500 && (type === "pre-rollout" || type === "rollout");
  const isUndecided = !isFailedTest && (isTransient(answer.status) || answer.status >= 500);
  return { type: isUndecided ? "unknown" : "closed", reason };
}

/** By key, as Go writes maps. */
function sorted(map: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** The first KiB of a text, cut between two characters. */
function bounded(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength <= REASON_BYTES_MAX) return text;
  // In a stream, a character whose end is missing is kept back.
  return `${new TextDecoder().decode(bytes.subarray(0, REASON_BYTES_MAX), { stream: true })}…`;
}
