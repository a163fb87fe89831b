/** Stories of the product's own client: its caches, through everything that a server does to a watch. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { openCluster } from "../../../adapters/platform/kube.ts";
import { until } from "../../support/until.ts";
import { ask, configMapsIn, MERGE, type Story, type StoryServer } from "./story.ts";

/** Long enough for a server that starts anew, and the client's back-off. */
const WAIT_MS = 60_000;

async function throughCompaction(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  const scope = { apiVersion: "v1", kind: "ConfigMap", namespace };
  const cluster = openCluster({ endpoint: server.endpoint, clock: machineClock });
  const told: string[] = [];
  cluster.onChange((ref, object) => told.push(`${ref.name} ${object === undefined ? "gone" : "there"}`));
  const names = (): readonly string[] => cluster.all("v1", "ConfigMap", namespace).map(({ metadata }) => metadata.name);
  try {
    await ask(server, "POST", path, { body: { metadata: { name: "a" } } });
    await cluster.watch(scope);
    ok(names().includes("a"));
    await ask(server, "POST", path, { body: { metadata: { name: "b" } } });
    await until("the watch tells of b", () => names().includes("b"));
    // Others write meanwhile, so that the last version the watch has seen is one that gets forgotten.
    for (let count = 0; count < 5; count++) {
      await ask(server, "POST", `/api/v1/namespaces/${namespace}/secrets`, {
        body: { metadata: { generateName: "s-" } },
      });
    }
    await server.forget();
    await ask(server, "DELETE", `${path}/a`);
    await ask(server, "PATCH", `${path}/b`, { contentType: MERGE, body: { data: { k: "v" } } });
    await until("the cache has lost a", () => !names().includes("a"), WAIT_MS);
    await until(
      "the cache has the new b",
      () => JSON.stringify(cluster.get({ ...scope, name: "b" })).includes('"k":"v"'),
      WAIT_MS,
    );
    ok(told.includes("a gone"));
    const [status] = cluster.watches();
    ok((status?.relists ?? 0) > 0, "it has listed anew");
    strictEqual(status?.synced, true);
  } finally {
    await cluster.close();
  }
}

/** What the agent writes is what it reads; an apply of the same is no event. */
async function ownWrites(server: StoryServer, namespace: string): Promise<void> {
  const cluster = openCluster({ endpoint: server.endpoint, clock: machineClock });
  const ref = { apiVersion: "v1", kind: "ConfigMap", namespace, name: "own" };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "own" }, data: { k: "1" } };
  const told: string[] = [];
  try {
    await cluster.watch({ apiVersion: "v1", kind: "ConfigMap", namespace });
    cluster.onChange(({ name }, changed) => name === "own" && told.push(changed?.metadata.resourceVersion ?? "gone"));
    const first = await cluster.apply(object);
    strictEqual(cluster.get(ref)?.metadata.resourceVersion, first.metadata.resourceVersion);
    const same = await cluster.apply(object);
    strictEqual(same.metadata.resourceVersion, first.metadata.resourceVersion);
    const next = await cluster.patch(ref, { data: { k: "2" } });
    await cluster.remove(ref);
    strictEqual(cluster.get(ref), undefined);
    const again = await cluster.apply(object);
    await until("the watch has told the rest", async () => {
      await cluster.apply({ ...object, metadata: { namespace, name: "last" } });
      return cluster.get({ ...ref, name: "last" }) !== undefined;
    });
    deepStrictEqual(told, [
      first.metadata.resourceVersion,
      next.metadata.resourceVersion,
      "gone",
      again.metadata.resourceVersion,
    ]);
  } finally {
    await cluster.close();
  }
}

export const PRODUCT_STORIES: readonly Story[] = [
  { name: "a cache is right again after a compaction", controllers: false, tell: throughCompaction },
  { name: "a cache has what was written, once, and what was removed no more", controllers: false, tell: ownWrites },
];
