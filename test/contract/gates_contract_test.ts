/** What every way to ask a gate must do, run over the table: see style guide, section 9. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { gates } from "../../adapters/gates/mod.ts";
import type { WebhookType } from "../../src/core/canary.ts";
import type { GateQuestion } from "../../src/ports/gate.ts";
import { adapterFiles } from "../support/adapter_files.ts";
import { frozen } from "../support/builders.ts";

const TYPES: readonly WebhookType[] = [
  ...["confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"] as const,
  ...["post-rollout", "rollback", "event"] as const,
];

function aQuestion(type: WebhookType): GateQuestion {
  return frozen({
    webhook: {
      name: "hook",
      url: "https://hooks.example.com/gate?key=k",
      type,
      timeoutMs: 7_000,
      retries: 3,
      muteAlert: false,
      metadata: { b: "2", a: "1" },
      insecureSkipVerify: true,
    },
    canary: { namespace: "prod", name: "shop" },
    phase: "Progressing",
    revision: "7d9c",
    event: type === "event" ? { eventMessage: "m", eventType: "Normal", timestamp: "1" } : null,
  });
}

for (const [id, gate] of gates) {
  for (const type of TYPES) {
    Deno.test(`request() of ${id} for ${type} is the same twice and keeps to the hook's settings`, () => {
      const request = gate.request(aQuestion(type));
      assert.deepEqual(gate.request(aQuestion(type)), request);
      assert.equal(request.url, "https://hooks.example.com/gate?key=k");
      assert.deepEqual([request.timeoutMs, request.retries, request.insecureSkipVerify], [7_000, 3, true]);
    });
  }

  Deno.test(`parse() of ${id} opens only for 200, 201 and 202, and closes for no outage`, () => {
    const answer = fc.record({ status: fc.integer({ min: 100, max: 599 }), body: fc.string({ maxLength: 5_000 }) });
    fc.assert(fc.property(answer, ({ status, body }) => {
      const said = gate.parse(frozen({ status, headers: {}, body }));
      assert.equal(said.type === "open", status >= 200 && status <= 202);
      if (status >= 500) assert.equal(said.type, "unknown");
      if (status >= 300 && status < 500 && ![408, 429].includes(status)) assert.equal(said.type, "closed");
      if (said.type === "open") return;
      assert.notEqual(said.reason.trim(), "");
      assert.ok(new TextEncoder().encode(said.reason).byteLength <= 1024 + 3);
    }));
  });
}

Deno.test("the table of gates equals its folder and is in order", () => {
  assert.deepEqual([...gates.keys()], adapterFiles("gates"));
  assert.deepEqual([...gates.keys()], [...gates.values()].map(({ id }) => id));
});
