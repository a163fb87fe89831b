/** The HTTP executor against real servers on loopback, among them such that hang, cut, lie and redirect. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { type OpenHttp, openHttp } from "../../adapters/platform/http.ts";
import { InvalidSpecError, RejectedError, SerinError, UnavailableError } from "../../src/errors.ts";
import type { HttpRequest } from "../../src/ports/http.ts";
import { createAuthority } from "../support/certificates.ts";
import { ManualClock } from "../support/manual_clock.ts";
import type { HttpConnection, RawRequest } from "../support/raw_http.ts";
import { type RawAnswer, type RawServer, serveRaw } from "../support/raw_server.ts";
import { until } from "../support/until.ts";

const SECRETS = ["geheim-query", "geheim-user", "geheim-password", "geheim-path", "geheim-header", "geheim-body"];

/** Runs with an executor and a server, and closes both. */
async function withServer(
  answer: RawAnswer,
  run: (http: OpenHttp, server: RawServer, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const http = openHttp({ clock });
  const server = serveRaw(answer);
  try {
    await run(http, server, clock);
  } finally {
    http.close();
    await server.close();
  }
}

/** A request whose every part is a secret. */
function secretive(origin: string, more: Partial<HttpRequest> = {}): HttpRequest {
  const url = new URL(`${origin}/geheim-path?token=geheim-query`);
  url.username = "geheim-user";
  url.password = "geheim-password";
  return {
    method: "POST",
    url: url.href,
    headers: { "x-api-key": "geheim-header", "content-type": "application/json" },
    body: '"geheim-body"',
    timeoutMs: 5_000,
    ...more,
  };
}

/** The error of a promise, which must be one of ours and hold no secret, however it is printed. */
async function failure(promise: Promise<unknown>): Promise<SerinError> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof SerinError, `expected an error of ours, got ${error}`);
  const printed = `${Deno.inspect(error)} ${error.fix} ${JSON.stringify(error.data)} ${Deno.inspect(error.cause)}`;
  for (const secret of SECRETS) assert.ok(!printed.includes(secret), `${secret} shows in ${printed}`);
  return error;
}

Deno.test("http.send() sends what it is given and returns any status as an answer", async () => {
  await withServer((connection) => connection.answer(404, "nö", { "x-one": "1" }), async (http, server) => {
    const answer = await http.send(secretive(server.origin));
    assert.equal(answer.status, 404);
    assert.equal(answer.body, "nö");
    assert.equal(answer.headers["x-one"], "1");
    const [request] = server.requests;
    assert.equal(request?.method, "POST");
    assert.equal(request?.target, "/geheim-path?token=geheim-query");
    assert.equal(request?.headers["x-api-key"], "geheim-header");
    assert.equal(request?.headers["authorization"], `Basic ${btoa("geheim-user:geheim-password")}`);
    assert.equal(request?.headers["user-agent"], "serin");
    assert.equal(request?.body, "geheim-body");
  });
});

Deno.test("http.send() lets a header win over the URL's userinfo", async () => {
  await withServer((connection) => connection.answer(200, "ok"), async (http, server) => {
    await http.send(secretive(server.origin, { headers: { Authorization: "Bearer t" }, body: "1" }));
    assert.equal(server.requests[0]?.headers["authorization"], "Bearer t");
  });
});

Deno.test("http.send() gives up when its time is over, also in the middle of a body", async () => {
  const hangs = [() => {}, (connection: HttpConnection) => connection.cut()];
  for (const hang of hangs) {
    await withServer(hang, async (http, server, clock) => {
      const failed = failure(http.send(secretive(server.origin, { timeoutMs: 5_000 })));
      await until("the request arrived", () => server.requests.length === 1);
      await clock.advance(4_999);
      assert.equal(clock.sleeping, 1);
      await clock.advance(1);
      const error = await failed;
      assert.ok(error instanceof UnavailableError);
      assert.equal(error.message, `Cannot send POST to "${server.origin}/…": no answer within 5000 ms`);
      assert.equal(clock.sleeping, 0);
    });
  }
});

Deno.test("http.send() passes on the caller's reason to stop, while asking and while waiting", async () => {
  const reason = new Error("not leader any more");
  await withServer(() => {}, async (http, server, clock) => {
    const stop = new AbortController();
    const sent = http.send(secretive(server.origin), stop.signal);
    await until("the request arrived", () => server.requests.length === 1);
    stop.abort(reason);
    await assert.rejects(sent, reason);
    await assert.rejects(http.send(secretive(server.origin), stop.signal), reason);
    assert.equal(clock.sleeping, 0);
  });
  await withServer((connection) => connection.answer(503, "later"), async (http, server, clock) => {
    const stop = new AbortController();
    const sent = http.send(secretive(server.origin, { retries: 3 }), stop.signal);
    await until("it waits", () => clock.nextDueMs() === 1_000);
    stop.abort(reason);
    await assert.rejects(sent, reason);
    assert.equal(clock.sleeping, 0);
  });
});

