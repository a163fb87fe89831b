/** Webhooks over real HTTP: open, closed and unknown, and how long it takes to find out. */
import assert from "node:assert/strict";
import { webhook } from "../../adapters/gates/webhook.ts";
import { openHttp } from "../../adapters/platform/http.ts";
import type { WebhookSpec } from "../../src/core/canary.ts";
import { UnavailableError } from "../../src/errors.ts";
import type { GateAnswer } from "../../src/ports/gate.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawAnswer, type RawServer, serveRaw } from "../support/raw_server.ts";
import { until } from "../support/until.ts";

interface Asked {
  readonly answer: Promise<GateAnswer>;
  readonly clock: ManualClock;
  readonly server: RawServer;
}

/** Asks once, as the shell does, and closes everything after `run`. */
async function ask(
  answer: RawAnswer,
  hook: Partial<WebhookSpec>,
  run: (asked: Asked) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const http = openHttp({ clock });
  const server = serveRaw(answer);
  const spec: WebhookSpec = {
    name: "approve",
    url: `${server.origin}/gate/check`,
    type: "confirm-rollout",
    timeoutMs: 10_000,
    retries: 0,
    muteAlert: false,
    metadata: { team: "shop" },
    insecureSkipVerify: false,
    ...hook,
  };
  const question = { webhook: spec, canary: { namespace: "prod", name: "shop" }, phase: "Waiting", revision: "7d9c" };
  const sent = http.send(webhook.request({ ...question, event: null })).then(webhook.parse);
  try {
    await run({ answer: sent, clock, server });
  } finally {
    http.close();
    await server.close();
  }
}

const ANSWERED: readonly (readonly [status: number, body: string, want: GateAnswer])[] = [
  [200, "OK", { type: "open" }],
  [202, "Accepted", { type: "open" }],
  [203, "", { type: "closed", reason: "it answers 203" }],
  [403, "Forbidden", { type: "closed", reason: "Forbidden" }],
  [500, "no task", { type: "unknown", reason: "no task" }],
];

for (const [status, body, want] of ANSWERED) {
  Deno.test(`a webhook that answers ${status} is ${want.type}`, async () => {
    await ask((connection) => connection.answer(status, body), {}, async ({ answer, server }) => {
      assert.deepEqual(await answer, want);
      const [request] = server.requests;
      assert.equal(request?.headers["content-type"], "application/json");
      assert.deepEqual(request?.body, {
        name: "shop",
        namespace: "prod",
        phase: "Waiting",
        checksum: "7d9c",
        metadata: { team: "shop" },
      });
    });
  });
}

Deno.test("a webhook that hangs is not known after its own time-out, each attempt anew", async () => {
  await ask(() => {}, { timeoutMs: 3_000, retries: 1 }, async ({ answer, clock, server }) => {
    const failed = assert.rejects(
      answer,
      (error: unknown) => error instanceof UnavailableError && /no answer within 3000 ms$/.test(error.message),
    );
    await until("it was asked", () => server.requests.length === 1);
    await clock.advance(3_000);
    await until("it waits", () => clock.nextDueMs() === 1_000);
    await clock.advance(1_000);
    await until("it was asked again", () => server.requests.length === 2);
    await clock.advance(3_000);
    await failed;
  });
});

Deno.test("a webhook that fails first opens at a retry, when Retry-After allows it", async () => {
  const answers: RawAnswer = (connection, _request, nth) =>
    nth === 1 ? connection.answer(503, "", { "retry-after": "20" }) : connection.answer(200, "OK");
  await ask(answers, { retries: 2 }, async ({ answer, clock, server }) => {
    await until("it waits", () => clock.nextDueMs() === 20_000);
    assert.equal(server.requests.length, 1);
    await clock.advance(20_000);
    assert.deepEqual(await answer, { type: "open" });
    assert.equal(server.requests.length, 2);
  });
});

Deno.test("a webhook that says no is not asked again, and its reason is bounded", async () => {
  const answers: RawAnswer = (connection) => connection.answer(403, "x".repeat(100_000));
  await ask(answers, { retries: 5 }, async ({ answer, server }) => {
    const said = await answer;
    assert.equal(said.type === "closed" ? said.reason : "", `${"x".repeat(1024)}…`);
    assert.equal(server.requests.length, 1);
  });
});
