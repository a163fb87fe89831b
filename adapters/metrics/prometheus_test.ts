import assert from "node:assert/strict";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type { MetricsQuery } from "../../src/ports/metrics.ts";
import { prometheus } from "./prometheus.ts";

function aQuery(more: Partial<MetricsQuery> = {}): MetricsQuery {
  return {
    address: "http://prom:9090",
    query: "up",
    windowMs: 60_000,
    headers: {},
    secret: {},
    insecureSkipVerify: false,
    region: null,
    now: 1_767_225_600_000,
    ...more,
  };
}

const URLS: readonly (readonly [address: string, query: string, url: string])[] = [
  ["http://prom:9090", "up", "http://prom:9090/api/v1/query?query=up"],
  ["http://prom:9090/", "a + b", "http://prom:9090/api/v1/query?query=a+%2B+b"],
  ["https://x.example.com/tenant/", 'x{a="b"}', "https://x.example.com/tenant/api/v1/query?query=x%7Ba%3D%22b%22%7D"],
  [
    "http://prom:9090/select?extra_label=a%3Db",
    "up",
    "http://prom:9090/select/api/v1/query?extra_label=a%3Db&query=up",
  ],
];

for (const [address, query, url] of URLS) {
  Deno.test(`prometheus.request() asks ${url}`, () => {
    const request = prometheus.request(aQuery({ address, query }));
    assert.equal(request.url, url);
    assert.equal(request.method, "GET");
    assert.equal(request.timeoutMs, 5_000);
  });
}

const CREDENTIALS: readonly (readonly [secret: Readonly<Record<string, string>>, header: string | undefined])[] = [
  [{}, undefined],
  [{ token: "t0k\n" }, "Bearer t0k"],
  [{ token: "t0k", username: "u", password: "p" }, "Bearer t0k"],
  [{ username: "u", password: "pä:ss\n" }, `Basic ${base64("u:pä:ss")}`],
];

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

for (const [secret, header] of CREDENTIALS) {
  Deno.test(`prometheus.request() with Secret keys [${Object.keys(secret)}] sends ${header?.split(" ")[0]}`, () => {
    const headers = prometheus.request(aQuery({ secret, headers: { "X-Scope-OrgID": ["a", "b"] } })).headers ?? {};
    assert.equal(headers["authorization"], header);
    assert.equal(headers["x-scope-orgid"], "a, b");
  });
}

Deno.test("prometheus.request() lets the Secret win over a header of the template", () => {
  const headers = { Authorization: ["Bearer old"] };
  assert.equal(prometheus.request(aQuery({ headers })).headers?.["authorization"], "Bearer old");
  const request = prometheus.request(aQuery({ headers, secret: { token: "new" } }));
  assert.equal(request.headers?.["authorization"], "Bearer new");
});

for (const secret of [{ username: "u" }, { password: "geheim" }, { token: "" }, { other: "geheim" }]) {
  Deno.test(`prometheus.request() refuses a Secret with only ${JSON.stringify(Object.keys(secret))}`, () => {
    assert.throws(() => prometheus.request(aQuery({ secret })), (error: unknown) => {
      return error instanceof InvalidSpecError && !error.message.includes("geheim");
    });
  });
}

const success = (resultType: string, result: unknown) => ({ status: "success", data: { resultType, result } });
const series = (...values: readonly string[]) =>
  success("vector", values.map((value, index) => ({ metric: { i: String(index) }, value: [1767225600, value] })));

const MEASURED: readonly (readonly [what: string, body: unknown, want: number | RegExp])[] = [
  ["one series", series("99.5"), 99.5],
  ["the last of several", series("1", "NaN", "3"), 3],
  ["NaN", series("NaN"), /NaN/],
  ["NaN as the last of several", series("1", "NaN"), /NaN/],
  ["an empty vector", series(), /no series/],
  ["a scalar", success("scalar", [1767225600, "1e-3"]), 0.001],
  ["infinity", series("+Inf"), Infinity],
  ["negative infinity", series("-Inf"), -Infinity],
  ["an answer with warnings", { ...series("7"), warnings: ["partial"] }, 7],
];

for (const [what, body, want] of MEASURED) {
  Deno.test(`prometheus.parse() reads ${what}`, () => {
    const measured = prometheus.parse({ status: 200, headers: {}, body: JSON.stringify(body) }, aQuery());
    if (typeof want === "number") assert.deepEqual(measured, { type: "value", value: want });
    else {
      assert.equal(measured.type, "no-data");
      assert.match(measured.type === "no-data" ? measured.reason : "", want);
    }
  });
}

