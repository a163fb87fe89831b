/** Watches under every fault a network and an API server can produce: nothing missed, nothing invented, quick to stop. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { type OpenCluster, openCluster } from "../../adapters/platform/kube.ts";
import type { ReflectorStatus } from "../../adapters/platform/kube/reflector.ts";
import type { KubeObject, ObjectRef } from "../../src/core/kube_object.ts";
import { RejectedError } from "../../src/errors.ts";
import { FakeKube, type Fault, type Seen, statusBody } from "../support/fake_kube.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

const everywhere = { apiVersion: "apps/v1", kind: "Deployment" } as const;

interface Wired {
  readonly server: FakeKube;
  readonly cluster: OpenCluster;
  readonly clock: ManualClock;
  readonly changes: string[];
}

async function wired(work: (wired: Wired) => Promise<void>): Promise<void> {
  const server = new FakeKube();
  const clock = new ManualClock();
  const cluster = openCluster({ endpoint: server.endpoint(), clock, requestTimeoutMs: 2_000 });
  const changes: string[] = [];
  cluster.onChange((ref, object) => changes.push(`${ref.name}=${object === undefined ? "gone" : sizeOf(object)}`));
  try {
    await work({ server, cluster, clock, changes });
  } finally {
    await cluster.close();
    equal(cluster.watches().filter(({ synced }) => !synced).length, 0);
    await server.stop();
  }
}

function deployment(name: string, replicas: number, labels: Record<string, string> = {}): KubeObject {
  return { ...everywhere, metadata: { name, namespace: "prod", labels }, spec: { replicas } };
}

function refTo(name: string): ObjectRef {
  return { ...everywhere, namespace: "prod", name };
}

function sizeOf(object: KubeObject | undefined): number | undefined {
  const replicas = object?.spec?.["replicas"];
  return typeof replicas === "number" ? replicas : undefined;
}

function status(cluster: OpenCluster): ReflectorStatus {
  const [only] = cluster.watches();
  if (only === undefined) throw new Error("Nothing is watched");
  return only;
}

function isWatch({ query }: Seen): boolean {
  return query["watch"] === "true";
}

function isList({ path, method, query }: Seen): boolean {
  return method === "GET" && path.endsWith("/deployments") && query["watch"] === undefined;
}

/** Lets the manual clock run, second by second, until the condition holds: back-offs pass, I/O gets its turn. */
async function passTimeUntil(clock: ManualClock, what: string, condition: () => boolean): Promise<void> {
  await until(what, async () => {
    if (condition()) return true;
    await clock.advance(1_000);
    return condition();
  });
}

Deno.test("a watch lists in pages, follows changes, and keeps no managedFields", async () => {
  await wired(async ({ server, cluster, changes }) => {
    server.pageMax = 2;
    for (const name of ["a", "b", "c", "d", "e"]) server.put(deployment(name, 1));
    await cluster.watch(everywhere);
    equal(cluster.all("apps/v1", "Deployment").length, 5);
    equal(server.seen.filter(isList).length, 3);
    equal(server.seen.find(isList)?.query["limit"], "500");
    const one = cluster.get(refTo("a"));
    equal(one?.metadata.managedFields, undefined);
    equal(`${one?.apiVersion} ${one?.kind}`, "apps/v1 Deployment", "items of lists do not say what they are");

    await until("the watch is open", () => server.openWatches === 1);
    const watch = server.seen.find(isWatch);
    equal(watch?.query["allowWatchBookmarks"], "true");
    const seconds = Number(watch?.query["timeoutSeconds"]);
    ok(seconds >= 60 && seconds <= 120, `${seconds}`);

    changes.length = 0;
    server.put(deployment("a", 4));
    server.put(deployment("f", 1));
    server.delete(deployment("b", 1));
    await until("all three arrived", () => changes.length === 3);
    deepEqual(changes, ["a=4", "f=1", "b=gone"]);
    equal(cluster.get(refTo("b")), undefined);
    equal(cluster.get(refTo("a"))?.metadata.managedFields, undefined);
    deepEqual([...cluster.requests].filter(([key]) => key.startsWith("list")), [["list deployments.apps", 3]]);
  });
});

