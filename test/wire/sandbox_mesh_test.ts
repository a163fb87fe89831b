/** The sandbox's mesh over real HTTP: what HTTPRoutes, VirtualServices and Services say is what requests meet. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Json, JsonObject, KubeObject } from "../../src/core/kube_object.ts";
import { numberAt, stringAt } from "../../src/core/kube_object.ts";
import { startLoad } from "../../src/sandbox/load/load_generator.ts";
import { httpRouteStatus } from "../../src/sandbox/mesh/route_status.ts";
import { type DataPlane, object, service, withDataPlane } from "../support/data_plane.ts";
import { until } from "../support/until.ts";

const GATEWAY = object("gateway.networking.k8s.io/v1", "Gateway", "public", {
  listeners: [{ name: "http", protocol: "HTTP", port: 80 }],
});
const HOST = "shop.example.com";

function httpRoute(name: string, rules: readonly JsonObject[], more: JsonObject = {}): KubeObject {
  const spec = { parentRefs: [{ name: "public" }], hostnames: [HOST], rules, ...more };
  return object("gateway.networking.k8s.io/v1", "HTTPRoute", name, spec);
}

function virtualService(http: readonly JsonObject[], more: JsonObject = {}): KubeObject {
  return object("networking.istio.io/v1beta1", "VirtualService", "shop", { hosts: ["shop"], http, ...more });
}

const to = (name: string, weight: number, more: JsonObject = {}) => ({ name, port: 8080, weight, ...more });
const istioTo = (host: string, weight: number, more: JsonObject = {}) => ({ destination: { host }, weight, ...more });

interface Answer {
  readonly status: number;
  readonly version: string | undefined;
  readonly body: string;
  readonly json: Json;
  readonly headers: Headers;
}

async function ask(url: string, host: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const client = Deno.createHttpClient({ allowHost: true });
  try {
    const answer = await fetch(url, { method, headers: { ...headers, host }, client, redirect: "manual" });
    const body = await answer.text();
    let json: Json = null;
    try {
      json = JSON.parse(body);
    } catch {
      // A refusal of the mesh is plain text.
    }
    return { status: answer.status, version: stringAt(json, "version"), body, json, headers: answer.headers };
  } finally {
    client.close();
  }
}

/** Primary (version 1) and canary (version 2), one pod each, with their Services and the apex. */
async function withShop(
  body: (plane: DataPlane) => Promise<void>,
  canary = "shop:2",
  behaviours: Parameters<typeof withDataPlane>[0] = {},
): Promise<void> {
  await withDataPlane(behaviours, async (plane) => {
    plane.objects.put(
      GATEWAY,
      service("shop", "shop-primary"),
      service("shop-primary", "shop-primary"),
      service("shop-canary", "shop"),
    );
    await plane.pod("shop-primary", "a", "shop:1");
    await plane.pod("shop", "a", canary);
    await body(plane);
  });
}

async function sendMany(plane: DataPlane, count: number, users = 0): Promise<ReturnType<typeof startLoad>> {
  const load = startLoad({
    url: `${plane.mesh.gatewayUrl}/`,
    host: HOST,
    ratePerSecond: 500,
    requestsMax: count,
    users,
    clock: plane.clock,
  });
  await load.finished;
  return load;
}

function share(load: ReturnType<typeof startLoad>, version: string): number {
  return load.log.filter((entry) => entry.version === version).length / load.log.length;
}

