import assert from "node:assert/strict";
import type { Announcement } from "../core/action.ts";
import type { AlertProvider, Canary, Severity, WebhookSpec } from "../core/canary.ts";
import { newState } from "../core/state.ts";
import { UnavailableError } from "../errors.ts";
import type { HttpAnswer, HttpRequest } from "../ports/http.ts";
import { aCanary } from "../../test/support/builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { slack } from "../../adapters/notifiers/slack.ts";
import { webhook } from "../../adapters/gates/webhook.ts";
import { type AnnouncerParts, createAnnouncer, type EventNote } from "./announce.ts";
import { createLog } from "./log.ts";

function anAnnouncement(overrides: Partial<Announcement> = {}): Announcement {
  return {
    id: "prod/shop/run/progressing/advanced",
    kind: "advanced",
    severity: "info",
    message: "Advance to 20",
    alert: false,
    revision: "abc",
    weight: 20,
    details: {},
    ...overrides,
  };
}

function provider(overrides: Partial<AlertProvider> = {}): AlertProvider {
  return {
    id: { namespace: "chat", name: "slack" },
    source: { file: "a.yaml", line: 1 },
    type: "slack",
    address: "https://chat.example.com/hook",
    secretName: null,
    channel: "ops",
    username: "serin",
    proxyUrl: null,
    ...overrides,
  };
}

function canaryWith(analysis: Partial<Pick<Canary["analysis"], "alerts" | "webhooks" | "strategy">>): Canary {
  return aCanary({ analysis });
}

function eventHook(url: string): WebhookSpec {
  return {
    name: "events",
    url,
    type: "event",
    timeoutMs: 10_000,
    retries: 0,
    muteAlert: false,
    metadata: { team: "shop", eventType: "mine" },
    insecureSkipVerify: false,
  };
}

/** An announcer in a world that only remembers what reached it. */
function world(overrides: Partial<AnnouncerParts> = {}) {
  const stop = new AbortController();
  const clock = new ManualClock();
  const lines: string[] = [];
  const events: EventNote[] = [];
  const received: HttpRequest[] = [];
  const ends: string[] = [];
  const answer: HttpAnswer = { status: 200, headers: {}, body: "ok" };
  const announcer = createAnnouncer({
    clock,
    log: createLog({ clock, write: (line) => lines.push(line) }),
    http: {
      send(request) {
        received.push(request);
        return Promise.resolve(answer);
      },
    },
    gate: webhook,
    notifiers: new Map([["slack", slack]]),
    emitEvent(note) {
      events.push(note);
      return Promise.resolve();
    },
    readSecret: () => Promise.resolve(undefined),
    globalNotifier: null,
    clusterName: "eu-1",
    metrics: { rolloutEnded: ({ outcome }) => ends.push(outcome) },
    signal: stop.signal,
    ...overrides,
  });
  return { announcer, clock, lines, events, received, ends, stop };
}

const state = { ...newState({ namespace: "prod", name: "shop" }, 0), phase: "progressing" as const };

function bodies(received: readonly HttpRequest[]): readonly unknown[] {
  return received.map(({ body }) => JSON.parse(String(body)));
}

Deno.test("announce() leaves a line, an event on the target and an entry in the recent list", async () => {
  const { announcer, lines, events } = world({ uidOf: (ref) => (ref.kind === "Deployment" ? "u-1" : undefined) });
  await announcer.announce(aCanary(), state, anAnnouncement({ kind: "rolling-back", severity: "warn" }));
  const line = JSON.parse(lines.join(""));
  assert.deepEqual(
    [line.level, line.event, line.canary, line.revision, line.phase],
    ["warn", "canary-rolling-back", "prod/shop", "abc", "progressing"],
  );
  assert.deepEqual(events.map(({ regarding, type, reason }) => ({ regarding, type, reason })), [{
    regarding: { apiVersion: "apps/v1", kind: "Deployment", namespace: "prod", name: "shop", uid: "u-1" },
    type: "Warning",
    reason: "RollingBack",
  }]);
  assert.deepEqual(announcer.recent("prod/shop").map(({ kind, message }) => [kind, message]), [
    ["rolling-back", "Advance to 20"],
  ]);
});

Deno.test("announce() also marks the Canary object where one is in the cluster", async () => {
  const { announcer, events } = world({ uidOf: ({ kind }) => `uid-${kind}` });
  await announcer.announce(aCanary(), state, anAnnouncement());
  assert.deepEqual(events.map(({ regarding }) => regarding.uid), ["uid-Deployment", "uid-Canary"]);
});