const endings = ["clean", "hang-up", "mid-line"] as const;
for (const ending of endings) {
  Deno.test(`a watch that ends (${ending}) resumes where it was, without a list`, async () => {
    await wired(async ({ server, cluster, clock, changes }) => {
      server.put(deployment("a", 1));
      await cluster.watch(everywhere);
      await until("the watch is open", () => server.openWatches === 1);
      server.put(deployment("a", 2));
      await until("the change arrived", () => sizeOf(cluster.get(refTo("a"))) === 2);
      await server.endWatches(ending);
      // While nobody watches.
      server.put(deployment("a", 3));
      server.put(deployment("b", 1));
      server.delete(deployment("a", 3));
      await passTimeUntil(clock, "what was missed arrived", () => changes.includes("a=gone"));
      deepEqual(changes, ["a=1", "a=2", "a=3", "b=1", "a=gone"]);
      equal(status(cluster).relists, 0);
      equal(status(cluster).reconnects, 1);
      equal(server.seen.filter(isList).length, 1);
    });
  });
}

Deno.test("a watch that a dead connection keeps open is given up after its time and reopened", async () => {
  await wired(async ({ server, cluster, clock }) => {
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    await clock.advance(50_000);
    equal(server.seen.filter(isWatch).length, 1, "not before its time");
    await clock.advance(81_000);
    await passTimeUntil(clock, "another was opened", () => server.seen.filter(isWatch).length === 2);
    await until("it is open", () => server.openWatches >= 1);
    server.put(deployment("a", 1));
    await until("the change arrived", () => cluster.get(refTo("a")) !== undefined);
    equal(status(cluster).relists, 0);
  });
});

Deno.test("bookmarks move the place to resume from", async () => {
  await wired(async ({ server, cluster, clock, changes }) => {
    server.put(deployment("a", 1));
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    const version = await server.sendBookmark();
    await until("it arrived", () => status(cluster).lastEventAt === clock.now());
    await server.endWatches("clean");
    await passTimeUntil(clock, "the watch is open again", () => server.openWatches === 1);
    equal(server.seen.filter(isWatch).at(-1)?.query["resourceVersion"], version);
    deepEqual(changes, ["a=1"], "a bookmark is not an object");
  });
});

for (const how of ["http", "event"] as const) {
  Deno.test(`a version the server has forgotten (410 by ${how}) leads to a list that tells what was missed`, async () => {
    await wired(async ({ server, cluster, clock, changes }) => {
      server.put(deployment("a", 1));
      server.put(deployment("b", 1));
      await cluster.watch(everywhere);
      await until("the watch is open", () => server.openWatches === 1);
      if (how === "event") {
        // Changes that this watch is not told about.
        server.script(isWatch, {
          type: "answer",
          status: 503,
          body: statusBody(503, "ServiceUnavailable", "busy"),
        });
        await server.sendLine(JSON.stringify({ type: "ERROR", object: statusBody(410, "Expired", "too old") }));
      }
      await server.endWatches("hang-up");
      server.put(deployment("a", 2));
      server.delete(deployment("b", 1));
      server.put(deployment("c", 1));
      server.compact();
      await passTimeUntil(clock, "the list came", () => status(cluster).relists === 1);
      deepEqual(changes.slice(2).toSorted(), ["a=2", "b=gone", "c=1"]);
      equal(cluster.get(refTo("b")), undefined);
      await passTimeUntil(clock, "it watches again", () => server.openWatches === 1);
    });
  });
}

Deno.test("a server that says 410 to every watch is not asked in a hurry", async () => {
  await wired(async ({ server, cluster, clock }) => {
    const body = statusBody(410, "Expired", "too old resource version");
    server.script(isWatch, { type: "answer", status: 410, body }, 1_000);
    await cluster.watch(everywhere);
    const isWaiting = () =>
      status(cluster).lastError !== undefined &&
      cluster.requests.get("list deployments.apps") === cluster.requests.get("watch deployments.apps");
    // A minute holds waits of 0.5 + 1 + 2 + 4 + 8 + 16 + 30 s, or half of each.
    for (let step = 0; step < 120; step++) {
      await until("it waits for the next try", isWaiting);
      await clock.advance(500);
    }
    const lists = server.seen.filter(isList).length;
    ok(lists >= 5 && lists <= 9, `${lists} lists in a minute`);
  });
});

const hiccups: readonly (readonly [string, (seen: Seen) => boolean, Fault, number])[] = [
  ["503 three times to the watch", isWatch, answer(503, "ServiceUnavailable"), 3],
  ["429 to the watch", isWatch, answer(429, "TooManyRequests"), 1],
  ["an HTML 502 to the watch", isWatch, { type: "answer", status: 502, body: "<html>bad gateway</html>" }, 2],
  ["the connection dropped on the watch", isWatch, { type: "drop" }, 2],
  ["503 three times to the list", isList, answer(503, "ServiceUnavailable"), 3],
  ["the list cut off", isList, { type: "cut" }, 2],
  ["discovery down", ({ path }) => path === "/apis/apps/v1", answer(500, "InternalError"), 2],
];
for (const [name, when, fault, times] of hiccups) {
  Deno.test(`a watch survives ${name}`, async () => {
    await wired(async ({ server, cluster, clock }) => {
      server.put(deployment("a", 1));
      server.script(when, fault, times);
      let synced = false;
      const watching = cluster.watch(everywhere).then(() => synced = true);
      await passTimeUntil(clock, "it is synced", () => synced);
      await watching;
      await passTimeUntil(clock, "it is open", () => server.openWatches === 1);
      server.put(deployment("a", 2));
      await until("the change arrived", () => sizeOf(cluster.get(refTo("a"))) === 2);
      equal(status(cluster).relists, 0);
      equal(status(cluster).lastError, undefined);
    });
  });
}

