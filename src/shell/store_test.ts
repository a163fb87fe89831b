/** States of more canaries than are kept spread out: they come back as they were, and what is written stays the same. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { rollingOut } from "../../test/support/core_builders.ts";
import type { KubeObject } from "../core/kube_object.ts";
import { newState, type State } from "../core/state.ts";
import { createStateStore } from "./store.ts";

/** More than are kept spread out. */
const CANARIES = 600;

/** ConfigMaps by name, each write with a version of its own. */
function cluster() {
  const objects = new Map<string, KubeObject>();
  let version = 0;
  const keep = (object: KubeObject): Promise<KubeObject> => {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } };
    objects.set(object.metadata.name, stored);
    return Promise.resolve(stored);
  };
  return {
    objects,
    writes: () => version,
    ports: {
      derived: () => objects.values(),
      get: ({ name }: { readonly name: string }) => objects.get(name),
      create: keep,
      replace: keep,
      remove: ({ name }: { readonly name: string }) => Promise.resolve(void objects.delete(name)),
    },
  };
}

function idOf(index: number) {
  return { namespace: "prod", name: `shop-${index}` };
}

function resting(index: number): State {
  return {
    ...newState(idOf(index), 1_000),
    phase: "idle",
    withdrawn: [`lock-${index}`],
    quarantined: ["x".repeat(3_000)],
  };
}

Deno.test("states of many canaries at rest come back as they were, words of this process included, and cost no write", async () => {
  const { ports, writes } = cluster();
  const store = createStateStore({ cluster: ports, epoch: () => 3 });
  for (let index = 0; index < CANARIES; index += 1) {
    await store.load(idOf(index), 1_000);
    await store.save(resting(index));
    // Bookkeeping, which is in memory alone.
    await store.save({ ...resting(index), epoch: 3, waitsFor: `word ${index}`, lastTrafficAt: index });
  }
  const before = writes();
  for (let index = 0; index < CANARIES; index += 1) {
    const state = await store.load(idOf(index), 2_000);
    deepStrictEqual(state, { ...resting(index), epoch: 3, waitsFor: `word ${index}`, lastTrafficAt: index });
    await store.save(state);
  }
  strictEqual(writes(), before);
});

Deno.test("a state at rest whose ConfigMap is deleted is remembered, and written again", async () => {
  const { ports, objects } = cluster();
  const store = createStateStore({ cluster: ports, epoch: () => 3 });
  for (let index = 0; index < CANARIES; index += 1) {
    await store.load(idOf(index), 1_000);
    await store.save(resting(index));
  }
  objects.delete("serin-shop-0");
  const state = await store.load(idOf(0), 2_000);
  deepStrictEqual(state.withdrawn, ["lock-0"]);
  await store.save(state);
  strictEqual(objects.has("serin-shop-0"), true);
});

Deno.test("one that somebody else wrote meanwhile is read from the cluster", async () => {
  const { ports } = cluster();
  const [store, other] = [1, 2].map((epoch) => createStateStore({ cluster: ports, epoch: () => epoch }));
  for (let index = 0; index < CANARIES; index += 1) {
    await store?.load(idOf(index), 1_000);
    await store?.save(resting(index));
  }
  await other?.load(idOf(0), 1_000);
  await other?.save({ ...resting(0), withdrawn: ["by another"] });
  deepStrictEqual((await store?.load(idOf(0), 2_000))?.withdrawn, ["by another"]);
});

Deno.test("a rollout that another leader began is claimed by one write, however many turns follow", async () => {
  const { ports, writes } = cluster();
  const { state } = rollingOut("progressing");
  const before = createStateStore({ cluster: ports, epoch: () => 3 });
  await before.load(state.id, 1_000);
  await before.save({ ...state, epoch: 3 });
  const store = createStateStore({ cluster: ports, epoch: () => 4 });
  const from = writes();
  for (let turn = 0; turn < 3; turn += 1) {
    const known = await store.load(state.id, 2_000);
    await store.save(known);
    // As a turn ends: with what it began with.
    await store.save({ ...known, outbox: [] });
  }
  strictEqual(writes() - from, 1);
  strictEqual((await store.load(state.id, 2_000)).epoch, 4);
});
