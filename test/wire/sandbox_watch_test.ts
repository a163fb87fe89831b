/** Watches of the embedded API server over HTTP: replay, selection, bookmarks, time-outs, expiry and broken connections. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { isJsonObject, type Json, stringAt } from "../../src/core/kube_object.ts";
import { type SandboxApi, startSandboxApi } from "../../src/sandbox/api/server.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";

interface Watch {
  /** "ADDED a", "BOOKMARK 7", "ERROR Expired". */
  readonly events: readonly string[];
  /** Resolves when the stream ends: "closed", or "broken". */
  readonly ended: Promise<"closed" | "broken">;
}

async function watch(api: SandboxApi, query: string): Promise<Watch> {
  const response = await fetch(`${api.url}${configMaps}?watch=true&${query}`);
  assert.equal(response.status, 200);
  const events: string[] = [];
  return { events, ended: read(response, events) };
}

async function read(response: Response, events: string[]): Promise<"closed" | "broken"> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) events.push(told(JSON.parse(line)));
    }
    return "closed";
  } catch {
    return "broken";
  }
}

function told(event: Json): string {
  const type = stringAt(event, "type") ?? "";
  const object = isJsonObject(event) ? event["object"] : null;
  if (type === "ERROR") return `ERROR ${stringAt(object, "reason")}`;
  if (type === "BOOKMARK") {
    const initial = stringAt(object, "metadata", "annotations", "k8s.io/initial-events-end");
    return initial === "true" ? "BOOKMARK initial" : `BOOKMARK ${stringAt(object, "metadata", "resourceVersion")}`;
  }
  return `${type} ${stringAt(object, "metadata", "name")}`;
}

function withApi(name: string, body: (api: SandboxApi, clock: ManualClock) => Promise<void>): void {
  Deno.test(name, async () => {
    const clock = new ManualClock();
    const api = await startSandboxApi({ clock });
    try {
      await body(api, clock);
    } finally {
      await api.stop();
    }
  });
}

function make(api: SandboxApi, name: string, labels: Readonly<Record<string, string>> = {}): string {
  const made = api.store.create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", labels },
  });
  return made.metadata.resourceVersion ?? "";
}

const ref = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", namespace: "default", name });
const has = (watching: Watch, count: number) => until(`${count} events came`, () => watching.events.length >= count);

withApi("a watch from a version replays what was missed, then goes on", async (api) => {
  make(api, "a");
  const version = make(api, "b");
  api.store.patch(ref("a"), { data: { k: "v" } });
  api.store.remove(ref("b"));
  const watching = await watch(api, `resourceVersion=${version}`);
  await has(watching, 2);
  make(api, "c");
  await has(watching, 3);
  assert.deepEqual(watching.events, ["MODIFIED a", "DELETED b", "ADDED c"]);
  api.faults.closeWatches();
  assert.equal(await watching.ended, "closed");
});

withApi("a watch from now starts with what is there", async (api) => {
  make(api, "a");
  const watching = await watch(
    api,
    "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
  );
  await has(watching, 2);
  assert.deepEqual(watching.events, ["ADDED a", "BOOKMARK initial"]);
});

withApi("an object that enters or leaves a selection is added or deleted", async (api) => {
  make(api, "a", { on: "yes" });
  const version = make(api, "b");
  const watching = await watch(api, `resourceVersion=${version}&labelSelector=on%3Dyes`);
  api.store.patch(ref("b"), { metadata: { labels: { on: "yes" } } });
  api.store.patch(ref("a"), { metadata: { labels: { on: "no" } } });
  api.store.patch(ref("a"), { data: { k: "v" } });
  await has(watching, 2);
  assert.deepEqual(watching.events, ["ADDED b", "DELETED a"]);
});

withApi("bookmarks come once a minute and at the end, only when something moved", async (api, clock) => {
  const version = make(api, "a");
  const watching = await watch(api, `resourceVersion=${version}&allowWatchBookmarks=true&timeoutSeconds=150`);
  await clock.advance(60_000);
  const other = make(api, "b");
  await has(watching, 1);
  await clock.advance(60_000);
  await clock.advance(30_000);
  assert.equal(await watching.ended, "closed");
  assert.deepEqual(watching.events, ["ADDED b", `BOOKMARK ${other}`]);
});

withApi("a version that was compacted is an ERROR event, or HTTP 410 by a fault switch", async (api) => {
  const version = make(api, "a");
  api.store.patch(ref("a"), { data: { k: "v" } });
  api.faults.compact();
  const watching = await watch(api, `resourceVersion=${version}`);
  assert.equal(await watching.ended, "closed");
  assert.deepEqual(watching.events, ["ERROR Expired"]);
  api.faults.add({ verb: "watch", effect: { type: "status", code: 410 } });
  const refused = await fetch(`${api.url}${configMaps}?watch=true&resourceVersion=${version}`);
  await refused.body?.cancel();
  assert.equal(refused.status, 410);
});

withApi("a watch can be cut after so many events, or at any time", async (api) => {
  const version = make(api, "a");
  api.faults.add({ verb: "watch", effect: { type: "cut-watch", afterEvents: 1 } });
  const first = await watch(api, `resourceVersion=${version}`);
  make(api, "b");
  make(api, "c");
  assert.equal(await first.ended, "broken");
  const second = await watch(api, `resourceVersion=${version}`);
  await has(second, 2);
  assert.equal(api.faults.cutWatches(/configmaps/), 1);
  assert.equal(await second.ended, "broken");
});

Deno.test("a client that goes away ends its watch", async () => {
  const api = await startSandboxApi({ clock: machineClock });
  try {
    const gone = new AbortController();
    const response = await fetch(`${api.url}${configMaps}?watch=true`, { signal: gone.signal });
    assert.equal(api.cluster.watches.size, 1);
    gone.abort();
    await assert.rejects(response.text());
    await until("the server noticed", () => {
      make(api, `n${api.cluster.store.resourceVersion}`);
      return api.cluster.watches.size === 0;
    });
  } finally {
    await api.stop();
  }
});
