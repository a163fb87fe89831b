/** Tokens of GitHub App installations, against a server with GitHub's documented shapes. */
import assert from "node:assert/strict";
import { InstallationTokens } from "../../adapters/platform/git/github_app.ts";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import { GitHubServer, json, makeApp } from "../support/github_server.ts";
import { withGit } from "../support/git_fixture.ts";
import { MANUAL_CLOCK_START_MS, ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

const HOUR_MS = 3_600_000;
const APP = makeApp();

interface Stand {
  readonly github: GitHubServer;
  readonly clock: ManualClock;
  readonly tokens: InstallationTokens;
  ask(more?: { refused?: boolean; id?: string; signal?: AbortSignal }): Promise<string>;
}

async function withGitHub(body: (stand: Stand) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const github = new GitHubServer(APP, MANUAL_CLOCK_START_MS + HOUR_MS);
  const tokens = new InstallationTokens(clock);
  const ask: Stand["ask"] = async ({ refused = false, id = "4711", signal } = {}) => {
    const { privateKeyPem } = APP;
    const installation = { appId: "17", installationId: id, privateKeyPem, apiUrl: `${github.origin}/api/v3/` };
    const auth = await tokens.auth(installation, { refused, access: {}, signal });
    assert.ok(auth.type === "basic" && auth.username === "x-access-token");
    return auth.password;
  };
  try {
    await body({ github, clock, tokens, ask });
  } finally {
    await github.close();
  }
}

Deno.test("a token is asked for with a claim of under ten minutes, and with no more rights than pushing needs", async () => {
  await withGitHub(async ({ github, ask }) => {
    assert.equal(await ask(), github.token(1));
    const nowS = MANUAL_CLOCK_START_MS / 1000;
    const [asked] = github.asked;
    assert.deepEqual(asked?.claims, { iat: nowS - 60, exp: nowS + 540, iss: "17" });
    assert.equal(asked?.path, "/api/v3/app/installations/4711/access_tokens");
    assert.deepEqual(asked?.permissions, { contents: "write" });
    assert.equal(asked?.accept, "application/vnd.github+json");
  });
});

Deno.test("a token is kept for its installation, and replaced before its end", async () => {
  await withGitHub(async ({ github, clock, ask }) => {
    for (let times = 0; times < 5; times++) assert.equal(await ask(), github.token(1));
    assert.equal(await ask({ id: "other" }), github.token(2));
    await clock.advance(HOUR_MS - 11 * 60_000);
    assert.equal(await ask(), github.token(1));
    github.endsMs = clock.now() + HOUR_MS;
    await clock.advance(2 * 60_000);
    assert.equal(await ask(), github.token(3));
    assert.equal(await ask(), github.token(3));
  });
});

Deno.test("those who ask at once share one request, and one that gives up takes nothing from the others", async () => {
  await withGitHub(async ({ github, ask }) => {
    const opened = Promise.withResolvers<void>();
    github.gate = opened.promise;
    const giveUp = new AbortController();
    const lost = ask({ signal: giveUp.signal });
    const others = [ask(), ask()];
    await until("the request has arrived", () => github.asked.length === 1);
    giveUp.abort(new Error("no longer wanted"));
    await assert.rejects(lost, /no longer wanted/);
    opened.resolve();
    assert.deepEqual(await Promise.all(others), [github.token(1), github.token(1)]);
    assert.equal(github.asked.length, 1);
  });
});

Deno.test("a token that was refused is replaced, but not again and again", async () => {
  await withGitHub(async ({ github, clock, ask }) => {
    await ask();
    await clock.advance(60_000);
    assert.equal(await ask({ refused: true }), github.token(2));
    assert.equal(await ask({ refused: true }), github.token(2));
    await clock.advance(31_000);
    assert.equal(await ask({ refused: true }), github.token(3));
  });
});

Deno.test("an App that may only read gets a token to read, and one that may not even that is refused", async () => {
  await withGitHub(async ({ github, ask }) => {
    github.contents = "read";
    assert.equal(await ask(), github.token(2));
    github.contents = "none";
    await assert.rejects(ask({ id: "other" }), { name: "RejectedError", message: /may not read the contents/ });
  });
});

Deno.test("what GitHub answers is final or worth another try", async () => {
  await withGitHub(async ({ github, ask }) => {
    const rows = [
      [json(404, { message: "Not Found" }), RejectedError, /answers 404: "Not Found"/],
      [json(403, { message: "suspended" }), RejectedError, /answers 403/],
      [json(403, { message: "slow" }, { "x-ratelimit-remaining": "0" }), UnavailableError, /answers 403/],
      [json(429, {}, { "retry-after": "7" }), UnavailableError, /answers 429/],
      [new Response("<html>", { status: 502 }), UnavailableError, /answers 502/],
      [new Response(null, { status: 301, headers: { location: "http://127.0.0.1:1/" } }), RejectedError, /answers 301/],
      [json(201, { token: 1 }), UnavailableError, /the answer holds none/],
      [new Response("x".repeat(200_000), { status: 201 }), UnavailableError, /too long/],
    ] as const;
    for (const [answer, kind, message] of rows) {
      github.answers.push(answer);
      await assert.rejects(ask(), (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(await ask(), github.token(rows.length + 1));
  });
});

Deno.test("another App's key is refused by GitHub, and a text that is no key is refused here, unseen", async () => {
  await withGitHub(async ({ github, tokens }) => {
    const asked = (privateKeyPem: string, apiUrl = github.origin) =>
      tokens.auth({ appId: "17", installationId: "1", privateKeyPem, apiUrl }, { refused: false, access: {} });
    await assert.rejects(asked(makeApp().privateKeyPem), { name: "RejectedError", message: /answers 401/ });
    await assert.rejects(asked("geheim"), (error) => {
      assert.ok(error instanceof InvalidSpecError && !error.message.includes("geheim"));
      return true;
    });
    await assert.rejects(asked(APP.privateKeyPem, "nowhere"), { name: "InvalidSpecError" });
    await assert.rejects(asked(APP.privateKeyPem, "http://127.0.0.1:1"), { name: "UnavailableError" });
  });
});

Deno.test("Git is fetched with the token, and again with a new one when that was revoked", async () => {
  await withGitHub(async ({ github, clock, tokens }) => {
    const basic = (nth: number) => `Basic ${btoa(`x-access-token:${github.token(nth)}`)}`;
    let demanded = basic(1);
    await withGit({ server: { authorization: () => demanded } }, async ({ open, server }) => {
      const { privateKeyPem } = APP;
      const installation = { appId: "17", installationId: "1", privateKeyPem, apiUrl: github.origin };
      const remote = open({
        access: async (signal, refused) => ({ auth: await tokens.auth(installation, { refused, access: {}, signal }) }),
      });
      const before = await remote.fetch();
      await remote.fetch();
      assert.equal(github.asked.length, 1);
      await clock.advance(60_000);
      demanded = basic(2);
      assert.equal(await remote.fetch(), before);
      assert.equal(github.asked.length, 2);
      assert.equal(server.records.at(-1)?.authorization, basic(2));
    });
  });
});