const badData = JSON.stringify({ status: "error", errorType: "bad_data", error: "invalid parameter: parse error" });
const FAILED: readonly (readonly [
  what: string,
  status: number,
  body: string,
  error: typeof RejectedError | typeof UnavailableError,
  message: RegExp,
])[] = [
  ["a bad query", 400, badData, RejectedError, /it answers 400: bad_data: invalid parameter: parse error$/],
  [
    "a query that fails",
    422,
    '{"status":"error","errorType":"execution","error":"duplicate series"}',
    RejectedError,
    /422: execution: duplicate series/,
  ],
  ["wrong credentials", 401, "Unauthorized", RejectedError, /it answers 401$/],
  ["no right", 403, "<html>no</html>", RejectedError, /it answers 403$/],
  ["another server", 404, "<html>not found</html>", RejectedError, /it answers 404$/],
  ["a redirect", 302, "", RejectedError, /it answers 302$/],
  ["too many requests", 429, "", UnavailableError, /429/],
  [
    "an outage",
    503,
    '{"status":"error","errorType":"timeout","error":"query timed out"}',
    UnavailableError,
    /503: timeout: query timed out/,
  ],
  ["a gateway's page", 502, "<html>bad gateway</html>", UnavailableError, /it answers 502$/],
  ["HTML", 200, "<html>log in</html>", UnavailableError, /not that of a Prometheus/],
  ["half an answer", 200, '{"status":"success","data":{"resul', UnavailableError, /not that of a Prometheus/],
  ["other JSON", 200, '{"hello":1}', UnavailableError, /not that of a Prometheus/],
  ["null", 200, "null", UnavailableError, /not that of a Prometheus/],
  ["no result", 200, '{"status":"success","data":{}}', UnavailableError, /has no result/],
  ["no number", 200, JSON.stringify(series("0x10")), UnavailableError, /not a number/],
  [
    "a series without value",
    200,
    JSON.stringify(success("vector", [{ metric: {} }])),
    UnavailableError,
    /not a number/,
  ],
  ["an error under 200", 200, badData, RejectedError, /bad_data/],
  [
    "an outage under 200",
    200,
    '{"status":"error","errorType":"internal","error":"x"}',
    UnavailableError,
    /internal: x/,
  ],
  [
    "values over time",
    200,
    JSON.stringify(success("matrix", [{ metric: {}, values: [[1, "2"]] }])),
    RejectedError,
    /several values over time/,
  ],
  ["a text", 200, JSON.stringify(success("string", [1, "a"])), RejectedError, /a text/],
  [
    "a histogram",
    200,
    JSON.stringify(success("vector", [{ metric: {}, histogram: [1, {}] }])),
    RejectedError,
    /a histogram/,
  ],
];

for (const [what, status, body, kind, message] of FAILED) {
  Deno.test(`prometheus.parse() throws ${kind.name} for ${what}`, () => {
    const query = aQuery({ address: "http://u:geheim@prom:9090/t0k?key=geheim" });
    assert.throws(() => prometheus.parse({ status, headers: {}, body }, query), (error: unknown) => {
      assert.ok(error instanceof kind, String(error));
      assert.match(error.message, message);
      assert.ok(error.message.startsWith('Cannot query Prometheus at "http://prom:9090"'), error.message);
      return true;
    });
  });
}

Deno.test("prometheus.parse() passes on how long the server wants to be left alone", () => {
  const answer = { status: 429, headers: { "retry-after": "7" }, body: "" };
  assert.throws(() => prometheus.parse(answer, aQuery()), (error: unknown) => {
    return error instanceof UnavailableError && error.retryAfterMs === 7_000;
  });
});

Deno.test("prometheus.parse() blots out a secret that the server repeats", () => {
  const body = JSON.stringify({ status: "error", errorType: "bad_data", error: "token t0k-geheim\n is bad" });
  const query = aQuery({ secret: { token: "t0k-geheim\n" } });
  assert.throws(() => prometheus.parse({ status: 400, headers: {}, body }, query), (error: unknown) => {
    return error instanceof RejectedError && error.message.endsWith("bad_data: token [redacted] is bad");
  });
});
