import assert from "node:assert/strict";
import { aCanaryDetail, fakeAgent } from "../../../test/support/fake_agent.ts";
import { hiddenField, testServer, TOKENS } from "../../../test/support/test_server.ts";

const SHOP = "/canaries/prod/shop";

async function pageOf(response: Response): Promise<string> {
  assert.equal(response.status, 200);
  return await response.text();
}

Deno.test("a page asks who is not logged in to log in, and goes on afterwards", async () => {
  const { get, form } = testServer();
  const asked = await get(SHOP);
  assert.equal(asked.status, 303);
  assert.equal(asked.headers.get("location"), "/login?next=%2Fcanaries%2Fprod%2Fshop");
  const login = await pageOf(await get("/login?next=%2Fcanaries%2Fprod%2Fshop"));
  const entered = await form("/login", { token: TOKENS.viewer, next: hiddenField(login, "next") });
  assert.equal(entered.headers.get("location"), SHOP);
  const cookie = entered.headers.get("set-cookie")?.split(";")[0] ?? "";
  assert.match(await pageOf(await get(SHOP, { cookie })), /prod\/shop/);
});

Deno.test("the login sends nobody to another site", async () => {
  const { form } = testServer();
  for (const next of ["https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "/canaries/../../x"]) {
    const entered = await form("/login", { token: TOKENS.viewer, next });
    assert.equal(entered.headers.get("location"), "/", next);
  }
});

const COOKIES: readonly (readonly [string, "auto" | "always" | "never", Record<string, string>, boolean])[] = [
  ["plain http", "auto", {}, false],
  ["https at the proxy", "auto", { "x-forwarded-proto": "https" }, true],
  ["http at the proxy", "auto", { "x-forwarded-proto": "http" }, false],
  ["always", "always", {}, true],
  ["never", "never", { "x-forwarded-proto": "https" }, false],
];

for (const [what, secureCookies, headers, isSecure] of COOKIES) {
  Deno.test(`the session cookie is strict and hidden from scripts; with ${what} Secure is ${isSecure}`, async () => {
    const { form } = testServer({ secureCookies });
    const cookie = (await form("/login", { token: TOKENS.viewer }, headers)).headers.get("set-cookie") ?? "";
    assert.match(cookie, /; HttpOnly/);
    assert.match(cookie, /; SameSite=Strict/);
    assert.equal(/; Secure/.test(cookie), isSecure);
    assert.equal(cookie.startsWith("__Host-"), isSecure);
  });
}

Deno.test("a wrong token gets no session, and after ten of them no try", async () => {
  const { form } = testServer();
  for (let attempt = 0; attempt < 10; attempt++) {
    const refused = await form("/login", { token: "wrong" });
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get("set-cookie"), null);
  }
  assert.equal((await form("/login", { token: TOKENS.admin })).status, 429);
});

Deno.test("a session ends by logging out, by an hour unused, and after twelve hours", async () => {
  const { get, form, login, clock } = testServer();
  const ended = await login("viewer");
  const page = await pageOf(await get("/", { cookie: ended }));
  const out = await form("/logout", { csrf: hiddenField(page, "csrf") }, { cookie: ended });
  assert.equal(out.status, 303);
  assert.equal((await get("/", { cookie: ended })).status, 303);
  const idle = await login("viewer");
  const busy = await login("viewer");
  await clock.advance(3_000_000);
  assert.equal((await get("/", { cookie: busy })).status, 200);
  await clock.advance(3_000_000);
  assert.equal((await get("/", { cookie: idle })).status, 303);
  for (let half = 0; half < 20; half++) {
    await get("/", { cookie: busy });
    await clock.advance(1_800_000);
  }
  assert.equal((await get("/", { cookie: busy })).status, 200);
  await clock.advance(1_800_000);
  await get("/", { cookie: busy });
  await clock.advance(1_800_000);
  assert.equal((await get("/", { cookie: busy })).status, 303);
});

Deno.test("logging in again gives a new session and ends the old one", async () => {
  const { get, form, login } = testServer();
  const before = await login("viewer");
  await form("/login", { token: TOKENS.viewer }, { cookie: before });
  assert.equal((await get("/", { cookie: before })).status, 303);
});