function answer(code: number, reason: string): Fault {
  return { type: "answer", status: code, body: statusBody(code, reason, reason) };
}

Deno.test("a page that is too long is asked for again in smaller ones", async () => {
  await wired(async ({ server, cluster }) => {
    server.put(deployment("a", 1));
    server.script(isList, { type: "answer", status: 200, body: `"${"x".repeat(33 * 1024 * 1024)}"` }, 2);
    await cluster.watch(everywhere);
    deepEqual(server.seen.filter(isList).map(({ query }) => query["limit"]), ["500", "125", "32"]);
    equal(cluster.all("apps/v1", "Deployment").length, 1);
  });
});

Deno.test("a server that pages in circles does not fill the memory", async () => {
  await wired(async ({ server, cluster, clock }) => {
    const body = { kind: "DeploymentList", metadata: { resourceVersion: "1", continue: "again" }, items: [] };
    server.script(isList, { type: "answer", status: 200, body }, 2);
    let synced = false;
    const watching = cluster.watch(everywhere).then(() => synced = true);
    await until("it gave up", () => /does not end/.test(`${status(cluster).lastError}`));
    equal(server.seen.filter(isList).length, 2);
    await passTimeUntil(clock, "it is synced after all", () => synced);
    await watching;
  });
});

Deno.test("Retry-After is waited for", async () => {
  await wired(async ({ server, cluster, clock }) => {
    const body = statusBody(429, "TooManyRequests", "slow down");
    server.script(isWatch, { type: "answer", status: 429, headers: { "retry-after": "20" }, body });
    await cluster.watch(everywhere);
    await until("the refusal arrived", () => status(cluster).lastError !== undefined);
    await clock.advance(19_900);
    equal(server.seen.filter(isWatch).length, 1);
    await passTimeUntil(clock, "it asked again", () => server.openWatches === 1);
  });
});

Deno.test("a garbage line and one cut off are never taken for events", async () => {
  await wired(async ({ server, cluster, clock, changes }) => {
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    await server.sendLine("<html>");
    await passTimeUntil(clock, "it was opened anew", () => server.seen.filter(isWatch).length === 2);
    server.put(deployment("a", 1));
    await passTimeUntil(clock, "the change arrived", () => changes.length === 1);
    deepEqual(changes, ["a=1"]);
  });
});

Deno.test("a refused first list is an error, and the next call asks anew", async () => {
  await wired(async ({ server, cluster }) => {
    server.script(isList, answer(403, "Forbidden"));
    await rejects(cluster.watch(everywhere), (error: unknown) => {
      ok(error instanceof RejectedError);
      ok(error.fix?.startsWith('Grant the verb "list" on "deployments" of API group "apps"'), `${error.fix}`);
      return true;
    });
    deepEqual(cluster.watches(), []);
    await cluster.watch(everywhere);
    deepEqual(cluster.all("apps/v1", "Deployment"), []);
  });
});

Deno.test("rights that are taken away later leave the cache as it is, and are asked for again", async () => {
  await wired(async ({ server, cluster, clock }) => {
    server.put(deployment("a", 1));
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    server.script(isWatch, answer(403, "Forbidden"), 3);
    await server.endWatches("clean");
    await passTimeUntil(clock, "it was refused", () => status(cluster).lastError instanceof RejectedError);
    equal(sizeOf(cluster.get(refTo("a"))), 1);
    await passTimeUntil(clock, "it is open again", () => server.openWatches === 1);
  });
});