Deno.test("announce() tells an id once, whatever kinds of telling it has", async () => {
  const { announcer, lines, events, received, ends } = world();
  const canary = canaryWith({ alerts: [{ name: "a", severity: "info", provider: provider() }] });
  for (let repeat = 0; repeat < 3; repeat++) {
    await announcer.announce(canary, state, anAnnouncement({ kind: "succeeded", alert: true }));
  }
  await announcer.idle();
  assert.deepEqual([lines.length, events.length, received.length, ends.length], [1, 1, 1, 1]);
});

Deno.test("an event that cannot be written is a line in the log, and the rest is told", async () => {
  const { announcer, lines, received } = world({
    emitEvent: () => Promise.reject(new UnavailableError("Cannot create: no answer")),
    globalNotifier: {
      type: "slack",
      target: { url: "https://chat.example.com/g", token: null, channel: "ops", username: "serin", proxyUrl: null },
    },
  });
  await announcer.announce(aCanary(), state, anAnnouncement({ alert: true }));
  await announcer.idle();
  assert.deepEqual(lines.map((line) => JSON.parse(line).event), ["canary-advanced", "event-not-written"]);
  assert.equal(received.length, 1);
});

const FILTERS: readonly (readonly [Severity, Severity, boolean])[] = [
  ["info", "info", true],
  ["info", "warn", true],
  ["info", "error", true],
  ["warn", "info", false],
  ["warn", "warn", true],
  ["warn", "error", true],
  ["error", "info", false],
  ["error", "warn", false],
  ["error", "error", true],
];

for (const [wanted, severity, isSent] of FILTERS) {
  Deno.test(`an alert of severity ${wanted} ${isSent ? "gets" : "does not get"} ${severity}`, async () => {
    const { announcer, received } = world();
    const canary = canaryWith({ alerts: [{ name: "a", severity: wanted, provider: provider() }] });
    await announcer.announce(canary, state, anAnnouncement({ severity, alert: true }));
    await announcer.idle();
    assert.equal(received.length, isSent ? 1 : 0);
  });
}

Deno.test("the global notifier hears only of canaries without alerts of their own, and only of alerts", async () => {
  const target = { url: "https://global.example.com/", token: null, channel: "ops", username: "s", proxyUrl: null };
  const { announcer, received } = world({ globalNotifier: { type: "slack", target } });
  const own = canaryWith({ alerts: [{ name: "a", severity: "info", provider: provider() }] });
  await announcer.announce(aCanary(), state, anAnnouncement({ id: "1", alert: true }));
  await announcer.announce(aCanary(), state, anAnnouncement({ id: "2", alert: false }));
  await announcer.announce(own, state, anAnnouncement({ id: "3", alert: true }));
  await announcer.idle();
  assert.deepEqual(received.map(({ url }) => url), ["https://global.example.com/", "https://chat.example.com/hook"]);
});

Deno.test("an alert at the start of a rollout has Flagger's fields, the cluster first", async () => {
  const { announcer, received } = world();
  const canary = canaryWith({ alerts: [{ name: "a", severity: "info", provider: provider() }] });
  await announcer.announce(canary, state, anAnnouncement({ kind: "started", alert: true }));
  await announcer.idle();
  assert.deepEqual(bodies(received), [{
    channel: "ops",
    username: "serin",
    icon_url: "",
    icon_emoji: ":rocket:",
    attachments: [{
      color: "good",
      author_name: "shop.prod",
      text: "Advance to 20",
      mrkdwn_in: ["text"],
      fields: [
        { title: "Cluster", value: "eu-1", short: false },
        { title: "Target", value: "Deployment/shop.prod", short: false },
        { title: "Failed checks threshold", value: "3", short: false },
        { title: "Progress deadline", value: "600s", short: false },
        { title: "Traffic routing", value: "Weight step: 10 max: 50", short: false },
      ],
    }],
  }]);
});

const ROUTINGS: readonly (readonly [Canary["analysis"]["strategy"], string])[] = [
  [{ type: "weights", steps: [20, 40, 50], stepWeightPromotion: 0 }, "Weight step: 20 max: 50"],
  [{ type: "weights", steps: [1, 10, 80], stepWeightPromotion: 0 }, "Weight steps: 1,10,80 max: 80"],
  [{ type: "ab", iterations: 5, match: [] }, "A/B Testing"],
  [{ type: "blue-green", iterations: 5 }, "Blue/Green"],
];

for (const [strategy, words] of ROUTINGS) {
  Deno.test(`the traffic routing of an alert reads "${words}"`, async () => {
    const { announcer, received } = world();
    const canary = canaryWith({ strategy, alerts: [{ name: "a", severity: "info", provider: provider() }] });
    await announcer.announce(canary, state, anAnnouncement({ kind: "started", alert: true }));
    await announcer.idle();
    assert.ok(String(received[0]?.body).includes(`"value":"${words}"`), String(received[0]?.body));
  });
}