Deno.test("an approval from the page carries the name and what was looked at, and is told once", async () => {
  const { get, form, login, agent } = testServer();
  const cookie = await login("approver");
  const page = await pageOf(await get(SHOP, { cookie }));
  const sent = await form(SHOP, {
    csrf: hiddenField(page, "csrf", "approve"),
    revision: hiddenField(page, "revision", "approve"),
    gate: hiddenField(page, "gate", "approve"),
    reason: "Fine",
    command: "approve",
  }, { cookie });
  assert.equal(sent.status, 303);
  assert.equal(sent.headers.get("location"), SHOP);
  assert.deepEqual(agent.taken.map(({ command }) => command), [
    { type: "approve", by: "arno", revision: "abc123", gate: "confirm-promotion", reason: "Fine" },
  ]);
  assert.match(await pageOf(await get(SHOP, { cookie })), /Done: approve\./);
  assert.doesNotMatch(await pageOf(await get(SHOP, { cookie })), /Done: approve\./);
});

Deno.test("a form for a revision that is no longer there is refused on the next page", async () => {
  const { get, form, login, agent } = testServer();
  const cookie = await login("approver");
  const csrf = hiddenField(await pageOf(await get(SHOP, { cookie })), "csrf", "approve");
  agent.set(aCanaryDetail({ candidate: "newer" }));
  await form(SHOP, { csrf, revision: "abc123", gate: "confirm-promotion", command: "approve" }, { cookie });
  assert.match(await pageOf(await get(SHOP, { cookie })), /Refused: It waits for revision newer, not for abc123\./);
  assert.deepEqual(agent.taken, []);
});

Deno.test("a form token holds for its own session, canary and action only", async () => {
  const agent = fakeAgent({ canaries: [aCanaryDetail(), aCanaryDetail({ name: "cart" })] });
  const { get, form, login } = testServer({ agent });
  const cookie = await login("admin");
  const other = await login("admin");
  const page = await pageOf(await get(SHOP, { cookie }));
  const csrf = hiddenField(page, "csrf", "pause");
  const tries: readonly (readonly [string, string, Record<string, string>])[] = [
    ["no token", SHOP, { command: "pause" }],
    ["another session's", SHOP, {
      command: "pause",
      csrf: hiddenField(await pageOf(await get(SHOP, { cookie: other })), "csrf", "pause"),
    }],
    ["another canary's", "/canaries/prod/cart", { command: "pause", csrf }],
    ["another action's", SHOP, { command: "rollback", csrf }],
  ];
  for (const [what, path, fields] of tries) {
    assert.equal((await form(path, fields, { cookie })).status, 403, what);
  }
  assert.equal((await form(SHOP, { command: "pause", csrf }, {})).status, 401);
  assert.deepEqual(agent.taken, []);
  assert.equal((await form(SHOP, { command: "pause", csrf }, { cookie })).status, 303);
  assert.equal(agent.taken.length, 1);
});

Deno.test("a form from another site is refused even with a right token", async () => {
  const { get, form, login, agent } = testServer();
  const cookie = await login("admin");
  const csrf = hiddenField(await pageOf(await get(SHOP, { cookie })), "csrf", "pause");
  for (const foreign of [{ origin: "https://evil.example.com" }, { "sec-fetch-site": "cross-site" }]) {
    assert.equal((await form(SHOP, { command: "pause", csrf }, { cookie, ...foreign })).status, 403);
    assert.equal((await form("/login", { token: TOKENS.viewer }, foreign)).status, 403);
  }
  assert.deepEqual(agent.taken, []);
});

Deno.test("a role sees and may send its own forms only", async () => {
  const rows = [["viewer", []], ["approver", ["approve", "reject"]], ["admin", [
    "approve",
    "reject",
    "pause",
    "rollback",
  ]]] as const;
  for (const [role, commands] of rows) {
    const { get, login } = testServer();
    const page = await pageOf(await get(SHOP, { cookie: await login(role) }));
    const shown = [...page.matchAll(/name="command" value="([^"]+)"/g)].map(([, value]) => value);
    assert.deepEqual(shown, commands, role);
  }
  const { get, form, login, agent } = testServer();
  const cookie = await login("approver");
  const csrf = hiddenField(await pageOf(await get(SHOP, { cookie })), "csrf", "approve");
  assert.equal((await form(SHOP, { command: "rollback", csrf }, { cookie })).status, 403);
  assert.deepEqual(agent.taken, []);
});

Deno.test("a session reads the API and changes nothing there", async () => {
  const { get, fetch, login, agent } = testServer();
  const cookie = await login("admin");
  assert.equal((await get("/api/v1/canaries", { cookie })).status, 200);
  const request = new Request("http://serin.test/api/v1/canaries/prod/shop/pause", {
    method: "POST",
    headers: { cookie },
    body: "{}",
  });
  assert.equal((await fetch(request)).status, 401);
  assert.deepEqual(agent.taken, []);
});