/** A counter's sum over the mesh's page, for lines that hold all the words. */
async function counted(plane: DataPlane, metric: string, ...words: readonly string[]): Promise<number> {
  const page = await (await fetch(plane.mesh.metricsUrl)).text();
  return page.split("\n").filter((line) => line.startsWith(`${metric}{`) && words.every((word) => line.includes(word)))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

Deno.test("an HTTPRoute's weights split requests, and a change of weights is seen by the next request", async () => {
  await withShop(async (plane) => {
    plane.objects.put(httpRoute("shop", [{ backendRefs: [to("shop-primary", 90), to("shop-canary", 10)] }]));
    const load = await sendMany(plane, 600);
    equal(load.log.length, 600);
    deepEqual(load.log.filter((entry) => entry.status !== 200), []);
    // 600 draws at 0.1 have a standard deviation of 0.012; four of them either way.
    ok(Math.abs(share(load, "2") - 0.1) < 0.05, `share was ${share(load, "2")}`);
    plane.objects.put(httpRoute("shop", [{ backendRefs: [to("shop-primary", 0), to("shop-canary", 100)] }]));
    equal(share(await sendMany(plane, 50), "2"), 1);
  });
});

Deno.test("precedence: exact path, longer prefix, more headers; prefixes go by whole elements", async () => {
  await withShop(async (plane) => {
    const rule = (matches: readonly JsonObject[], answers: string) => ({
      matches,
      filters: [{
        type: "ResponseHeaderModifier",
        responseHeaderModifier: { set: [{ name: "x-rule", value: answers }] },
      }],
      backendRefs: [to("shop-primary", 1)],
    });
    plane.objects.put(httpRoute("shop", [
      rule([{ path: { type: "PathPrefix", value: "/" } }], "root"),
      rule([{ path: { type: "PathPrefix", value: "/cart" } }], "cart"),
      rule([{ path: { type: "Exact", value: "/cart/1" } }], "exact"),
      rule(
        [{ path: { value: "/cart" }, headers: [{ name: "X-User", type: "RegularExpression", value: "in.*" }] }],
        "insider",
      ),
      rule([{ path: { value: "/" }, method: "POST", queryParams: [{ name: "v", value: "2" }] }], "post"),
    ]));
    const rows: readonly (readonly [path: string, headers: Record<string, string>, method: string, want: string])[] = [
      ["/", {}, "GET", "root"],
      ["/carton", {}, "GET", "root"],
      ["/cart", {}, "GET", "cart"],
      ["/cart/2", {}, "GET", "cart"],
      ["/cart/1", { "x-user": "insider" }, "GET", "exact"],
      ["/cart/2", { "x-user": "insider" }, "GET", "insider"],
      ["/cart/2", { "x-user": "an insider" }, "GET", "cart"],
      ["/x?v=2", {}, "POST", "post"],
      ["/x?v=3", {}, "POST", "root"],
    ];
    for (const [path, headers, method, want] of rows) {
      const answer = await ask(`${plane.mesh.gatewayUrl}${path}`, HOST, headers, method);
      equal(answer.headers.get("x-rule"), want, `${method} ${path}`);
    }
  });
});

Deno.test("session affinity: who was given the canary's cookie stays with the canary", async () => {
  await withShop(async (plane) => {
    const cookie = {
      type: "ResponseHeaderModifier",
      responseHeaderModifier: { add: [{ name: "Set-Cookie", value: "flagger=abc; Max-Age=60" }] },
    };
    plane.objects.put(httpRoute("shop", [
      {
        matches: [{ headers: [{ name: "Cookie", type: "RegularExpression", value: ".*flagger.*abc.*" }] }],
        backendRefs: [to("shop-primary", 0), to("shop-canary", 100)],
      },
      { backendRefs: [to("shop-primary", 80), to("shop-canary", 20, { filters: [cookie] })] },
    ]));
    // One user after the other waits for its answer, so that a cookie is there before the next request.
    const load = startLoad({
      url: `${plane.mesh.gatewayUrl}/`,
      host: HOST,
      ratePerSecond: 200,
      requestsMax: 200,
      users: 10,
      clock: plane.clock,
    });
    await load.finished;
    for (let user = 0; user < 10; user++) {
      const seen = load.log.filter((entry) => entry.user === user).map((entry) => entry.version ?? "");
      const first = seen.indexOf("2");
      if (first >= 0) deepEqual(new Set(seen.slice(first)), new Set(["2"]), `user ${user} saw ${seen.join("")}`);
    }
    ok(share(load, "2") > 0.5, "after 20 turns each, most users have met the canary");
  });
});

Deno.test("a mirror gets a copy of each request, and its answers and errors reach nobody", async () => {
  await withShop(async (plane) => {
    const mirror = { type: "RequestMirror", requestMirror: { backendRef: { name: "shop-canary", port: 8080 } } };
    plane.objects.put(httpRoute("shop", [{ filters: [mirror], backendRefs: [to("shop-primary", 1)] }]));
    const load = await sendMany(plane, 40);
    equal(share(load, "1"), 1);
    const words = ['destination_workload="shop"', 'response_code="500"', 'reporter="destination"'];
    await until("all were mirrored", async () => await counted(plane, "istio_requests_total", ...words) === 40);
    equal(await counted(plane, "istio_requests_total", 'destination_workload="shop"', 'reporter="source"'), 0);
  }, "shop:2-broken");
});

Deno.test("filters: headers are edited both ways, paths and hosts rewritten", async () => {
  await withShop(async (plane) => {
    plane.objects.put(httpRoute("shop", [{
      matches: [{ path: { value: "/old" } }],
      filters: [
        {
          type: "RequestHeaderModifier",
          requestHeaderModifier: {
            set: [{ name: "x-a", value: "1" }],
            add: [{ name: "x-b", value: "2" }],
            remove: ["x-c"],
          },
        },
        {
          type: "URLRewrite",
          urlRewrite: { hostname: "inner.example", path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/new" } },
        },
      ],
      backendRefs: [to("shop-primary", 1)],
    }]));
    const { json } = await ask(`${plane.mesh.gatewayUrl}/old/x?q=1`, HOST, { "x-b": "1", "x-c": "gone" });
    deepEqual([stringAt(json, "path"), stringAt(json, "query")], ["/new/x", "?q=1"]);
    const header = (name: string) => stringAt(json, "headers", name);
    deepEqual([header("x-a"), header("x-b"), header("x-c"), header("host")], ["1", "1, 2", undefined, "inner.example"]);
    equal((await ask(`${plane.mesh.gatewayUrl}/other`, HOST)).status, 404);
  });
});

Deno.test("what a route asks and the mesh does not do is refused, and said in the report and the status", async () => {
  await withShop(async (plane) => {
    const backendRefs = [to("shop-primary", 1)];
    plane.objects.put(httpRoute("shop", [{ backendRefs, sessionPersistence: { sessionName: "x" } }]));
    const answer = await ask(plane.mesh.gatewayUrl, HOST);
    equal(answer.status, 501);
    match(answer.body, /spec\.rules\[0\]\.sessionPersistence: the sandbox's mesh does not know this field/);
    const [report] = plane.mesh.reports();
    ok(report !== undefined);
    equal(report.programmed, false);
    const status = httpRouteStatus(report, 0);
    equal(stringAt(status, "parents", 0, "conditions", 0, "status"), "False");
    plane.objects.put(httpRoute("shop", [{ backendRefs }]));
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 200);
    const [mended] = plane.mesh.reports();
    ok(mended !== undefined);
    equal(stringAt(httpRouteStatus(mended, 0), "parents", 0, "conditions", 0, "status"), "True");
    equal(numberAt(httpRouteStatus(mended, 0), "parents", 0, "conditions", 0, "observedGeneration"), 1);
  });
});

Deno.test("a gateway that is missing, closed to the namespace or of another host takes no route", async () => {
  await withShop(async (plane) => {
    const rules = [{ backendRefs: [to("shop-primary", 1)] }];
    const reason = () => plane.mesh.reports()[0]?.parents[0]?.reason;
    plane.objects.put(httpRoute("shop", rules, { parentRefs: [{ name: "none" }] }));
    equal(reason(), "NoMatchingParent");
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 404);
    const elsewhere = { ...GATEWAY, metadata: { name: "public", namespace: "infra" } };
    plane.objects.put(elsewhere, httpRoute("shop", rules, { parentRefs: [{ name: "public", namespace: "infra" }] }));
    equal(reason(), "NotAllowedByListeners");
    const listener = { name: "http", protocol: "HTTP", port: 80, allowedRoutes: { namespaces: { from: "All" } } };
    plane.objects.put({ ...elsewhere, spec: { listeners: [{ ...listener, hostname: "*.other.example" }] } });
    equal(reason(), "NoMatchingListenerHostname");
    plane.objects.put({ ...elsewhere, spec: { listeners: [{ ...listener, hostname: "*.example.com" }] } });
    equal(reason(), "Accepted");
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 200);
  });
});

