import assert from "node:assert/strict";
import { aCanaryDetail, fakeAgent } from "../../test/support/fake_agent.ts";
import { misfits } from "../../test/support/json_schema.ts";
import { testServer, TOKENS } from "../../test/support/test_server.ts";
import { COMMANDS } from "./commands.ts";
import { API_ROUTES, openApiDocument } from "./open_api.ts";

const SHOP = "/api/v1/canaries/prod/shop";
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function errorOf(response: Response): Promise<string> {
  const body = await response.json();
  assert.equal(typeof body.fix, "string");
  return body.error;
}

Deno.test("reading needs a token unless it is public", async () => {
  const closed = testServer();
  for (const path of ["/api/v1/canaries", SHOP, "/api/v1/sources"]) {
    assert.equal((await closed.get(path)).status, 401, path);
    for (const token of Object.values(TOKENS)) assert.equal((await closed.get(path, bearer(token))).status, 200, path);
  }
  const open = testServer({ publicRead: true });
  assert.equal((await open.get(SHOP)).status, 200);
  assert.equal((await open.get(SHOP, bearer("wrong"))).status, 401);
  assert.equal((await open.post(`${SHOP}/approve`, { revision: "abc123" })).status, 401);
});

Deno.test("the list and one canary are what the agent says", async () => {
  const { get } = testServer();
  const list = await (await get("/api/v1/canaries", bearer(TOKENS.viewer))).json();
  assert.equal(list.canaries[0].candidate, "abc123");
  assert.equal(list.canaries[0].evidence, undefined);
  const one = await (await get(SHOP, bearer(TOKENS.viewer))).json();
  assert.deepEqual(one, JSON.parse(JSON.stringify(aCanaryDetail())));
  const unknown = await get("/api/v1/canaries/prod/none", bearer(TOKENS.viewer));
  assert.equal(unknown.status, 404);
  assert.equal(await errorOf(unknown), 'Canary "prod/none" is not known');
});

for (const { type, role } of COMMANDS) {
  for (const sender of ["viewer", "approver", "admin"] as const) {
    const isAllowed = sender === "admin" || role === "approver" && sender === "approver";
    Deno.test(`${sender} ${isAllowed ? "may" : "may not"} ${type}`, async () => {
      const { post, agent } = testServer();
      const response = await post(`${SHOP}/${type}`, { revision: "abc123", reason: "because" }, sender);
      assert.equal(response.status, isAllowed ? 200 : 403);
      assert.equal(agent.taken.length, isAllowed ? 1 : 0);
      await response.body?.cancel();
    });
  }
}

Deno.test("a command carries the token's name, the revision, the gate and the reason", async () => {
  const { post, agent } = testServer();
  const body = { revision: "abc123", gate: "confirm-promotion", reason: " Looks\n\ngood\tto me " };
  const response = await post(`${SHOP}/approve`, body, "approver");
  assert.deepEqual(await response.json(), { message: "Done: approve." });
  assert.deepEqual(agent.taken, [{
    key: "prod/shop",
    command: {
      type: "approve",
      by: "arno",
      revision: "abc123",
      gate: "confirm-promotion",
      reason: "Looks good to me",
    },
  }]);
});

const REFUSED: readonly (readonly [string, string, unknown, string])[] = [
  ["another revision", "approve", { revision: "zzz" }, "It waits for revision abc123, not for zzz."],
  [
    "another gate",
    "approve",
    { revision: "abc123", gate: "confirm-rollout" },
    'It waits at "confirm-promotion", not at "confirm-rollout".',
  ],
  ["a rollback of another revision", "rollback", { revision: "zzz" }, "It is at revision abc123 now, not at zzz."],
  [
    "a rollback of what users are on",
    "rollback",
    { revision: "def456" },
    "It is at revision abc123 now, not at def456.",
  ],
  ["a pause of another revision", "pause", { revision: "zzz" }, "It is at revision abc123 now, not at zzz."],
];

