import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { HOOK_SECRET, testServer } from "../../test/support/test_server.ts";
import { MANUAL_CLOCK_START_MS } from "../../test/support/manual_clock.ts";

const BODY = '{"ref":"refs/heads/main"}';
const NOW_SECONDS = MANUAL_CLOCK_START_MS / 1_000;

/** Signed here with the web's own crypto, so that the server's code is not judged by itself. */
async function hexOf(body: string, secret = HOOK_SECRET): Promise<string> {
  return Array.from(await macOf(body, new TextEncoder().encode(secret)), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

async function macOf(text: string, key: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

async function standard(secondsOff = 0, body = BODY): Promise<Record<string, string>> {
  const timestamp = String(NOW_SECONDS + secondsOff);
  const mac = await macOf(`msg_1.${timestamp}.${body}`, new TextEncoder().encode(HOOK_SECRET));
  const signature = btoa(String.fromCharCode(...mac));
  return { "webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": `v1,AAAA v1,${signature}` };
}

function send(
  server: ReturnType<typeof testServer>,
  headers: Record<string, string>,
  more: { readonly body?: string | ReadableStream; readonly source?: string } = {},
): Promise<Response> {
  const { body = BODY, source = "main" } = more;
  return server.fetch(new Request(`http://serin.test/hooks/git/${source}`, { method: "POST", headers, body }));
}

type Sign = () => Record<string, string> | Promise<Record<string, string>>;

/** For what is compared with the same library on purpose: algorithms that must, or must not, be taken. */
function hmacHex(algorithm: string): string {
  return createHmac(algorithm, HOOK_SECRET).update(BODY).digest("hex");
}

const RIGHT: readonly (readonly [string, Sign])[] = [
  ["GitHub", async () => ({ "x-hub-signature-256": `sha256=${await hexOf(BODY)}`, "x-hub-signature": "sha1=00" })],
  ["Gitea", async () => ({ "x-gitea-signature": await hexOf(BODY) })],
  ["Forgejo", async () => ({ "x-forgejo-signature": await hexOf(BODY), "x-gitea-signature": await hexOf(BODY) })],
  ["Bitbucket", async () => ({ "x-hub-signature": `sha256=${await hexOf(BODY)}` })],
  ["X-Signature with SHA-256", async () => ({ "x-signature": `sha256=${await hexOf(BODY)}` })],
  ["X-Signature with SHA-512", () => ({ "x-signature": `sha512=${hmacHex("sha512")}` })],
  ["GitLab", () => Promise.resolve({ "x-gitlab-token": HOOK_SECRET })],
  ["Standard Webhooks", () => standard()],
  ["Standard Webhooks, four minutes late", () => standard(-240)],
];

for (const [forge, headers] of RIGHT) {
  Deno.test(`a webhook of ${forge} is taken and hints at its source`, async () => {
    const server = testServer();
    const response = await send(server, await headers());
    assert.equal(response.status, 202);
    assert.deepEqual(server.agent.hints, ["main"]);
    await response.body?.cancel();
  });
}

const WRONG: readonly (readonly [string, Sign])[] = [
  ["no signature", () => Promise.resolve({})],
  ["another secret", async () => ({ "x-hub-signature-256": `sha256=${await hexOf(BODY, "other")}` })],
  ["another body", async () => ({ "x-hub-signature-256": `sha256=${await hexOf(`${BODY} `)}` })],
  ["no prefix", async () => ({ "x-hub-signature-256": await hexOf(BODY) })],
  ["a cut signature", async () => ({ "x-gitea-signature": (await hexOf(BODY)).slice(0, 62) })],
  ["a wrong signature beside a weaker one", async () => ({
    "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
    "x-gitea-signature": await hexOf(BODY),
  })],
  ["SHA-1", () => ({ "x-hub-signature": `sha1=${hmacHex("sha1")}` })],
  ["SHA-1 in X-Signature", () => ({ "x-signature": `sha1=${hmacHex("sha1")}` })],
  ["SHA-256 that says SHA-512", () => ({ "x-signature": `sha512=${hmacHex("sha256")}` })],
  ["X-Signature without an algorithm", () => ({ "x-signature": hmacHex("sha256") })],
  ["another GitLab token", () => Promise.resolve({ "x-gitlab-token": `${HOOK_SECRET}x` })],
  ["an empty GitLab token", () => Promise.resolve({ "x-gitlab-token": "" })],
  ["a stale timestamp", () => standard(-301)],
  ["a timestamp of tomorrow", () => standard(86_400)],
  [
    "a timestamp that is not signed",
    async () => ({ ...(await standard()), "webhook-timestamp": `${NOW_SECONDS - 1}` }),
  ],
  ["another message's id", async () => ({ ...(await standard()), "webhook-id": "msg_2" })],
];

for (const [what, headers] of WRONG) {
  Deno.test(`a webhook with ${what} is refused`, async () => {
    const server = testServer();
    const response = await send(server, await headers());
    assert.equal(response.status, 401);
    assert.deepEqual(server.agent.hints, []);
    assert.ok(!(await response.text()).includes(HOOK_SECRET));
  });
}

Deno.test("a secret in the form whsec_ is the base64 of its key", async () => {
  const key = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  const server = testServer({
    webhooks: new Map([["main", () => Promise.resolve(`whsec_${btoa(String.fromCharCode(...key))}\n`)]]),
  });
  const mac = await macOf(`m.${NOW_SECONDS}.${BODY}`, key);
  const headers = {
    "webhook-id": "m",
    "webhook-timestamp": String(NOW_SECONDS),
    "webhook-signature": `v1,${btoa(String.fromCharCode(...mac))}`,
  };
  assert.equal((await send(server, headers)).status, 202);
});

Deno.test("an empty secret lets nothing in", async () => {
  const server = testServer({ webhooks: new Map([["main", () => ""]]) });
  assert.equal((await send(server, { "x-gitlab-token": "" })).status, 401);
  assert.equal((await send(server, { "x-gitea-signature": await hexOf(BODY, "\0") })).status, 401);
});

Deno.test("a delivery that is sent again within a day hints once; a day later it is new", async () => {
  const server = testServer();
  const headers = { "x-hub-signature-256": `sha256=${await hexOf(BODY)}`, "x-github-delivery": "d-1" };
  assert.equal((await send(server, headers)).status, 202);
  assert.equal((await send(server, headers)).status, 202);
  assert.equal((await send(server, { ...headers, "x-github-delivery": "d-2" })).status, 202);
  assert.equal(server.agent.hints.length, 2);
  await server.clock.advance(24 * 3_600_000);
  await send(server, headers);
  assert.equal(server.agent.hints.length, 3);
});

Deno.test("a refused delivery does not use up its id", async () => {
  const server = testServer();
  await send(server, { "x-gitlab-token": "wrong", "idempotency-key": "d-1" });
  await send(server, { "x-gitlab-token": HOOK_SECRET, "idempotency-key": "d-1" });
  assert.deepEqual(server.agent.hints, ["main"]);
});

for (const ping of [{ "x-github-event": "ping" }, { "x-event-key": "diagnostics:ping" }]) {
  Deno.test(`${Object.keys(ping)[0]}'s ping is answered and hints at nothing`, async () => {
    const server = testServer();
    const headers = { "x-hub-signature-256": `sha256=${await hexOf(BODY)}`, ...ping };
    assert.equal((await send(server, headers)).status, 202);
    assert.deepEqual(server.agent.hints, []);
  });
}

Deno.test("deliveries of one source are bounded: the next is 429 for a while, and other sources do not notice", async () => {
  const server = testServer({ webhooks: new Map([["main", () => HOOK_SECRET], ["apps", () => HOOK_SECRET]]) });
  const headers = { "x-gitlab-token": HOOK_SECRET };
  for (let sent = 0; sent < 120; sent++) assert.equal((await send(server, headers)).status, 202);
  const refused = await send(server, headers);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "1"]);
  await refused.body?.cancel();
  assert.equal((await send(server, headers, { source: "apps" })).status, 202);
  await server.clock.advance(1_000);
  assert.equal((await send(server, headers)).status, 202);
});

Deno.test("an unknown source looks like any path that is not served", async () => {
  const server = testServer();
  const unknown = await send(server, { "x-gitlab-token": HOOK_SECRET }, { source: "other" });
  const nothing = await server.get("/hooks/else");
  assert.equal(unknown.status, 404);
  assert.deepEqual(await unknown.json(), await nothing.json());
});

Deno.test("a body over 1 MiB is 413", async () => {
  const server = testServer();
  const body = "x".repeat(1024 * 1024 + 1);
  assert.equal((await send(server, { "x-gitlab-token": HOOK_SECRET }, { body })).status, 413);
});