Deno.test("http.send() says that nobody listens, that an answer is cut, and that a body is too large", async () => {
  const down = serveRaw(() => {});
  await down.close();
  const http = openHttp({ clock: machineClock });
  const refused = await failure(http.send(secretive(down.origin)));
  assert.equal(refused.message, `Cannot send POST to "${down.origin}/…": the connection was refused`);
  http.close();
  await withServer(async (connection) => {
    await connection.cut();
    connection.close();
  }, async (http, server) => {
    const cut = await failure(http.send(secretive(server.origin)));
    assert.equal(cut.message, `Cannot send POST to "${server.origin}/…": the answer was cut off`);
  });
  await withServer((connection) => connection.close(), async (http, server) => {
    assert.ok(await failure(http.send(secretive(server.origin))) instanceof UnavailableError);
  });
  await withServer((connection) => connection.answer(200, "x".repeat(1001)), async (http, server, clock) => {
    const large = await failure(http.send(secretive(server.origin, { bodyBytesMax: 1000, retries: 3 })));
    assert.match(large.message, /larger than 1000 bytes$/);
    assert.equal((await http.send(secretive(server.origin, { bodyBytesMax: 1001 }))).body.length, 1001);
    assert.equal(clock.sleeping, 0);
  });
});

Deno.test("http.send() gives up on a body that never ends once it is too large", async () => {
  await withServer(async (connection) => {
    await connection.startChunks();
    for (let sent = 0; sent < 64; sent++) await connection.chunk("x".repeat(64 * 1024)).catch(() => {});
  }, async (http, server) => {
    const large = await failure(http.send(secretive(server.origin)));
    assert.match(large.message, /larger than 1048576 bytes$/);
  });
});

Deno.test("http.send() tries again after 1 s and 2 s, and returns the last answer", async () => {
  await withServer(
    (connection, _request, nth) => connection.answer(500, `attempt ${nth}`),
    async (http, server, clock) => {
      const sent = http.send(secretive(server.origin, { retries: 2 }));
      for (const [attempt, waitMs] of [[1, 1_000], [2, 2_000]] as const) {
        await until(`it waits after attempt ${attempt}`, () => clock.sleeping === 1 && clock.nextDueMs() === waitMs);
        assert.equal(server.requests.length, attempt);
        await clock.advance(waitMs);
      }
      assert.deepEqual(await sent.then(({ status, body }) => [status, body]), [500, "attempt 3"]);
      assert.equal(server.requests.length, 3);
    },
  );
});

Deno.test("http.send() keeps to Retry-After, and does not try again where that is too long", async () => {
  const answers = [["7"], ["Thu, 01 Jan 2026 00:00:17 GMT"], [undefined]] as const;
  await withServer((connection, _request, nth) => {
    const [wish] = answers[nth - 1] ?? [];
    return wish === undefined ? connection.answer(200, "ok") : connection.answer(429, "", { "retry-after": wish });
  }, async (http, server, clock) => {
    const sent = http.send(secretive(server.origin, { retries: 5 }));
    await until("it waits 7 s", () => clock.nextDueMs() === 7_000);
    await clock.advance(7_000);
    // The clock stands at 00:00:07.
    await until("it waits for the date", () => clock.nextDueMs() === 10_000);
    await clock.advance(10_000);
    assert.equal((await sent).status, 200);
  });
  await withServer((connection) => connection.answer(503, "", { "retry-after": "3600" }), async (http, server) => {
    assert.equal((await http.send(secretive(server.origin, { retries: 5 }))).status, 503);
    assert.equal(server.requests.length, 1);
  });
});

Deno.test("http.send() tries again after a connection that was refused or cut", async () => {
  await withServer((connection, _request, nth) => nth === 1 ? connection.close() : connection.answer(200, "ok"), async (
    http,
    server,
    clock,
  ) => {
    const sent = http.send(secretive(server.origin, { retries: 1 }));
    await until("it waits", () => clock.nextDueMs() === 1_000);
    await clock.advance(1_000);
    assert.equal((await sent).status, 200);
    assert.equal(server.requests.length, 2);
  });
});

Deno.test("http.send() never sends a POST again by itself, and a GET on a kept connection", async () => {
  await withServer(async (connection, _request, nth) => {
    await connection.answer(200, `answer ${nth}`);
  }, async (http, server) => {
    for (let nth = 0; nth < 3; nth++) await http.send(secretive(server.origin));
    assert.equal(server.connections(), 3);
    for (let nth = 0; nth < 3; nth++) await http.send({ method: "GET", url: server.origin, timeoutMs: 5_000 });
    assert.equal(server.connections(), 4);
  });
  await withServer((connection) => connection.close(), async (http, server) => {
    await failure(http.send(secretive(server.origin)));
    assert.equal(server.requests.length, 1);
  });
});