for (const [what, command, body, error] of REFUSED) {
  Deno.test(`${command} refuses ${what}, and says so`, async () => {
    const { post, agent } = testServer();
    const response = await post(`${SHOP}/${command}`, body, "admin");
    assert.equal(response.status, 409);
    assert.equal(await errorOf(response), error);
    assert.deepEqual(agent.taken, []);
  });
}

Deno.test("an approval for a canary that does not wait, or the same approval twice, is refused", async () => {
  const { post } = testServer();
  assert.equal((await post(`${SHOP}/approve`, { revision: "abc123" }, "approver")).status, 200);
  const again = await post(`${SHOP}/approve`, { revision: "abc123" }, "approver");
  assert.equal(again.status, 409);
  assert.match(await errorOf(again), /does not wait for an approval/);
});

const BAD_BODIES: readonly (readonly [string, unknown, RegExp])[] = [
  ["no JSON", "{", /not JSON/],
  ["a list", [], /not a JSON object/],
  ["no revision", { reason: "x" }, /revision is missing/],
  ["an empty revision", { revision: "" }, /revision is no text/],
  ["a number as revision", { revision: 7 }, /revision is no text/],
  ["an unknown gate", { revision: "a", gate: "confirm" }, /gate is not known/],
  ["an unknown field", { revision: "a", force: true }, /"force" is not known/],
  ["a long reason", { revision: "a", reason: "x".repeat(1001) }, /reason/],
];

for (const [what, body, error] of BAD_BODIES) {
  Deno.test(`a body with ${what} is 422`, async () => {
    const { post, agent } = testServer();
    const response = await post(`${SHOP}/approve`, body, "admin");
    assert.equal(response.status, 422);
    assert.match(await errorOf(response), error);
    assert.deepEqual(agent.taken, []);
  });
}

Deno.test("a command without a body is one without a reason", async () => {
  const { post, agent } = testServer();
  assert.equal((await post(`${SHOP}/pause`, "", "admin")).status, 200);
  assert.equal(agent.taken[0]?.command.revision, null);
});

Deno.test("a body over 64 KiB is 413, whether or not its length is announced", async () => {
  const { post, fetch } = testServer();
  assert.equal((await post(`${SHOP}/approve`, "x".repeat(64 * 1024 + 1), "admin")).status, 413);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(16 * 1024)) });
  const request = new Request(`http://serin.test${SHOP}/approve`, {
    method: "POST",
    headers: bearer(TOKENS.admin),
    body: endless,
  });
  assert.equal((await fetch(request)).status, 413);
});

Deno.test("a body that never ends in time is 504", async () => {
  const { fetch, clock } = testServer();
  const stuck = new ReadableStream({ pull: () => new Promise(() => {}) });
  const answer = fetch(
    new Request(`http://serin.test${SHOP}/approve`, { method: "POST", headers: bearer(TOKENS.admin), body: stuck }),
  );
  await clock.advance(30_000);
  assert.equal((await answer).status, 504);
});

Deno.test("a replica that does not lead says who does", async () => {
  const { post, agent } = testServer();
  agent.leading = false;
  const response = await post(`${SHOP}/pause`, {}, "admin");
  assert.equal(response.status, 503);
  assert.match(await errorOf(response), /serin-0/);
});

Deno.test("confirm-removal is for admins and carries the name", async () => {
  const { post, agent } = testServer();
  assert.equal((await post("/api/v1/confirm-removal", {}, "approver")).status, 403);
  assert.equal((await post("/api/v1/confirm-removal", {}, "admin")).status, 200);
  assert.deepEqual(agent.confirmedBy, ["ada"]);
});

Deno.test("ten wrong tokens in a minute make an address wait, not another one", async () => {
  const { fetch, clock } = testServer();
  const ask = (token: string, hostname: string) =>
    fetch(new Request(`http://serin.test${SHOP}`, { headers: bearer(token) }), { remoteAddr: { hostname } });
  for (let attempt = 0; attempt < 10; attempt++) assert.equal((await ask("wrong", "10.0.0.1")).status, 401);
  const refused = await ask(TOKENS.admin, "10.0.0.1");
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "60");
  assert.equal((await ask(TOKENS.admin, "10.0.0.2")).status, 200);
  await clock.advance(60_000);
  assert.equal((await ask(TOKENS.admin, "10.0.0.1")).status, 200);
});