Deno.test("no ready pod is 503, no such Service 500 from a gateway and 503 from a sidecar", async () => {
  await withShop(async (plane) => {
    plane.objects.put(service("empty", "nobody"), httpRoute("shop", [{ backendRefs: [to("empty", 1)] }]));
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 503);
    plane.objects.put(httpRoute("shop", [{ backendRefs: [to("gone", 1)] }]));
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 500);
    plane.objects.put(httpRoute("shop", [{ backendRefs: [{ name: "shop-primary", port: 9999 }] }]));
    equal((await ask(plane.mesh.gatewayUrl, HOST)).status, 500);
    plane.objects.put(virtualService([{ route: [istioTo("gone", 100)] }]));
    equal((await ask(plane.mesh.meshUrl, "shop.prod")).status, 503);
  });
});

Deno.test("a VirtualService: header match first, then weights; response headers by destination", async () => {
  await withShop(async (plane) => {
    const headers = { response: { add: { "Set-Cookie": "v=2" } } };
    plane.objects.put(virtualService([
      {
        match: [{ headers: { "x-user": { exact: "insider" } }, uri: { prefix: "/" } }, {
          headers: { cookie: { regex: ".*canary=always.*" } },
        }],
        route: [istioTo("shop-canary", 100), istioTo("shop-primary.prod.svc.cluster.local", 0)],
      },
      {
        route: [istioTo("shop-primary", 50), istioTo("shop-canary", 50, { headers })],
        retries: { attempts: 1, perTryTimeout: "1s", retryOn: "gateway-error,connect-failure" },
      },
    ]));
    const url = plane.mesh.meshUrl;
    equal((await ask(url, "shop.prod", { "x-user": "insider" })).version, "2");
    equal((await ask(url, "shop.prod.svc.cluster.local:8080", { cookie: "a=b; canary=always" })).version, "2");
    const seen = { "1": 0, "2": 0 };
    for (let round = 0; round < 60; round++) {
      const answer = await ask(url, "shop.prod");
      const isCanary = answer.version === "2";
      seen[isCanary ? "2" : "1"]++;
      equal(answer.headers.get("set-cookie"), isCanary ? "v=2" : null);
    }
    ok(seen["1"] > 15 && seen["2"] > 15, JSON.stringify(seen));
  });
});