Deno.test("a provider's Secret gives address and token, and neither reaches the log", async () => {
  const secret = { address: "https://chat.example.com/secret-path", token: "very-secret" };
  const { announcer, received, lines } = world({
    readSecret: ({ namespace, name }) => Promise.resolve(`${namespace}/${name}` === "chat/s" ? secret : undefined),
  });
  const canary = canaryWith({
    alerts: [
      { name: "a", severity: "info", provider: provider({ secretName: "s", address: null }) },
      { name: "b", severity: "info", provider: provider({ secretName: "gone", address: null }) },
    ],
  });
  await announcer.announce(canary, state, anAnnouncement({ alert: true }));
  await announcer.idle();
  assert.deepEqual(received.map(({ url, headers }) => [url, headers?.["authorization"]]), [
    ["https://chat.example.com/secret-path", "Bearer very-secret"],
  ]);
  assert.ok(lines.join("").includes('Secret \\"chat/gone\\" does not exist'), lines.join(""));
  assert.ok(!lines.join("").includes("very-secret"));
});

Deno.test("an alert is tried three times while its receiver is down, then given up", async () => {
  let attempts = 0;
  const { announcer, clock, lines } = world({
    http: {
      send() {
        attempts += 1;
        return Promise.resolve({ status: 503, headers: {}, body: "" });
      },
    },
  });
  const canary = canaryWith({ alerts: [{ name: "a", severity: "info", provider: provider() }] });
  await announcer.announce(canary, state, anAnnouncement({ alert: true }));
  await clock.advance(60_000);
  await announcer.idle();
  assert.equal(attempts, 3);
  assert.equal(JSON.parse(lines.at(-1) ?? "").event, "alert-not-delivered");
});

Deno.test("an event webhook gets Flagger's payload, whose own entries metadata cannot change", async () => {
  const { announcer, received } = world();
  const canary = canaryWith({ webhooks: [eventHook("https://hooks.example.com/e")] });
  await announcer.announce(canary, state, anAnnouncement({ severity: "error" }));
  await announcer.idle();
  assert.deepEqual(bodies(received), [{
    name: "shop",
    namespace: "prod",
    phase: "Progressing",
    checksum: "abc",
    metadata: { eventMessage: "Advance to 20", eventType: "Warning", team: "shop", timestamp: "1767225600000" },
  }]);
});

Deno.test("a receiver that never answers delays neither the turn nor another canary", async () => {
  const told: string[] = [];
  const { announcer, stop } = world({
    http: {
      send(request, signal) {
        if (request.url.includes("slow")) {
          return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
        }
        told.push(request.url);
        return Promise.resolve({ status: 200, headers: {}, body: "" });
      },
    },
  });
  const slow = canaryWith({ webhooks: [eventHook("https://slow.example.com/")] });
  const other = aCanary({ id: { name: "cart" }, analysis: { webhooks: [eventHook("https://fast.example.com/")] } });
  await announcer.announce(slow, state, anAnnouncement({ id: "1" }));
  await announcer.announce(other, state, anAnnouncement({ id: "2" }));
  await new ManualClock().advance(0);
  assert.deepEqual(told, ["https://fast.example.com/"]);
  stop.abort();
  await announcer.idle();
});

Deno.test("of a receiver that never answers, at most 50 messages wait, and the log names those dropped", async () => {
  const { announcer, stop, lines } = world({
    http: {
      send: (_, signal) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    },
  });
  const slow = canaryWith({ webhooks: [eventHook("https://slow.example.com/")] });
  for (let index = 0; index < 60; index++) {
    await announcer.announce(slow, state, anAnnouncement({ id: `n${index}`, message: `n${index}` }));
  }
  const dropped = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "announcement-dropped");
  assert.deepEqual(dropped.map(({ announcement }) => announcement), [
    "n1",
    "n2",
    "n3",
    "n4",
    "n5",
    "n6",
    "n7",
    "n8",
    "n9",
  ]);
  assert.equal(announcer.recent("prod/shop").length, 50);
  assert.equal(announcer.recent("prod/shop")[0]?.message, "n59");
  announcer.forget("prod/shop");
  assert.deepEqual(announcer.recent("prod/shop"), []);
  stop.abort();
  await announcer.idle();
});

Deno.test("rollouts are counted by how they end, and other announcements are not", async () => {
  const { announcer, ends } = world();
  for (const kind of ["started", "succeeded", "failed", "held", "cancelled", "initialised", "advanced"] as const) {
    await announcer.announce(aCanary(), state, anAnnouncement({ id: kind, kind }));
  }
  assert.deepEqual(ends, ["succeeded", "failed", "held", "cancelled", "initialised"]);
});
