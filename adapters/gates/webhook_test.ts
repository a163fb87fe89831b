import assert from "node:assert/strict";
import type { WebhookSpec } from "../../src/core/canary.ts";
import type { GateQuestion } from "../../src/ports/gate.ts";
import { webhook } from "./webhook.ts";

function aQuestion(hook: Partial<WebhookSpec> = {}, event: GateQuestion["event"] = null): GateQuestion {
  return {
    webhook: {
      name: "load-test",
      url: "http://tester.test/",
      type: "rollout",
      timeoutMs: 5_000,
      retries: 2,
      muteAlert: false,
      metadata: {},
      insecureSkipVerify: false,
      ...hook,
    },
    canary: { namespace: "prod", name: "shop" },
    phase: "Progressing",
    revision: "7d9c5f8b6",
    event,
  };
}

Deno.test("webhook.request() sends Flagger's payload, without metadata when there is none", () => {
  assert.deepEqual(webhook.request(aQuestion()), {
    method: "POST",
    url: "http://tester.test/",
    headers: { "content-type": "application/json" },
    body: '{"name":"shop","namespace":"prod","phase":"Progressing","checksum":"7d9c5f8b6"}',
    timeoutMs: 5_000,
    retries: 2,
    insecureSkipVerify: false,
  });
});

Deno.test("webhook.request() sends metadata sorted by key", () => {
  const { body } = webhook.request(aQuestion({ metadata: { type: "cmd", cmd: "hey -z 1m http://shop-canary/" } }));
  assert.equal(
    body,
    '{"name":"shop","namespace":"prod","phase":"Progressing","checksum":"7d9c5f8b6",' +
      '"metadata":{"cmd":"hey -z 1m http://shop-canary/","type":"cmd"}}',
  );
});

Deno.test("webhook.request() of an event adds its entries, which the user's do not override", () => {
  const event = { eventMessage: "New revision", eventType: "Normal", timestamp: "1767225600000" };
  const { body } = webhook.request(aQuestion({ metadata: { env: "prod", eventType: "Mine" } }, event));
  assert.deepEqual(JSON.parse(String(body)).metadata, { env: "prod", ...event });
});

const ANSWERS: readonly (readonly [status: number, body: string, type: string, reason: string | undefined])[] = [
  [200, "OK", "open", undefined],
  [201, "", "open", undefined],
  [202, "Accepted", "open", undefined],
  [203, "", "closed", "it answers 203"],
  [204, "", "closed", "it answers 204"],
  [302, "", "closed", "it answers 302"],
  [400, " bad\n", "closed", "bad"],
  [403, "Forbidden", "closed", "Forbidden"],
  [404, "", "closed", "it answers 404"],
  [429, "slow down", "unknown", "slow down"],
  [500, "boom", "unknown", "boom"],
  [501, "not here", "unknown", "not here"],
  [503, "", "unknown", "it answers 503"],
];

for (const [status, body, type, reason] of ANSWERS) {
  Deno.test(`webhook.parse() takes ${status} ${JSON.stringify(body)} for ${type}`, () => {
    assert.deepEqual(webhook.parse({ status, headers: {}, body }), reason === undefined ? { type } : { type, reason });
  });
}

Deno.test("webhook.parse() bounds the reason, between two characters", () => {
  const reason = (body: string) => {
    const answer = webhook.parse({ status: 403, headers: {}, body });
    return answer.type === "open" ? "" : answer.reason;
  };
  assert.equal(reason("x".repeat(1024)), "x".repeat(1024));
  assert.equal(reason("x".repeat(1025)), `${"x".repeat(1024)}…`);
  assert.equal(reason(`x${"ä".repeat(1000)}`), `x${"ä".repeat(511)}…`);
});

Deno.test("webhook.parse() takes a 500 of a test for its failure, and of a gate for no answer", () => {
  const answer = { status: 500, headers: {}, body: "acceptance test failed" };
  for (const type of ["pre-rollout", "rollout"] as const) {
    assert.deepEqual(webhook.parse(answer, type), { type: "closed", reason: "acceptance test failed" });
  }
  for (const type of ["confirm-rollout", "confirm-promotion", "rollback"] as const) {
    assert.deepEqual(webhook.parse(answer, type), { type: "unknown", reason: "acceptance test failed" });
  }
});
