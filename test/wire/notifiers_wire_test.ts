/** Notices over real HTTP: what arrives, and which answers count as taken. */
import assert from "node:assert/strict";
import { notifiers } from "../../adapters/notifiers/mod.ts";
import { machineClock } from "../../adapters/platform/clock.ts";
import { openHttp } from "../../adapters/platform/http.ts";
import { RejectedError, SerinError, UnavailableError } from "../../src/errors.ts";
import type { Notice } from "../../src/ports/notifier.ts";
import { type RawAnswer, type RawServer, serveRaw } from "../support/raw_server.ts";

const NOTICE: Notice = {
  subject: "shop.prod",
  severity: "error",
  message: "Failed checks threshold reached 3",
  fields: [{ name: "Target", value: "Deployment/shop.prod" }],
  id: "prod/shop/7d9c/failed",
  canary: { namespace: "prod", name: "shop" },
  phase: "Failed",
  revision: "7d9c",
};

/** Sends the notice through a type and returns what the server saw; throws what the notifier throws. */
async function notify(type: string, answer: RawAnswer): Promise<RawServer["requests"]> {
  const notifier = notifiers.get(type);
  assert.ok(notifier !== undefined);
  const http = openHttp({ clock: machineClock });
  const server = serveRaw(answer);
  const url = `${server.origin}/services/geheim-path`;
  const target = { url, token: "geheim-token", channel: "ops", username: "serin", proxyUrl: null };
  try {
    notifier.check(await http.send(notifier.request(NOTICE, target)), target);
    return server.requests;
  } finally {
    http.close();
    await server.close();
  }
}

for (const type of notifiers.keys()) {
  Deno.test(`a notice arrives through ${type}, with its token`, async () => {
    const [request, ...more] = await notify(type, (connection) => connection.answer(200, "ok"));
    assert.equal(more.length, 0);
    assert.equal(request?.method, "POST");
    assert.equal(request?.target, "/services/geheim-path");
    assert.equal(request?.headers["authorization"], "Bearer geheim-token");
    assert.ok(JSON.stringify(request?.body).includes(NOTICE.message));
  });

  const refusals: readonly (readonly [what: string, answer: RawAnswer, kind: typeof SerinError])[] = [
    ["403", (connection) => connection.answer(403, "bad geheim-token for /services/geheim-path"), RejectedError],
    ["503", (connection) => connection.answer(503, "later"), UnavailableError],
    ["nothing", (connection) => connection.close(), UnavailableError],
  ];
  for (const [what, answer, kind] of refusals) {
    Deno.test(`a notice through ${type} that is answered ${what} throws ${kind.name} without secrets`, async () => {
      await assert.rejects(notify(type, answer), (error: unknown) => {
        assert.ok(error instanceof kind, String(error));
        assert.ok(!`${Deno.inspect(error)}${error.fix}`.includes("geheim"), Deno.inspect(error));
        return true;
      });
    });
  }
}

Deno.test("a notice that Slack answers with ok:false was not taken", async () => {
  await assert.rejects(
    notify("slack", (connection) => connection.answer(200, { ok: false, error: "invalid_auth" })),
    (error: unknown) => error instanceof RejectedError && error.message.endsWith("it answers invalid_auth"),
  );
});