Deno.test("mirrorPercentage sends that share; a time-out is 504; a retry hides a bad pod", async () => {
  await withShop(
    async (plane) => {
      const url = plane.mesh.meshUrl;
      plane.objects.put(
        virtualService([{
          route: [istioTo("shop-primary", 100)],
          mirror: { host: "shop-canary" },
          mirrorPercentage: { value: 50 },
        }]),
      );
      for (let round = 0; round < 60; round++) equal((await ask(url, "shop.prod")).version, "1");
      plane.objects.put(virtualService([{ route: [istioTo("shop-canary", 100)], timeout: "50ms" }]));
      const late = await ask(url, "shop.prod");
      deepEqual([late.status, late.body], [504, "upstream request timeout"]);
      // The mirrored requests of the slow canary end before the page is read.
      await until(
        "enough were mirrored",
        async () =>
          await counted(plane, "istio_requests_total", 'destination_workload="shop"', 'response_code="200"') >= 15,
      );
      const mirrored = await counted(
        plane,
        "istio_requests_total",
        'destination_workload="shop"',
        'response_code="200"',
      );
      ok(mirrored <= 45, `mirrored ${mirrored} of 60`);
      await plane.pod("shop-primary", "b", "shop:1-broken");
      plane.objects.put(
        virtualService([{ route: [istioTo("shop-primary", 100)], retries: { attempts: 1, retryOn: "5xx" } }]),
      );
      for (let round = 0; round < 6; round++) equal((await ask(url, "shop.prod")).status, 200);
    },
    "shop:2",
    { "shop:2": { latencyMs: { p50: 200, p99: 200 }, startupMs: 0 } },
  );
});

