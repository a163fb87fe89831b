/** Announcements over real HTTP on loopback: the bytes that a chat and an event webhook receive. */
import assert from "node:assert/strict";
import { webhook } from "../../adapters/gates/webhook.ts";
import { notifiers } from "../../adapters/notifiers/mod.ts";
import { machineClock } from "../../adapters/platform/clock.ts";
import { openHttp } from "../../adapters/platform/http.ts";
import { newState } from "../../src/core/state.ts";
import { serveLoopback } from "../../src/sandbox/loopback_server.ts";
import { createAnnouncer } from "../../src/telemetry/announce.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { aCanary } from "../support/builders.ts";

Deno.test("an announcement reaches chat and webhook once each, and a refusal is a line in the log", async () => {
  const received: { readonly path: string; readonly authorization: string | null; readonly body: unknown }[] = [];
  const server = serveLoopback(async (request) => {
    const path = new URL(request.url).pathname;
    received.push({ path, authorization: request.headers.get("authorization"), body: await request.json() });
    return new Response(path === "/refuses" ? "no_such_channel" : "ok", { status: path === "/refuses" ? 403 : 200 });
  });
  const http = openHttp({ clock: machineClock });
  const stop = new AbortController();
  const lines: string[] = [];
  try {
    const announcer = createAnnouncer({
      clock: machineClock,
      log: createLog({ clock: machineClock, write: (line) => lines.push(line) }),
      http,
      gate: webhook,
      notifiers,
      emitEvent: () => Promise.resolve(),
      readSecret: () => Promise.resolve({ address: `${server.url}/chat`, token: "xoxb-token" }),
      globalNotifier: null,
      clusterName: "eu-1",
      signal: stop.signal,
    });
    const provider = {
      id: { namespace: "prod", name: "chat" },
      source: { file: "a.yaml", line: 1 },
      type: "slack",
      address: null,
      secretName: "chat",
      channel: "ops",
      username: "serin",
      proxyUrl: null,
    };
    const refusing = { ...provider, secretName: null, address: `${server.url}/refuses` };
    const canary = aCanary({
      analysis: {
        alerts: [
          { name: "chat", severity: "info", provider },
          { name: "refusing", severity: "info", provider: refusing },
        ],
        webhooks: [{
          name: "events",
          url: `${server.url}/events`,
          type: "event",
          timeoutMs: 5_000,
          retries: 0,
          muteAlert: false,
          metadata: {},
          insecureSkipVerify: false,
        }],
      },
    });
    const state = { ...newState(canary.id, 0), phase: "progressing" as const };
    const announcement = {
      id: "prod/shop/r/rolling-back/failed",
      kind: "failed" as const,
      severity: "error" as const,
      message: "Failed checks threshold reached 3",
      alert: true,
      revision: "abc",
      weight: 0,
      details: { "request-success-rate": 91.5 },
    };
    await announcer.announce(canary, state, announcement);
    await announcer.announce(canary, state, announcement);
    await announcer.idle();
    const to = (path: string) => received.filter((one) => one.path === path);
    assert.equal(received.length, 3);
    assert.equal(to("/chat")[0]?.authorization, "Bearer xoxb-token");
    assert.match(JSON.stringify(to("/chat")[0]?.body), /"title":"request-success-rate","value":"91\.5"/);
    assert.match(JSON.stringify(to("/events")[0]?.body), /"eventMessage":"Failed checks threshold reached 3"/);
    const events = lines.map((line) => JSON.parse(line).event);
    assert.deepEqual(events, ["canary-failed", "alert-not-delivered"]);
    assert.ok(!lines.join("").includes("xoxb-token"));
  } finally {
    stop.abort();
    http.close();
    await server.down();
  }
});