Deno.test("http.send() follows redirects, without credentials to another origin", async () => {
  const elsewhere = serveRaw((connection) => connection.answer(200, "there"));
  try {
    await withServer((connection, request) => {
      const location = request.target.startsWith("/geheim-path") ? "/second" : `${elsewhere.origin}/third`;
      return connection.answer(307, "", { location });
    }, async (http, server) => {
      const answer = await http.send(secretive(server.origin));
      assert.deepEqual([answer.status, answer.body], [200, "there"]);
      const [second, third] = [server.requests[1], elsewhere.requests[0]];
      assert.equal(second?.headers["x-api-key"], "geheim-header");
      assert.equal(third?.method, "POST");
      assert.equal(third?.body, "geheim-body");
      assert.equal(third?.headers["x-api-key"], undefined);
      assert.equal(third?.headers["authorization"], undefined);
    });
  } finally {
    await elsewhere.close();
  }
});

Deno.test("http.send() follows five redirects, not six", async () => {
  const redirects = (times: number) => (connection: HttpConnection, _request: RawRequest, nth: number) =>
    nth <= times ? connection.answer(302, "", { location: `/${nth}` }) : connection.answer(200, "ok");
  await withServer(redirects(5), async (http, server) => {
    assert.equal((await http.send(secretive(server.origin))).status, 200);
    assert.equal(server.requests.length, 6);
  });
  await withServer(redirects(6), async (http, server) => {
    assert.match((await failure(http.send(secretive(server.origin)))).message, /redirects more than 5 times$/);
  });
});

Deno.test("http.send() goes through a proxy, with its own credentials", async () => {
  await withServer((connection) => connection.answer(200, "by proxy"), async (http, proxy) => {
    const proxyUrl = proxy.origin.replace("://", "://geheim-user:geheim-password@");
    const answer = await http.send({ method: "GET", url: "http://nowhere.invalid/x?y", timeoutMs: 5_000, proxyUrl });
    assert.equal(answer.body, "by proxy");
    assert.equal(proxy.requests[0]?.target, "http://nowhere.invalid/x?y");
    assert.equal(proxy.requests[0]?.headers["proxy-authorization"], `Basic ${btoa("geheim-user:geheim-password")}`);
    await failure(http.send(secretive("http://nowhere.invalid", { proxyUrl: "geheim-query" })));
  });
});

Deno.test("http.send() trusts the CA bundle, and nobody without one", async () => {
  const authority = createAuthority();
  const { certPem, keyPem } = authority.server();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert: certPem, key: keyPem, onListen() {} },
    () => new Response("safe"),
  );
  const origin = `https://127.0.0.1:${server.addr.port}`;
  const clock = new ManualClock();
  const trusting = openHttp({ clock, caPem: createAuthority("another").caPem + authority.caPem });
  const wary = openHttp({ clock });
  try {
    assert.equal((await trusting.send(secretive(origin))).body, "safe");
    const untrusted = await failure(wary.send(secretive(origin, { retries: 5 })));
    assert.ok(untrusted instanceof UnavailableError);
    assert.match(untrusted.message, /its certificate is not trusted$/);
    assert.match(untrusted.fix ?? "", /CA bundle/);
    const unverified = await failure(wary.send(secretive(origin, { insecureSkipVerify: true })));
    assert.ok(unverified instanceof RejectedError);
    assert.match(unverified.fix ?? "", /CA bundle/);
  } finally {
    trusting.close();
    wary.close();
    await server.shutdown();
  }
});

Deno.test("http.send() takes no notice of insecureSkipVerify where there is no TLS", async () => {
  await withServer((connection) => connection.answer(200, "ok"), async (http, server) => {
    assert.equal((await http.send(secretive(server.origin, { insecureSkipVerify: true }))).status, 200);
  });
});

Deno.test("http.send() refuses addresses and headers that cannot be sent, without repeating them", async () => {
  const http = openHttp({ clock: new ManualClock() });
  for (const url of ["geheim-query", "ftp://x.example.com/geheim-path", ""]) {
    assert.ok(await failure(http.send(secretive("http://x.example.com", { url }))) instanceof InvalidSpecError);
  }
  const headers = { authorization: "Bearer geheim-header\nx: y" };
  const error = await failure(http.send(secretive("http://x.example.com", { headers })));
  assert.match(error.message, /header "authorization" is not valid$/);
  http.close();
  const broken = "-----BEGIN CERTIFICATE-----\ngeheim-body\n-----END CERTIFICATE-----\n";
  for (const caPem of ["", "geheim-body", broken]) {
    assert.throws(() => openHttp({ clock: new ManualClock(), caPem }), InvalidSpecError);
  }
});

Deno.test("http.close() ends what is under way, and what comes after", async () => {
  await withServer(() => {}, async (http, server, clock) => {
    const failed = failure(http.send(secretive(server.origin)));
    await until("the request arrived", () => server.requests.length === 1);
    http.close();
    assert.match((await failed).message, /the agent is shutting down$/);
    assert.match((await failure(http.send(secretive(server.origin)))).message, /the agent is shutting down$/);
    assert.equal(clock.sleeping, 0);
  });
});