Deno.test("what others wrote is shown as text, and the page has no script", async () => {
  const evil = "<img src=x onerror=alert(1)>\"'";
  const complaint = {
    file: evil,
    line: 3,
    field: "",
    message: evil,
    fix: evil,
    severity: "error" as const,
    canary: null,
  };
  const agent = fakeAgent({
    canaries: [aCanaryDetail({
      waitsFor: evil,
      stalled: evil,
      candidateImages: [evil],
      events: [{ at: 0, kind: "advanced", severity: "info", message: evil }],
      complaints: [complaint],
      paused: { by: evil, at: 0, reason: evil },
    })],
    complaints: [complaint],
  });
  const { get, login } = testServer({ agent });
  const cookie = await login("admin");
  for (const path of ["/", SHOP]) {
    const response = await get(path, { cookie });
    const page = await pageOf(response);
    assert.ok(!page.includes("<img"), path);
    assert.ok(page.includes("&lt;img"), path);
    assert.ok(page.startsWith("<!DOCTYPE html><html"));
    // What stands between quotes is escaped, as was just seen.
    assert.doesNotMatch(page.replaceAll(/"[^"]*"/g, '""'), /<script|javascript:|style=|<[a-z]+[^>]* on[a-z]+=/);
    const [, nonce] = /<style nonce="([^"]+)"/.exec(page) ?? [];
    assert.ok(response.headers.get("content-security-policy")?.includes(`'nonce-${nonce}'`));
  }
});

Deno.test("every field has a label and every table its headers", async () => {
  const agent = fakeAgent({
    canaries: [aCanaryDetail({
      evidence: [{ name: "errors", outcome: "failed", value: 3, message: "3 is over 1", at: 0 }],
      approvals: [{ gate: "confirm-rollout", by: "jo", verdict: "approved", reason: "ok", at: 0 }],
    })],
  });
  const { get, login } = testServer({ agent });
  const page = await pageOf(await get(SHOP, { cookie: await login("admin") }));
  const labelled =
    [...page.matchAll(/<label>[^]*?<\/label>/g)].filter(([label]) => label.includes('type="text"')).length;
  assert.equal([...page.matchAll(/<input type="text"/g)].length, labelled);
  for (const [table] of page.matchAll(/<table[^]*?<\/table>/g)) {
    assert.match(table, /<th scope="col"/);
    assert.match(table, /<th scope="row"/);
  }
  assert.match(page, /3 is over 1/);
  assert.match(page, /<html lang="en">/);
});

Deno.test("a page loads itself again, but not under the hands of who fills in a form", async () => {
  const { get, login } = testServer();
  const viewer = await login("viewer");
  const admin = await login("admin");
  const refresh = /http-equiv="refresh" content="10"/;
  assert.match(await pageOf(await get("/", { cookie: admin })), refresh);
  assert.match(await pageOf(await get(SHOP, { cookie: viewer })), refresh);
  assert.doesNotMatch(await pageOf(await get(SHOP, { cookie: admin })), refresh);
  const followed = await pageOf(await get(`${SHOP}?follow=1`, { cookie: admin }));
  assert.match(followed, refresh);
  assert.ok(!followed.includes('name="command"'));
});

Deno.test("who comes by a link from another site is asked again from here, where the strict cookie goes along", async () => {
  const { get, login } = testServer();
  const first = await pageOf(await get("/login?next=%2Fcanaries%2Fprod%2Fshop", { "sec-fetch-site": "cross-site" }));
  assert.match(first, /content="0; url=\/login\?next=%2Fcanaries%2Fprod%2Fshop"/);
  const second = await get("/login?next=%2Fcanaries%2Fprod%2Fshop", { cookie: await login("viewer") });
  assert.equal(second.headers.get("location"), SHOP);
});

Deno.test("removals are confirmed by an admin through a form", async () => {
  const { get, form, login, agent } = testServer();
  assert.equal((await get("/confirm-removal", { cookie: await login("approver") })).status, 403);
  const cookie = await login("admin");
  const page = await pageOf(await get("/confirm-removal", { cookie }));
  const csrf = hiddenField(page.slice(page.indexOf("<main")), "csrf");
  assert.equal((await form("/confirm-removal", { csrf }, { cookie })).status, 303);
  assert.deepEqual(agent.confirmedBy, ["ada"]);
});

Deno.test("with public reading the page needs no login, and has no forms", async () => {
  const { get } = testServer({ publicRead: true });
  assert.match(await pageOf(await get("/")), /prod\/shop/);
  assert.ok(!(await pageOf(await get(SHOP))).includes('name="command"'));
});

Deno.test("an unknown canary is a page with its status", async () => {
  const { get, login } = testServer();
  const response = await get("/canaries/prod/none", { cookie: await login("viewer") });
  assert.equal(response.status, 404);
  assert.match(await response.text(), /Canary &quot;prod\/none&quot; is not known/);
});
