/** Requests and writes of the Kubernetes client against a scripted API server: what is sent, what errors become. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { type OpenCluster, openCluster } from "../../adapters/platform/kube.ts";
import type { KubeEndpoint } from "../../adapters/platform/kube/config.ts";
import { emitEvent } from "../../adapters/platform/kube/events.ts";
import type { KubeObject, ObjectRef } from "../../src/core/kube_object.ts";
import {
  BugError,
  ConflictError,
  ForeignError,
  InvalidSpecError,
  RejectedError,
  SerinError,
  UnavailableError,
} from "../../src/errors.ts";
import { createAuthority } from "../support/certificates.ts";
import { FakeKube, type Fault, type Seen, statusBody } from "../support/fake_kube.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

const shop: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "shop", namespace: "prod", labels: { app: "shop" } },
  spec: { replicas: 2 },
};
const shopRef: ObjectRef = { apiVersion: "apps/v1", kind: "Deployment", namespace: "prod", name: "shop" };

interface Wired {
  readonly server: FakeKube;
  readonly cluster: OpenCluster;
  readonly clock: ManualClock;
}

async function wired(
  work: (wired: Wired) => Promise<void>,
  endpoint: Partial<KubeEndpoint> = {},
  server = new FakeKube(),
): Promise<void> {
  const clock = new ManualClock();
  const cluster = openCluster({ endpoint: server.endpoint(endpoint), clock, requestTimeoutMs: 2_000 });
  try {
    await work({ server, cluster, clock });
  } finally {
    await cluster.close();
    await server.stop();
  }
}

function last(server: FakeKube): Seen {
  const seen = server.seen.at(-1);
  if (seen === undefined) throw new Error("Nothing was sent");
  return seen;
}

/** Meets the next write with a fault and returns the error it becomes. */
async function failedApply({ server, cluster }: Wired, fault: Fault): Promise<SerinError> {
  server.script(({ method }) => method === "PATCH", fault);
  try {
    await cluster.apply(shop);
  } catch (error) {
    if (error instanceof SerinError) return error;
    throw error;
  }
  throw new Error("The write did not fail");
}

Deno.test("apply sends a strict server-side apply of what we own, fenced by resourceVersion", async () => {
  await wired(async ({ server, cluster }) => {
    const live = server.put(shop);
    const resourceVersion = live.metadata.resourceVersion ?? "";
    const object = { ...live, status: { readyReplicas: 2 }, metadata: { ...shop.metadata, managedFields: [{}] } };
    const stored = await cluster.apply(object, { resourceVersion, force: true });
    const sent = last(server);
    equal(`${sent.method} ${sent.path}`, "PATCH /apis/apps/v1/namespaces/prod/deployments/shop");
    deepEqual(sent.query, { fieldManager: "serin", fieldValidation: "Strict", force: "true" });
    equal(sent.headers["content-type"], "application/apply-patch+yaml");
    deepEqual(sent.body, { ...shop, metadata: { ...shop.metadata, resourceVersion } });
    equal(stored.metadata.managedFields, undefined);
    await rejects(cluster.apply(shop, { resourceVersion }), ConflictError);
  });
});

Deno.test("a dry run says so and changes neither server nor cache", async () => {
  await wired(async ({ server, cluster }) => {
    server.put(shop);
    await cluster.watch({ apiVersion: "apps/v1", kind: "Deployment" });
    const would = await cluster.apply({ ...shop, spec: { replicas: 9 } }, { dryRun: true });
    equal(last(server).query["dryRun"], "All");
    equal(last(server).query["force"], undefined);
    deepEqual(would.spec, { replicas: 9 });
    deepEqual(cluster.get(shopRef)?.spec, { replicas: 2 });
    await cluster.create({ ...shop, metadata: { ...shop.metadata, name: "other" } }, { dryRun: true });
    equal(cluster.get({ ...shopRef, name: "other" }), undefined);
    await cluster.remove(shopRef, { dryRun: true });
    ok(server.held(shop) !== undefined);
    deepEqual(last(server).body, {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: "Background",
      dryRun: ["All"],
    });
    ok(cluster.get(shopRef) !== undefined);
  });
});

