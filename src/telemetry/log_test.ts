import assert from "node:assert/strict";
import { RejectedError } from "../errors.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { createLog, type LogLevel } from "./log.ts";
import { redactText } from "./redact.ts";

function logInto(lines: string[], level: LogLevel = "debug") {
  return createLog({ clock: new ManualClock(), level, write: (line) => lines.push(line) });
}

Deno.test("log writes one JSON line with its fixed keys first", () => {
  const lines: string[] = [];
  logInto(lines).info("canary-advanced", { weight: 20, phase: "progressing", revision: "abc", canary: "prod/shop" });
  assert.deepEqual(lines, [
    '{"ts":"2026-01-01T00:00:00.000Z","level":"info","event":"canary-advanced","canary":"prod/shop",' +
    '"revision":"abc","phase":"progressing","weight":20}\n',
  ]);
});

Deno.test("log leaves out what is below its level", () => {
  const lines: string[] = [];
  const log = logInto(lines, "warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  assert.deepEqual(lines.map((line) => JSON.parse(line).event), ["c", "d"]);
});

Deno.test("a field cannot pass itself off as the time, the level or the event", () => {
  const lines: string[] = [];
  logInto(lines).warn("real", { ts: "never", level: "debug", event: "forged", text: 'two\nlines "quoted"' });
  const line = JSON.parse(lines.join(""));
  assert.deepEqual([line.ts, line.level, line.event], ["2026-01-01T00:00:00.000Z", "warn", "real"]);
  assert.equal(lines.join("").split("\n").length, 2);
});

Deno.test("log writes an error with its fix and cause, and survives circles and strange values", () => {
  const lines: string[] = [];
  const circle: Record<string, unknown> = { big: 5n, at: new Date(0), missing: undefined, call: () => 1 };
  circle["self"] = circle;
  const error = new RejectedError("Cannot push: refused", { fix: "Allow it.", cause: new Error("403") });
  logInto(lines).error("broken", { error, circle });
  const line = JSON.parse(lines.join(""));
  assert.equal(line.error.message, "Cannot push: refused");
  assert.equal(line.error.fix, "Allow it.");
  assert.equal(line.error.cause.message, "403");
  assert.equal(line.circle.big, "5");
  assert.equal(line.circle.at, "1970-01-01T00:00:00.000Z");
});

const HIDDEN: readonly (readonly [string, string])[] = [
  ["https://bot:hunter2@git.example.com/a.git", "hunter2"],
  ["https://hunter2hunter2@git.example.com/a.git", "hunter2"],
  ["Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"],
  ["authorization=Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"],
  ["GET /x?access_token=zzzyyyxxx&b=1", "zzzyyyxxx"],
  ['{"password":"correct horse"}', "correct"],
  ["ghp_0123456789abcdefghij was refused", "ghp_0123456789"],
  ["https://hooks.slack.com/services/T0/B0/xyz", "T0/B0"],
  ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "eyJzdWIi"],
  ["-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA\n-----END OPENSSH PRIVATE KEY-----", "b3Blbn"],
];

Deno.test("redactText() takes out what looks like a credential", () => {
  for (const [text, secret] of HIDDEN) {
    assert.ok(text.includes(secret), text);
    assert.ok(!redactText(text).includes(secret), redactText(text));
  }
});

Deno.test("redactText() leaves plain words alone", () => {
  for (
    const text of [
      'Cannot read Secret "prod/slack": not found',
      "token verification failed",
      "registry.example.com/shop:1.2.3@sha256:abc",
      "basic authentication",
      "https://git.example.com/a.git",
      "Cannot push to user@example.com",
    ]
  ) assert.equal(redactText(text), text);
});

Deno.test("a field named like a credential is hidden whole, one that names a Secret is not", () => {
  const lines: string[] = [];
  logInto(lines).info("x", { token: "short", nested: { apiKey: ["a"] }, secretName: "slack", tokenFile: "/t" });
  const line = JSON.parse(lines.join(""));
  assert.equal(line.token, "[redacted]");
  assert.equal(line.nested.apiKey, "[redacted]");
  assert.equal(line.secretName, "slack");
  assert.equal(line.tokenFile, "/t");
});