Deno.test("an answer to our own write is in the cache at once, and older events do not undo it", async () => {
  await wired(async ({ server, cluster, changes }) => {
    server.put(deployment("a", 1));
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    const before = server.held(deployment("a", 1));
    const written = await cluster.apply(deployment("a", 5));
    equal(sizeOf(cluster.get(refTo("a"))), 5);
    equal(cluster.get(refTo("a"))?.metadata.resourceVersion, written.metadata.resourceVersion);
    // An event that was under way while we wrote.
    await server.sendLine(JSON.stringify({ type: "MODIFIED", object: before }));
    server.put(deployment("b", 1));
    await until("a later event arrived", () => cluster.get(refTo("b")) !== undefined);
    equal(sizeOf(cluster.get(refTo("a"))), 5);

    await cluster.remove(refTo("a"));
    equal(cluster.get(refTo("a")), undefined);
    await server.sendLine(JSON.stringify({ type: "MODIFIED", object: written }));
    server.put(deployment("b", 2));
    await until("a later event arrived", () => sizeOf(cluster.get(refTo("b"))) === 2);
    equal(cluster.get(refTo("a")), undefined);
    deepEqual(changes, ["a=1", "a=5", "b=1", "a=gone", "b=2"], "each change is told once");

    await cluster.create(deployment("a", 8));
    equal(sizeOf(cluster.get(refTo("a"))), 8, "the same name may come back");
  });
});

Deno.test("an answer to our own write that comes after the watch told the deletion brings nothing back", async () => {
  await wired(async ({ server, cluster, changes }) => {
    server.put(deployment("a", 1));
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    const written = server.held(deployment("a", 1));
    server.delete(deployment("a", 1));
    await until("the deletion arrived", () => cluster.get(refTo("a")) === undefined);
    // Done before the deletion, and long on its way.
    server.script(({ method }) => method === "PATCH", { type: "answer", status: 200, body: written });
    const answer = await cluster.apply(deployment("a", 1));
    equal(answer.metadata.resourceVersion, written?.metadata.resourceVersion);
    equal(cluster.get(refTo("a")), undefined);
    deepEqual(changes, ["a=1", "a=gone"]);
  });
});

Deno.test("a server restored from a backup is believed, though its versions went back", async () => {
  await wired(async ({ server, cluster, clock }) => {
    server.put(deployment("a", 1));
    server.put(deployment("b", 1));
    await cluster.watch(everywhere);
    await until("the watch is open", () => server.openWatches === 1);
    server.rewind(10);
    server.put(deployment("a", 7));
    server.script(isWatch, answer(410, "Expired"));
    await server.endWatches("hang-up");
    await passTimeUntil(clock, "the list came", () => status(cluster).relists === 1);
    equal(sizeOf(cluster.get(refTo("a"))), 7);
    equal(cluster.get(refTo("b")), undefined);
  });
});

Deno.test("a wider watch serves a narrower one; a selected watch holds what it selects", async () => {
  await wired(async ({ server, cluster }) => {
    server.put(deployment("a", 1, { app: "web" }));
    server.put(deployment("b", 1, { app: "db" }));
    await cluster.watch({ ...everywhere, namespace: "prod", labelSelector: "app=web" });
    deepEqual(cluster.all("apps/v1", "Deployment", "prod").map(({ metadata }) => metadata.name), ["a"]);
    equal(server.seen.filter(isList).at(-1)?.query["labelSelector"], "app=web");
    await cluster.apply(deployment("c", 1, { app: "web" }));
    await cluster.apply(deployment("d", 1, { app: "db" }));
    await cluster.apply(deployment("a", 1, { app: "db" }));
    deepEqual(cluster.all("apps/v1", "Deployment").map(({ metadata }) => metadata.name), ["c"]);
    equal(cluster.get(refTo("d")), undefined);

    await cluster.watch(everywhere);
    const lists = server.seen.filter(isList).length;
    await Promise.all([cluster.watch(everywhere), cluster.watch({ ...everywhere, namespace: "prod" })]);
    equal(server.seen.filter(isList).length, lists);
    const names = cluster.all("apps/v1", "Deployment").map(({ metadata }) => metadata.name).toSorted();
    deepEqual(names, ["a", "b", "c", "d"], "each once");
  });
});

Deno.test("whoever waits for a watch can stop waiting, and the watch goes on", async () => {
  await wired(async ({ server, cluster, clock }) => {
    server.script(isList, answer(503, "ServiceUnavailable"));
    const stop = new AbortController();
    const impatient = cluster.watch(everywhere, stop.signal);
    stop.abort(new Error("no longer wanted"));
    await rejects(impatient, /no longer wanted/);
    await passTimeUntil(clock, "it is synced", () => status(cluster).synced);
  });
});

Deno.test("closing ends what is under way, also a first list that never comes", async () => {
  const server = new FakeKube();
  const cluster = openCluster({ endpoint: server.endpoint(), clock: new ManualClock() });
  try {
    server.script(isList, { type: "hang" });
    const waiting = rejects(cluster.watch(everywhere), { name: "AbortError" });
    await until("the list is under way", () => server.seen.some(isList));
    await cluster.close();
    await waiting;
  } finally {
    await server.stop();
  }
});