Deno.test("patch, scale, replace, create and remove go where they should, each with its precondition", async () => {
  await wired(async ({ server, cluster }) => {
    const created = await cluster.create(shop);
    equal(`${last(server).method} ${last(server).path}`, "POST /apis/apps/v1/namespaces/prod/deployments");
    await rejects(cluster.create(shop), ConflictError);

    const version = created.metadata.resourceVersion ?? "";
    const patched = await cluster.patch(shopRef, { metadata: { labels: { app: null } } }, { resourceVersion: version });
    equal(last(server).headers["content-type"], "application/merge-patch+json");
    deepEqual(last(server).body, { metadata: { labels: { app: null }, resourceVersion: version } });
    deepEqual(patched.metadata.labels, {});
    await rejects(cluster.patch(shopRef, {}, { resourceVersion: version }), ConflictError);

    await cluster.scale(shopRef, 5, { resourceVersion: patched.metadata.resourceVersion ?? "" });
    equal(last(server).path, "/apis/apps/v1/namespaces/prod/deployments/shop/scale");
    deepEqual(server.held(shop)?.spec, { replicas: 5 });

    await rejects(cluster.replace(patched), ConflictError);
    const live = await cluster.live(shopRef);
    ok(live !== undefined);
    deepEqual((await cluster.replace({ ...live, spec: { replicas: 7 } })).spec, { replicas: 7 });

    await rejects(cluster.remove(shopRef, { resourceVersion: "1" }), ConflictError);
    deepEqual(last(server).body, {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: "Background",
      preconditions: { resourceVersion: "1" },
    });
    await cluster.remove(shopRef);
    equal(await cluster.live(shopRef), undefined);
    equal(cluster.requests.get("create deployments.apps"), 2);
    equal(cluster.requests.get("patch deployments.apps/scale"), 1);
    equal(cluster.requests.get("get discovery"), 1);
  });
});

Deno.test("cluster-scoped kinds have no namespace in their path; namespaced ones need one", async () => {
  await wired(async ({ server, cluster }) => {
    server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "one" } });
    equal((await cluster.live({ apiVersion: "v1", kind: "Node", name: "one" }))?.metadata.name, "one");
    equal(last(server).path, "/api/v1/nodes/one");
    await rejects(cluster.live({ apiVersion: "v1", kind: "ConfigMap", name: "one" }), BugError);
    await rejects(cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace: "..", name: "a" }), InvalidSpecError);
    await cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace: "prod", name: "a/../b" });
    equal(last(server).path, "/api/v1/namespaces/prod/configmaps/a%2F..%2Fb");
  });
});

Deno.test("a kind that is not served is refused by name, and found once its CRD is there", async () => {
  await wired(async ({ server, cluster, clock }) => {
    const ref = { apiVersion: "flagger.app/v1beta1", kind: "Canary", namespace: "prod", name: "shop" };
    const missing = /Canary of flagger\.app\/v1beta1: it is not served: install its CRD/;
    await rejects(cluster.live(ref), missing);
    await rejects(cluster.watch({ apiVersion: ref.apiVersion, kind: "Canary" }), RejectedError);
    equal(cluster.requests.get("get discovery"), 1, "a miss is not asked for again at once");
    server.serve("flagger.app/v1beta1", "canaries", "Canary");
    await clock.advance(300);
    equal(await cluster.live(ref), undefined);
    await cluster.watch({ apiVersion: ref.apiVersion, kind: "Canary" });
    deepEqual(cluster.all("flagger.app/v1beta1", "Canary"), []);
  });
});

Deno.test("403 names the verb and the resource to grant", async () => {
  await wired(async (all) => {
    const message = 'deployments.apps "shop" is forbidden: User "serin" cannot patch resource "deployments"';
    const error = await failedApply(all, {
      type: "answer",
      status: 403,
      body: statusBody(403, "Forbidden", message),
    });
    ok(error instanceof RejectedError);
    ok(error.message.startsWith('Cannot patch deployments.apps "prod/shop": '), error.message);
    ok(error.message.includes(message));
    equal(
      error.fix,
      'Grant the verb "patch" on "deployments" of API group "apps" to the agent in namespace "prod"',
    );
  });
});

