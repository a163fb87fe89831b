/** What every place to tell people must do, run over the table: see style guide, section 9. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { knownAlertTypes, notifierOf, notifiers } from "../../adapters/notifiers/mod.ts";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type { HttpAnswer } from "../../src/ports/http.ts";
import type { Notice, NotifierTarget } from "../../src/ports/notifier.ts";
import { adapterFiles } from "../support/adapter_files.ts";
import { frozen } from "../support/builders.ts";
import { assertNoSecret, hostileAnswers } from "../support/wire_contract.ts";

const HELPERS = ["notifier"];
const URL_TEXT = "https://hooks.example.com/services/geheim-path?key=geheim-query";

const TARGET: NotifierTarget = frozen({
  url: URL_TEXT,
  token: "geheim-token",
  channel: "ops",
  username: "serin",
  proxyUrl: "http://proxy.example.com:3128",
});

const severity = fc.constantFrom("info" as const, "warn" as const, "error" as const);
const notice: fc.Arbitrary<Notice> = fc.record({
  subject: fc.constant("shop.prod"),
  severity,
  message: fc.string({ minLength: 1 }),
  fields: fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 5 }),
  id: fc.string({ minLength: 1 }),
  canary: fc.constant({ namespace: "prod", name: "shop" }),
  phase: fc.constant("Progressing"),
  revision: fc.constant("7d9c"),
});

for (const [id, notifier] of notifiers) {
  Deno.test(`request() of ${id} is the same twice and holds the message, but no secret in its body`, () => {
    fc.assert(fc.property(notice, (given) => {
      const request = notifier.request(frozen(given), TARGET);
      assert.deepEqual(notifier.request(given, TARGET), request);
      assert.equal(request.method, "POST");
      assert.equal(request.url, URL_TEXT);
      assert.equal(request.proxyUrl, TARGET.proxyUrl);
      assert.ok(request.timeoutMs > 0 && request.timeoutMs <= 30_000);
      const body = String(request.body);
      assert.ok(strings(JSON.parse(body)).includes(given.message));
      assert.doesNotMatch(body, /geheim/);
    }));
  });

  Deno.test(`check() of ${id} throws only what is meant for the shell, without secrets`, () => {
    for (const answer of hostileAnswers(["geheim-token", URL_TEXT, "/services/geheim-path"])) check(id, answer);
    const answer = fc.record({ status: fc.integer({ min: 100, max: 599 }), body: fc.oneof(fc.string(), fc.json()) });
    fc.assert(fc.property(answer, ({ status, body }) => check(id, frozen({ status, headers: {}, body }))));
  });
}

function check(id: string, answer: HttpAnswer): void {
  let isTaken = true;
  try {
    notifierOf(id).check(answer, TARGET);
  } catch (error) {
    isTaken = false;
    assert.ok(error instanceof RejectedError || error instanceof UnavailableError, String(error));
    assertNoSecret(error);
  }
  if (isTaken) assert.ok(answer.status >= 200 && answer.status < 300, `taken with status ${answer.status}`);
}

/** Every string in a JSON value. */
function strings(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(strings) : [];
}

Deno.test("the table of notifiers equals its folder, is in order, and knows more than it has", () => {
  const ids = [...notifiers.keys()];
  assert.deepEqual(ids, adapterFiles("notifiers", HELPERS));
  assert.deepEqual(ids, [...notifiers.values()].map(({ id }) => id));
  assert.deepEqual(ids.filter((id) => !knownAlertTypes.includes(id)), []);
  assert.deepEqual([...knownAlertTypes], [...knownAlertTypes].sort());
  for (const type of [...knownAlertTypes, "slak"]) {
    if (notifiers.has(type)) assert.equal(notifierOf(type).id, type);
    else assert.throws(() => notifierOf(type), InvalidSpecError);
  }
});
