import assert from "node:assert/strict";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type { Notice, NotifierTarget } from "../../src/ports/notifier.ts";
import { notifierOf } from "./mod.ts";
import { slack } from "./slack.ts";
import { webhook } from "./webhook.ts";

function aNotice(more: Partial<Notice> = {}): Notice {
  return {
    subject: "shop.prod",
    severity: "info",
    message: "New revision detected, progressing canary analysis.",
    fields: [{ name: "Cluster", value: "eu-1" }],
    id: "prod/shop/7d9c/progressing",
    canary: { namespace: "prod", name: "shop" },
    phase: "Progressing",
    revision: "7d9c5f8b6",
    ...more,
  };
}

function aTarget(more: Partial<NotifierTarget> = {}): NotifierTarget {
  const url = "https://hooks.slack.com/services/T0/B0/geheim";
  return { url, token: null, channel: "ops", username: "flagger", proxyUrl: null, ...more };
}

Deno.test("slack.request() sends Flagger's payload", () => {
  const request = slack.request(aNotice(), aTarget());
  assert.equal(
    request.body,
    '{"channel":"ops","username":"flagger","icon_url":"","icon_emoji":":rocket:","attachments":[{"color":"good",' +
      '"author_name":"shop.prod","text":"New revision detected, progressing canary analysis.","mrkdwn_in":["text"],' +
      '"fields":[{"title":"Cluster","value":"eu-1","short":false}]}]}',
  );
  assert.deepEqual(request.headers, { "content-type": "application/json" });
  assert.equal(request.timeoutMs, 5_000);
  assert.equal(Object.hasOwn(request, "proxyUrl"), false);
});

for (const [severity, colour] of [["info", "good"], ["warn", "good"], ["error", "danger"]] as const) {
  Deno.test(`slack.request() shows ${severity} as ${colour}`, () => {
    const body = JSON.parse(String(slack.request(aNotice({ severity, fields: [] }), aTarget()).body));
    assert.equal(body.attachments[0].color, colour);
    assert.deepEqual(body.attachments[0].fields, []);
  });
}

Deno.test("slack.request() sends the token as Bearer, through the proxy", () => {
  const request = slack.request(aNotice(), aTarget({ token: "xoxb-1\n", proxyUrl: "http://proxy:3128" }));
  assert.equal(request.headers?.["authorization"], "Bearer xoxb-1");
  assert.equal(request.proxyUrl, "http://proxy:3128");
});

Deno.test("webhook.request() sends the documented body", () => {
  assert.deepEqual(JSON.parse(String(webhook.request(aNotice(), aTarget()).body)), {
    id: "prod/shop/7d9c/progressing",
    canary: { namespace: "prod", name: "shop" },
    phase: "Progressing",
    revision: "7d9c5f8b6",
    severity: "info",
    message: "New revision detected, progressing canary analysis.",
    fields: [{ name: "Cluster", value: "eu-1" }],
  });
});

type Kind = typeof RejectedError | typeof UnavailableError;
const ANSWERS: readonly (readonly [status: number, body: string, slack: Kind | null, webhook: Kind | null])[] = [
  [200, "ok", null, null],
  [200, "", null, null],
  [204, "", null, null],
  [200, '{"ok":true,"ts":"1"}', null, null],
  [200, "{nonsense", null, null],
  [200, '{"ok":false,"error":"channel_not_found"}', RejectedError, null],
  [200, '{"ok":false}', RejectedError, null],
  [200, '{"ok":false,"error":"ratelimited"}', UnavailableError, null],
  [302, "", RejectedError, RejectedError],
  [403, "invalid_token", RejectedError, RejectedError],
  [404, "no_service", RejectedError, RejectedError],
  [429, "", UnavailableError, UnavailableError],
  [500, "<html>oops</html>", UnavailableError, UnavailableError],
];

for (const [status, body, ...kinds] of ANSWERS) {
  for (const [index, notifier] of [slack, webhook].entries()) {
    const kind = kinds[index] ?? null;
    Deno.test(`${notifier.id}.check() takes ${status} ${JSON.stringify(body)} for ${kind?.name ?? "a receipt"}`, () => {
      const check = () => notifier.check({ status, headers: {}, body }, aTarget());
      if (kind === null) return check();
      assert.throws(check, (error: unknown) => {
        assert.ok(error instanceof kind, String(error));
        assert.ok(error.message.startsWith(`Cannot notify ${notifier.id} at "https://hooks.slack.com": `));
        assert.ok(!error.message.includes("geheim"));
        return true;
      });
    });
  }
}

Deno.test("slack.check() names Slack's error", () => {
  const answer = { status: 200, headers: {}, body: '{"ok":false,"error":"not_in_channel"}' };
  assert.throws(() => slack.check(answer, aTarget()), /it answers not_in_channel$/);
});

Deno.test("notifierOf() tells an unknown type from one that is not supported yet", () => {
  assert.equal(notifierOf("slack"), slack);
  const refused = (type: string, message: RegExp) =>
    assert.throws(
      () => notifierOf(type),
      (error: unknown) => error instanceof InvalidSpecError && message.test(error.message),
    );
  refused("msteams", /"msteams": it is not supported yet/);
  refused("slak", /"slak": it is not known/);
});