Deno.test("a VirtualService with a subset, a fault or a twin is refused", async () => {
  await withShop(async (plane) => {
    const url = plane.mesh.meshUrl;
    plane.objects.put(virtualService([{ route: [{ destination: { host: "shop-primary", subset: "v1" } }] }]));
    match((await ask(url, "shop.prod")).body, /destination\.subset: the sandbox's mesh does not know/);
    plane.objects.put(virtualService([{ fault: {}, route: [istioTo("shop-primary", 100)] }]));
    match((await ask(url, "shop.prod")).body, /spec\.http\[0\]\.fault/);
    const good = virtualService([{ route: [istioTo("shop-primary", 100)] }]);
    plane.objects.put(good, { ...good, metadata: { name: "twin", namespace: "prod" } });
    match((await ask(url, "shop.prod")).body, /holds the same host/);
    plane.objects.remove({ ...good, metadata: { name: "twin", namespace: "prod" } });
    const policy = (trafficPolicy: JsonObject) =>
      object("networking.istio.io/v1beta1", "DestinationRule", "shop-primary", { host: "shop-primary", trafficPolicy });
    plane.objects.put(policy({ outlierDetection: {} }));
    match((await ask(url, "shop.prod")).body, /trafficPolicy\.outlierDetection/);
    plane.objects.put(policy({ tls: { mode: "ISTIO_MUTUAL" } }));
    equal((await ask(url, "shop.prod")).status, 200);
  });
});

Deno.test("a plain Service goes round its ready pods; unknown hosts are 502 inside and 404 outside", async () => {
  await withShop(async (plane) => {
    await plane.pod("shop-primary", "b", "shop:1");
    await plane.pod("shop-primary", "c", "shop:3-unready");
    const pods: string[] = [];
    for (let round = 0; round < 4; round++) {
      pods.push(stringAt((await ask(plane.mesh.meshUrl, "shop.prod")).json, "pod") ?? "");
    }
    deepEqual(pods, ["shop-primary-6d4f-a", "shop-primary-6d4f-b", "shop-primary-6d4f-a", "shop-primary-6d4f-b"]);
    equal((await ask(plane.mesh.meshUrl, "nowhere.prod")).status, 502);
    equal((await ask(plane.mesh.gatewayUrl, "nowhere.example.com")).status, 404);
    equal(
      await counted(plane, "istio_requests_total", 'reporter="destination"', 'destination_workload="shop-primary"'),
      4,
    );
  });
});

Deno.test("a pod that is stopped with grace under load loses no request", async () => {
  await withShop(async (plane) => {
    const other = await plane.pod("shop-primary", "b", "shop:1");
    plane.objects.put(httpRoute("shop", [{ backendRefs: [to("shop-primary", 1)] }]));
    const load = startLoad({
      url: `${plane.mesh.gatewayUrl}/`,
      host: HOST,
      ratePerSecond: 400,
      requestsMax: 300,
      clock: plane.clock,
    });
    await until("the load runs", () => load.log.length >= 50);
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    plane.objects.put({ ...other.object, metadata: { ...other.object.metadata, deletionTimestamp } });
    await other.process.stop(5_000);
    await load.finished;
    deepEqual(load.log.filter((entry) => entry.status !== 200), []);
    equal(plane.addressOf("prod", other.object.metadata.name), undefined);
  });
});
