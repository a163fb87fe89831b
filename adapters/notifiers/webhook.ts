/**
 * A notice as plain JSON, for receivers of one's own. The body is part of what we promise:
 *
 * ```json
 * {"id":"…","canary":{"namespace":"prod","name":"shop"},"phase":"Failed","revision":"3f1c…","severity":"error",
 *  "message":"Failed checks threshold reached 3","fields":[{"name":"Target","value":"Deployment/shop.prod"}]}
 * ```
 *
 * The same `id` may come twice after a crash and means the same notice. A `token` of the Secret is sent as Bearer; any
 * status of 2xx is a receipt. `severity` is "info", "warn" or "error"; keys may be added, none will change.
 */
import type { HttpAnswer, HttpRequest } from "../../src/ports/http.ts";
import type { Notice, NotifierTarget } from "../../src/ports/notifier.ts";
import { checkStatus, jsonHeaders, NOTICE_TIMEOUT_MS, type Notifier, proxyOf } from "./notifier.ts";

/** Our own format; the receiver tells repeats by `id`. */
export const webhook = { id: "webhook", request, check } satisfies Notifier;

function request(notice: Notice, target: NotifierTarget): HttpRequest {
  const { id, canary, phase, revision, severity, message, fields } = notice;
  return {
    method: "POST",
    url: target.url,
    headers: jsonHeaders(target),
    body: JSON.stringify({
      id,
      canary: { namespace: canary.namespace, name: canary.name },
      phase,
      revision,
      severity,
      message,
      fields: fields.map(({ name, value }) => ({ name, value })),
    }),
    timeoutMs: NOTICE_TIMEOUT_MS,
    ...proxyOf(target),
  };
}

function check(answer: HttpAnswer, target: NotifierTarget): void {
  checkStatus("webhook", answer, target);
}
