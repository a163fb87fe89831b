/** The embedded API server over HTTP: one story of requests with the answers of a real server, then what it adds. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { at, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { type SandboxApi, type SandboxApiOptions, startSandboxApi } from "../../src/sandbox/api/server.ts";
import { until } from "../support/until.ts";
import { type ApiAnswer, apiCases, callApi, callOf, checkAnswer } from "./api_case.ts";

function withApi(
  name: string,
  body: (api: SandboxApi) => Promise<void>,
  options: Partial<SandboxApiOptions> = {},
): void {
  Deno.test(name, async () => {
    const api = await startSandboxApi({ clock: machineClock, ...options });
    try {
      await body(api);
    } finally {
      await api.stop();
    }
  });
}

Deno.test("the API answers as a real server does", async (t) => {
  const api = await startSandboxApi({ clock: machineClock });
  try {
    for (const one of apiCases()) {
      await t.step(stringAt(one, "name") ?? "", async () => checkAnswer(one, await callApi(api, callOf(one))));
    }
  } finally {
    await api.stop();
  }
});

const configMap = (name: string, data: Readonly<Record<string, string>> = {}) => ({ metadata: { name }, data });
const configMaps = "/api/v1/namespaces/default/configmaps";

withApi("a no-op apply, patch and PUT keep the resourceVersion", async (api) => {
  const contentType = "application/apply-patch+yaml";
  const apply = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c", labels: { a: "b" } }, data: { k: "v" } };
  const applyAgain = () =>
    callApi(api, { method: "PATCH", path: `${configMaps}/c?fieldManager=agent`, contentType, body: apply });
  const version = (answer: ApiAnswer) => stringAt(answer.body, "metadata", "resourceVersion");
  const first = await applyAgain();
  assert.equal(version(await applyAgain()), version(first));
  const patch = {
    method: "PATCH",
    path: `${configMaps}/c`,
    contentType: "application/merge-patch+json",
    body: { data: { k: "v" } },
  } as const;
  assert.equal(version(await callApi(api, patch)), version(first));
  const put = { method: "PUT", path: `${configMaps}/c`, body: first.body } as const;
  assert.equal(version(await callApi(api, put)), version(first));
});

withApi("a field that two managers apply stays until both let go of it", async (api) => {
  const apply = (manager: string, data: Readonly<Record<string, string>>) =>
    callApi(api, {
      method: "PATCH",
      path: `${configMaps}/c?fieldManager=${manager}`,
      contentType: "application/apply-patch+yaml",
      body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data },
    });
  await apply("one", { shared: "1", own: "1" });
  await apply("two", { shared: "1" });
  assert.deepEqual(at((await apply("one", {})).body, "data"), { shared: "1" });
  assert.equal(at((await apply("two", {})).body, "data", "shared"), undefined);
});

withApi("lists select by label and field, and page over one version", async (api) => {
  for (const name of ["a", "b", "c"]) {
    await callApi(api, { method: "POST", path: configMaps, body: { metadata: { name, labels: { n: name } } } });
  }
  const names = (answer: ApiAnswer) => listAt(answer.body, "items").map((item) => stringAt(item, "metadata", "name"));
  const list = (query: string) => callApi(api, { method: "GET", path: `${configMaps}?${query}` });
  assert.deepEqual(names(await list("labelSelector=n!%3Da")), ["b", "c"]);
  assert.deepEqual(names(await list("labelSelector=n+in+(a,c)")), ["a", "c"]);
  assert.deepEqual(names(await list("fieldSelector=metadata.name%3Db")), ["b"]);
  assert.equal((await list("fieldSelector=spec.x%3Db")).status, 400);
  const first = await list("limit=2");
  assert.equal(numberAt(first.body, "metadata", "remainingItemCount"), 1);
  await callApi(api, { method: "DELETE", path: `${configMaps}/c` });
  const token = encodeURIComponent(stringAt(first.body, "metadata", "continue") ?? "");
  const second = await list(`limit=2&continue=${token}`);
  assert.deepEqual(names(second), ["c"]);
  assert.equal(
    stringAt(second.body, "metadata", "resourceVersion"),
    stringAt(first.body, "metadata", "resourceVersion"),
  );
  api.faults.compact();
  await callApi(api, { method: "POST", path: configMaps, body: configMap("later") });
  const late = await list(`limit=2&continue=${token}`);
  assert.equal(late.status, 410);
  assert.equal(stringAt(late.body, "reason"), "Expired");
});

withApi("a token is required where one is set", async (api) => {
  const answer = await callApi(api, { method: "GET", path: configMaps });
  assert.equal(answer.status, 401);
  assert.equal(stringAt(answer.body, "reason"), "Unauthorized");
  const allowed = await fetch(api.url + configMaps, { headers: { authorization: "Bearer secret" } });
  await allowed.body?.cancel();
  assert.equal(allowed.status, 200);
}, { token: "secret" });

withApi("a kind that is not installed answers as a cluster without its CRD", async (api) => {
  const answer = await callApi(api, { method: "GET", path: "/apis/flagger.app/v1beta1/canaries" });
  assert.deepEqual([answer.status, answer.body], [404, "404 page not found\n"]);
  const listed = await callApi(api, { method: "GET", path: "/apis/flagger.app/v1beta1" });
  const kinds = listAt(listed.body, "resources").map((one) => stringAt(one, "name"));
  assert.ok(kinds.includes("metrictemplates") && !kinds.includes("canaries"));
}, { without: ["flagger.app/Canary"] });

withApi("faults meet the requests they name, as often as they say", async (api) => {
  api.faults.add({
    verb: "create",
    path: /configmaps/,
    times: 2,
    effect: { type: "status", code: 429, retryAfterSeconds: 3 },
  });
  const create = () => callApi(api, { method: "POST", path: configMaps, body: configMap("c") });
  const busy = await fetch(api.url + configMaps, { method: "POST", body: "{}" });
  await busy.body?.cancel();
  assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "3"]);
  const again = await create();
  assert.deepEqual([again.status, again.retryAfter, again.body], [
    429,
    "3",
    "Too many requests, please try again later.\n",
  ]);
  assert.equal((await create()).status, 201);
  api.faults.add({ effect: { type: "status", code: 403 } });
  const refused = await callApi(api, { method: "GET", path: `${configMaps}/c` });
  assert.match(
    stringAt(refused.body, "message") ?? "",
    /configmaps "c" is forbidden: User "agent" cannot get resource/,
  );
  assert.equal(api.faults.armed, 0);
});

withApi("an answer that is dropped was nevertheless done; a request that is cut was not", async (api) => {
  api.faults.add({ effect: { type: "drop-answer" } });
  await assert.rejects(callApi(api, { method: "POST", path: configMaps, body: configMap("done") }));
  api.faults.add({ effect: { type: "cut" } });
  await assert.rejects(callApi(api, { method: "POST", path: configMaps, body: configMap("undone") }));
  assert.equal((await callApi(api, { method: "GET", path: `${configMaps}/done` })).status, 200);
  assert.equal((await callApi(api, { method: "GET", path: `${configMaps}/undone` })).status, 404);
});

withApi("a request that hangs ends with the client's patience", async (api) => {
  api.faults.add({ effect: { type: "hang" } });
  const patience = new AbortController();
  const answer = fetch(api.url + configMaps, { signal: patience.signal });
  await until("the request arrived", () => api.faults.armed === 0);
  patience.abort();
  await assert.rejects(answer, { name: "AbortError" });
  assert.equal((await callApi(api, { method: "GET", path: configMaps })).status, 200);
});

withApi("requests are logged with verb, path, status and agent", async (api) => {
  await callApi(api, { method: "GET", path: `${configMaps}/nope` });
  await callApi(api, { method: "GET", path: `${configMaps}?limit=5` });
  assert.deepEqual(
    api.requests.map(({ verb, path, status, userAgent }) => [verb, path, status, userAgent]),
    [["get", `${configMaps}/nope`, 404, "probe/1.0"], ["list", `${configMaps}?limit=5`, 200, "probe/1.0"]],
  );
});

withApi("a server that went down refuses, and comes back with what it held", async (api) => {
  await callApi(api, { method: "POST", path: configMaps, body: configMap("c", { a: "1" }) });
  await api.down();
  await assert.rejects(callApi(api, { method: "GET", path: configMaps }), TypeError);
  api.up();
  assert.deepEqual(at((await callApi(api, { method: "GET", path: `${configMaps}/c` })).body, "data"), { a: "1" });
});
