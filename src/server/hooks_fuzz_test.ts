/** Push webhooks under input that nobody would write by hand: any headers, any bytes, any way to cut a body. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { fuzz } from "../../test/support/fuzz.ts";
import { HOOK_SECRET, testServer } from "../../test/support/test_server.ts";

const MIB = 1024 * 1024;
const HEADERS = [
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
  "x-hub-signature",
  "x-hub-signature-256",
  "x-gitea-signature",
  "x-forgejo-signature",
  "x-signature",
  "x-gitlab-token",
  "x-github-event",
  "x-github-delivery",
  "x-event-key",
  "idempotency-key",
  "content-length",
  "content-type",
];

const hex = fc.stringMatching(/^[0-9a-f]{0,130}$/);
const values = fc.oneof(
  fc.string(),
  hex,
  hex.map((digits) => `sha256=${digits}`),
  hex.map((digits) => `sha512=${digits}`),
  fc.base64String().map((text) => `v1,${text} v1,`),
  fc.nat(4_000_000_000).map(String),
  fc.constantFrom("ping", "sha1=", "v1,", "whsec_", "\u00e9", " ", HOOK_SECRET.slice(1)),
);
const headers = fc.dictionary(fc.constantFrom(...HEADERS), values, { noNullPrototype: true });
const bodies = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map((text) => new TextEncoder().encode(text)));

function post(given: Readonly<Record<string, string>>, body: Uint8Array | ReadableStream<Uint8Array>): Request {
  const all = new Headers();
  for (const [name, value] of Object.entries(given)) {
    // What cannot be sent at all cannot arrive either.
    if (/^[\x20-\x7e]*$/.test(value)) all.set(name, value);
  }
  const content = body instanceof Uint8Array ? new Uint8Array(body) : body;
  return new Request("http://serin.test/hooks/git/main", { method: "POST", headers: all, body: content });
}

fuzz(
  "webhooks: nobody without the secret is heard, whatever is sent",
  fc.asyncProperty(headers, bodies, async (given, body) => {
    const server = testServer();
    const response = await server.fetch(post(given, body));
    assert.ok([401, 413].includes(response.status), `it answered ${response.status}`);
    assert.deepEqual(server.agent.hints, []);
    assert.ok(!(await response.text()).includes(HOOK_SECRET));
  }),
);

async function mac(body: Uint8Array, hash: "SHA-256" | "SHA-512"): Promise<Uint8Array> {
  const secret = new TextEncoder().encode(HOOK_SECRET);
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(body)));
}

const SCHEMES = [
  ["x-hub-signature-256", "sha256=", "SHA-256"],
  ["x-gitea-signature", "", "SHA-256"],
  ["x-forgejo-signature", "", "SHA-256"],
  ["x-hub-signature", "sha256=", "SHA-256"],
  ["x-signature", "sha256=", "SHA-256"],
  ["x-signature", "sha512=", "SHA-512"],
] as const;

fuzz(
  "webhooks: any bytes that are signed are taken, and one bit off in body or signature is refused",
  fc.asyncProperty(fc.constantFrom(...SCHEMES), bodies, fc.nat(), fc.boolean(), async (scheme, body, at, inBody) => {
    const [header, prefix, hash] = scheme;
    const right = await mac(body, hash);
    const server = testServer();
    const signed = (signature: Uint8Array) => ({ [header]: prefix + Buffer.from(signature).toString("hex") });
    const taken = await server.fetch(post(signed(right), body));
    assert.equal(taken.status, 202);
    assert.deepEqual(server.agent.hints, ["main"]);
    await taken.body?.cancel();
    const isBody = inBody && body.length > 0;
    const [badBody, badMac] = isBody ? [flipped(body, at), right] : [body, flipped(right, at)];
    const refused = await server.fetch(post(signed(badMac), badBody));
    assert.equal(refused.status, 401);
    assert.deepEqual(server.agent.hints, ["main"]);
    await refused.body?.cancel();
  }),
);

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  const index = Math.floor(at / 8) % copy.length;
  copy[index] = (copy[index] ?? 0) ^ (1 << (at % 8));
  return copy;
}

fuzz(
  "webhooks: a body without a length is read no further than its bound, however it is cut",
  fc.asyncProperty(fc.integer({ min: 4_096, max: 300_000 }), async (chunkBytes) => {
    const server = testServer();
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunkBytes;
        controller.enqueue(new Uint8Array(chunkBytes));
      },
    });
    const response = await server.fetch(post({ "x-gitlab-token": HOOK_SECRET }, endless));
    assert.equal(response.status, 413);
    assert.ok(sent <= MIB + 3 * chunkBytes, `${sent} bytes were read`);
    assert.deepEqual(server.agent.hints, []);
    await response.body?.cancel();
  }),
);