Deno.test("a field that another manager owns is a ForeignError that names both; a stale version is not", async () => {
  await wired(async (all) => {
    const causes = [
      { reason: "FieldManagerConflict", message: 'conflict with "kubectl" using apps/v1', field: ".spec.replicas" },
      { reason: "FieldManagerConflict", message: 'conflict with "helm"', field: ".spec.paused" },
    ];
    const foreign = await failedApply(all, {
      type: "answer",
      status: 409,
      body: statusBody(409, "Conflict", "Apply failed with 2 conflicts", { causes }),
    });
    ok(foreign instanceof ForeignError);
    deepEqual(foreign.data["conflicts"], [
      { field: ".spec.replicas", manager: "kubectl" },
      { field: ".spec.paused", manager: "helm" },
    ]);
    ok(foreign.message.includes('field ".spec.replicas" is owned by "kubectl"'));
    const stale = await failedApply(all, {
      type: "answer",
      status: 409,
      body: statusBody(409, "Conflict", "the object has been modified"),
    });
    ok(stale instanceof ConflictError);
  });
});

Deno.test("422 lists every complaint with its field", async () => {
  await wired(async (all) => {
    const causes = [
      { reason: "FieldValueInvalid", message: "must be positive", field: "spec.replicas" },
      { reason: "FieldValueRequired", message: "Required value", field: "spec.selector" },
    ];
    const body = statusBody(422, "Invalid", "Deployment is invalid", { causes });
    const error = await failedApply(all, { type: "answer", status: 422, body });
    ok(error instanceof RejectedError);
    ok(error.message.endsWith("spec.replicas: must be positive; spec.selector: Required value"), error.message);
  });
});

Deno.test("what can never succeed is not retried, whatever status it comes with", async () => {
  await wired(async (all) => {
    const message = "failed to create typed patch object (prod/shop; apps/v1, Kind=Deployment): .spec.nonsense: " +
      "field not declared in schema";
    const unknownField = await failedApply(all, {
      type: "answer",
      status: 500,
      body: statusBody(500, "", message),
    });
    ok(unknownField instanceof RejectedError && unknownField.message.includes(".spec.nonsense"));
    const details = { name: "prod", kind: "namespaces" };
    const noNamespace = await failedApply(all, {
      type: "answer",
      status: 404,
      body: statusBody(404, "NotFound", 'namespaces "prod" not found', details),
    });
    ok(noNamespace instanceof RejectedError);
    equal(noNamespace.fix, 'Create the namespace "prod"');
    const broken = await failedApply(all, {
      type: "answer",
      status: 500,
      body: statusBody(500, "InternalError", "etcdserver: no leader"),
    });
    ok(broken instanceof UnavailableError);
    await rejects(all.cluster.scale({ ...shopRef, name: "nope" }, 1), (error: unknown) => {
      ok(error instanceof ConflictError, "what is gone is read again");
      return true;
    });
  });
});

Deno.test("what may pass is an UnavailableError, with the server's own wish for the next try", async () => {
  await wired(async (all) => {
    const tooMany = await failedApply(all, {
      type: "answer",
      status: 429,
      headers: { "retry-after": "7" },
      body: statusBody(429, "TooManyRequests", "slow down"),
    });
    ok(tooMany instanceof UnavailableError);
    equal(tooMany.retryAfterMs, 7_000);
    const busy = await failedApply(all, {
      type: "answer",
      status: 503,
      body: statusBody(503, "ServiceUnavailable", "starting", { retryAfterSeconds: 3 }),
    });
    ok(busy instanceof UnavailableError);
    equal(busy.retryAfterMs, 3_000);
    const proxy = await failedApply(all, {
      type: "answer",
      status: 502,
      body: "<html><body><h1>502 Bad   Gateway</h1></body></html>",
    });
    ok(proxy instanceof UnavailableError);
    ok(proxy.message.endsWith("502 Bad Gateway (502)"), proxy.message);
    ok(await failedApply(all, { type: "cut" }) instanceof UnavailableError);
    ok(await failedApply(all, { type: "drop" }) instanceof UnavailableError);
    const html = await failedApply(all, { type: "answer", status: 200, body: "<html>log in</html>" });
    ok(html instanceof UnavailableError && html.message.includes("not JSON"));
    ok((await all.cluster.apply(shop)).metadata.uid !== undefined, "the client is none the worse for it");
  });
});