Deno.test("an error of the agent's own is 500 and tells nothing of itself", async () => {
  const agent = fakeAgent();
  const { get } = testServer({
    agent: Object.assign(agent, {
      canary: () => {
        throw new Error("password=hunter2");
      },
    }),
  });
  const response = await get(SHOP, bearer(TOKENS.viewer));
  assert.equal(response.status, 500);
  assert.ok(!(await response.text()).includes("hunter2"));
});

Deno.test("a method that is not served is 405 with those that are, a path that is not is 404", async () => {
  const { post, get } = testServer();
  const response = await post(SHOP, {}, "admin");
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "GET");
  assert.equal((await get("/api/v1/nothing")).status, 404);
  assert.equal(await errorOf(await get("/api/v2")), "Not found");
});

Deno.test("health, readiness and metrics need no token", async () => {
  const { get, agent } = testServer();
  assert.equal(await (await get("/healthz")).text(), "ok\n");
  assert.equal((await get("/readyz")).status, 200);
  agent.notReady = ['source "main" was not fetched yet'];
  const notReady = await get("/readyz");
  assert.equal(notReady.status, 503);
  assert.deepEqual(await notReady.json(), { ready: false, reasons: ['source "main" was not fetched yet'] });
  const metrics = await get("/metrics");
  assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4");
  assert.equal(await metrics.text(), "serin_leader 1\n");
});

Deno.test("every answer has the headers that keep browsers careful", async () => {
  const { get } = testServer();
  for (const path of ["/healthz", "/login", "/api/v1/canaries", "/none"]) {
    const { headers } = await get(path);
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("cache-control"), "no-store", path);
  }
});

Deno.test("the OpenAPI document has every route, and its examples fit its schemas", () => {
  const document = openApiDocument("1.0.0");
  const paths = document["paths"] as Record<string, Record<string, Record<string, unknown>>>;
  const ids = new Set<unknown>();
  let examples = 0;
  for (const route of API_ROUTES) {
    const operation = paths[route.path]?.[route.method];
    assert.ok(operation !== undefined, route.path);
    ids.add(operation["operationId"]);
    const places = [operation["requestBody"], ...Object.values(operation["responses"] as object)];
    for (const place of places) {
      const content = (place as { content?: Record<string, { schema: unknown; example?: unknown }> } | undefined)
        ?.content;
      const json = content?.["application/json"];
      if (json?.example === undefined) continue;
      examples += 1;
      assert.deepEqual(misfits(document, json.schema, json.example), [], route.path);
    }
  }
  assert.equal(ids.size, API_ROUTES.length);
  assert.ok(examples > API_ROUTES.length);
});

Deno.test("what is served fits the document", async () => {
  const { get, post } = testServer();
  const document = await (await get("/api/v1/openapi.json")).json();
  for (const route of API_ROUTES.filter(({ answers }) => answers !== null)) {
    const path = route.path.replace("{namespace}", "prod").replace("{name}", "shop");
    const response = route.method === "get"
      ? await get(path, bearer(TOKENS.admin))
      : await post(path, route.takes === "Decision" ? { revision: "abc123" } : {}, "admin");
    const described = document.paths[route.path][route.method].responses[String(response.status)];
    assert.ok(described !== undefined, `${route.path} answers ${response.status}, which is not described`);
    const { schema } = described.content["application/json"];
    assert.deepEqual(misfits(document, schema, await response.json()), [], route.path);
  }
});

Deno.test("misfits() can fail", () => {
  const schema = {
    type: "object",
    properties: { a: { type: "integer" } },
    required: ["a"],
    additionalProperties: false,
  };
  assert.equal(misfits({}, schema, { a: "x" }).length, 1);
  assert.equal(misfits({}, schema, { b: 1 }).length, 2);
});
