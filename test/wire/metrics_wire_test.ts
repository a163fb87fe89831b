/** Prometheus over real HTTP: what is measured, and what is thrown, when the server is well, down, slow or lying. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { openHttp } from "../../adapters/platform/http.ts";
import { prometheus } from "../../adapters/metrics/prometheus.ts";
import { RejectedError, SerinError, UnavailableError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Measurement, MetricsQuery } from "../../src/ports/metrics.ts";
import { ManualClock } from "../support/manual_clock.ts";
import type { HttpConnection } from "../support/raw_http.ts";
import { type RawAnswer, type RawServer, serveRaw } from "../support/raw_server.ts";
import { until } from "../support/until.ts";

const TOKEN = "geheim-token";

/** Asks once, as the shell does. */
async function measure(address: string, clock: Clock, more: Partial<MetricsQuery> = {}): Promise<Measurement> {
  const http = openHttp({ clock });
  const query: MetricsQuery = {
    address,
    query: 'sum(rate(x{a="b"}[1m]))',
    windowMs: 60_000,
    headers: { "x-scope-orgid": ["shop"] },
    secret: { token: TOKEN },
    insecureSkipVerify: false,
    region: null,
    now: clock.now(),
    ...more,
  };
  try {
    return prometheus.parse(await http.send(prometheus.request(query)), query);
  } finally {
    http.close();
  }
}

async function withServer(answer: RawAnswer, run: (server: RawServer) => Promise<void>): Promise<void> {
  const server = serveRaw(answer);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

const vector = (...values: readonly string[]) => ({
  status: "success",
  data: { resultType: "vector", result: values.map((value) => ({ metric: {}, value: [1767225600.123, value] })) },
});

const MEASURED: readonly (readonly [what: string, answer: unknown, want: Measurement["type"], value?: number])[] = [
  ["one series", vector("99.98"), "value", 99.98],
  ["several series, of which the last counts", vector("1", "2", "3"), "value", 3],
  ["a scalar", { status: "success", data: { resultType: "scalar", result: [1, "7"] } }, "value", 7],
  ["an empty vector", vector(), "no-data"],
  ["NaN", vector("NaN"), "no-data"],
];

for (const [what, body, type, value] of MEASURED) {
  Deno.test(`Prometheus answers ${what}`, async () => {
    await withServer((connection) => connection.answer(200, body), async (server) => {
      const measured = await measure(`${server.origin}/tenant`, machineClock);
      assert.equal(measured.type, type);
      if (measured.type === "value") assert.equal(measured.value, value);
      const [request] = server.requests;
      const url = new URL(request?.target ?? "", server.origin);
      assert.equal(request?.method, "GET");
      assert.equal(url.pathname, "/tenant/api/v1/query");
      assert.equal(url.searchParams.get("query"), 'sum(rate(x{a="b"}[1m]))');
      assert.equal(request?.headers["authorization"], `Bearer ${TOKEN}`);
      assert.equal(request?.headers["x-scope-orgid"], "shop");
    });
  });
}

type Kind = typeof RejectedError | typeof UnavailableError;

function isError(error: unknown, kind: Kind, message: RegExp): true {
  assert.ok(error instanceof kind, String(error));
  assert.match(error.message, message);
  assert.ok(error instanceof SerinError);
  assert.ok(!`${Deno.inspect(error)}${error.fix}`.includes("geheim"));
  return true;
}

const lies = {
  error: (status: number, errorType: string, error: string): RawAnswer => (connection: HttpConnection) =>
    connection.answer(status, { status: "error", errorType, error }),
};

const FAILED: readonly (readonly [what: string, answer: RawAnswer, kind: Kind, message: RegExp])[] = [
  ["500", (connection) => connection.answer(500, "oops"), UnavailableError, /it answers 500$/],
  ["503 and why", lies.error(503, "timeout", "query timed out"), UnavailableError, /503: timeout: query timed out$/],
  [
    "HTML",
    (connection) => connection.answer(200, "<html>Log in</html>"),
    UnavailableError,
    /not that of a Prometheus$/,
  ],
  ["400 bad_data", lies.error(400, "bad_data", "parse error"), RejectedError, /answers 400: bad_data: parse error$/],
  ["401 to a wrong token", (connection) => connection.answer(401, `no ${TOKEN}`), RejectedError, /it answers 401$/],
  ["a token back", lies.error(422, "execution", `no ${TOKEN}`), RejectedError, /execution: no \[redacted\]$/],
  ["404", (connection) => connection.answer(404, "404 page not found"), RejectedError, /it answers 404$/],
  [
    "values over time",
    (connection) => connection.answer(200, { status: "success", data: { resultType: "matrix", result: [] } }),
    RejectedError,
    /over time/,
  ],
  [
    "half a body",
    async (connection) => {
      await connection.cut();
      connection.close();
    },
    UnavailableError,
    /the answer was cut off$/,
  ],
  ["nothing", (connection) => connection.close(), UnavailableError, /Cannot send GET/],
];

for (const [what, answer, kind, message] of FAILED) {
  Deno.test(`Prometheus answers ${what}: ${kind.name}`, async () => {
    await withServer(answer, async (server) => {
      await assert.rejects(measure(server.origin, machineClock), (error: unknown) => isError(error, kind, message));
      assert.equal(server.requests.length, 1);
    });
  });
}

Deno.test("Prometheus is down: UnavailableError", async () => {
  const server = serveRaw(() => {});
  await server.close();
  await assert.rejects(
    measure(`${server.origin}/?key=geheim`, machineClock),
    (error: unknown) => isError(error, UnavailableError, /the connection was refused$/),
  );
});

Deno.test("Prometheus is slow: UnavailableError after 5 s", async () => {
  const clock = new ManualClock();
  await withServer(() => {}, async (server) => {
    const measured = assert.rejects(
      measure(server.origin, clock),
      (error: unknown) => isError(error, UnavailableError, /no answer within 5000 ms$/),
    );
    await until("it was asked", () => server.requests.length === 1);
    await clock.advance(5_000);
    await measured;
  });
});