Deno.test("a server that does not answer is given up on; a caller that gives up first gets its own reason", async () => {
  const server = new FakeKube();
  const cluster = openCluster({ endpoint: server.endpoint(), clock: new ManualClock(), requestTimeoutMs: 100 });
  try {
    equal((await cluster.server()).version, "v1.36.0-fake");
    server.script(({ path }) => path === "/version", { type: "hang" }, 2);
    await rejects(cluster.server(), /Cannot get version: no answer within 100 ms/);
    const stop = new AbortController();
    const before = server.seen.length;
    const asked = cluster.server(stop.signal);
    await until("the request is under way", () => server.seen.length > before);
    stop.abort(new Error("no longer wanted"));
    await rejects(asked, /no longer wanted/);
    equal((await cluster.server()).version, "v1.36.0-fake");
  } finally {
    await cluster.close();
    await server.stop();
  }
  await rejects(cluster.server(), { name: "AbortError" });
});

Deno.test("after a 401 the token is read again and the request sent once more, but only if it is another", async () => {
  const server = new FakeKube();
  server.token = "new";
  const tokens = ["old"];
  const rejected: string[] = [];
  const token = (refused?: string) => {
    if (refused !== undefined) {
      rejected.push(refused);
      tokens.push("new");
    }
    return Promise.resolve(tokens.at(-1));
  };
  await wired(
    async ({ cluster }) => {
      equal((await cluster.server()).version, "v1.36.0-fake");
      deepEqual(rejected, ["old"]);
      equal(cluster.requests.get("get version"), 2);
      server.token = "yet another";
      await rejects(cluster.server(), (error: unknown) => {
        ok(error instanceof RejectedError);
        ok(error.fix?.includes("token"));
        return true;
      });
      equal(cluster.requests.get("get version"), 3);
    },
    { token },
    server,
  );
});

Deno.test("TLS: our own authority is trusted when it is given, and only then", async () => {
  const authority = createAuthority();
  await wired(
    async ({ cluster }) => {
      equal((await cluster.server()).version, "v1.36.0-fake");
    },
    { caPem: authority.caPem, ...authority.client("serin") },
    new FakeKube(authority),
  );
  await wired(
    async ({ cluster }) => {
      await rejects(cluster.server(), UnavailableError);
    },
    { caPem: createAuthority("another").caPem },
    new FakeKube(authority),
  );
});

Deno.test("reading a cache that nothing watches is a bug, not an absence", async () => {
  await wired(async ({ cluster }) => {
    throws(() => cluster.get(shopRef), BugError);
    throws(() => cluster.all("apps/v1", "Deployment"), BugError);
    await cluster.watch({ apiVersion: "apps/v1", kind: "Deployment", namespace: "prod" });
    equal(cluster.get(shopRef), undefined);
    throws(() => cluster.get({ ...shopRef, namespace: "test" }), BugError);
  });
});

Deno.test("an event is written once, however often it is said, beside the object it is about", async () => {
  await wired(async ({ server, cluster }) => {
    const draft = {
      regarding: { ...shopRef, uid: "u-1" },
      type: "Warning",
      reason: "Failed",
      message: "x".repeat(2000),
      now: 1_767_225_600_123,
    } as const;
    await emitEvent(cluster, draft);
    await emitEvent(cluster, draft);
    await emitEvent(cluster, { ...draft, reason: "Other" });
    await emitEvent(cluster, { ...draft, regarding: { apiVersion: "v1", kind: "Node", name: "one" } });
    const posts = server.seen.filter(({ method }) => method === "POST");
    deepEqual(posts.map(({ path }) => path), [
      "/api/v1/namespaces/prod/events",
      "/api/v1/namespaces/prod/events",
      "/api/v1/namespaces/prod/events",
      "/api/v1/namespaces/default/events",
    ]);
    const [first, again, other] = posts.map(({ body }) => JSON.parse(JSON.stringify(body)));
    equal(first.metadata.name, again.metadata.name);
    ok(other.metadata.name !== first.metadata.name);
    equal(first.message.length, 1024);
    equal(first.reportingComponent, "serin");
    equal(first.firstTimestamp, "2026-01-01T00:00:00Z");
    deepEqual(first.involvedObject, { ...shopRef, uid: "u-1" });
    server.script(({ method }) => method === "POST", {
      type: "answer",
      status: 403,
      body: statusBody(403, "Forbidden", "no"),
    });
    await rejects(emitEvent(cluster, draft), RejectedError);
  });
});
