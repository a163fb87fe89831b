/** A store against a map of objects: whatever comes and goes, what is kept reads the same, and takes no more room. */
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { ObjectStore } from "./object_store.ts";
import { type GitObject, oidOf } from "./objects.ts";
import { NumberSet } from "./oid_index.ts";
import { StorePart } from "./store_part.ts";

const text = new TextEncoder();
const TYPES = ["commit", "tree", "blob", "tag"] as const;

const objects = fc.record({
  type: fc.constantFrom(...TYPES),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 900 }).map((bytes) => new Uint8Array(bytes)),
    fc.tuple(fc.nat(9), fc.integer({ min: 0, max: 4000 })).map(([digit, length]) =>
      text.encode(`${digit}`.repeat(length))
    ),
  ),
}).map(({ type, bytes }): GitObject => ({ type, bytes }));

/** How an object comes: by itself, deflated, or as a delta that copies all of a base and adds to it. */
const arrivals = fc.array(fc.tuple(objects, fc.constantFrom("whole", "deflated", "delta"), fc.nat()), {
  maxLength: 40,
});

/** A delta that makes `base` followed by `tail`, of at most 127 bytes. */
function appending(base: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const seven = (value: number): number[] => value < 128 ? [value] : [(value & 127) | 128, ...seven(value >> 7)];
  const copy = base.length === 0 ? [] : [0xb0, base.length & 255, base.length >> 8];
  return Uint8Array.from([
    ...seven(base.length),
    ...seven(base.length + tail.length),
    ...copy,
    ...(tail.length === 0 ? [] : [tail.length, ...tail]),
  ]);
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...left, ...right]);
}

/** Puts everything into a store and into a map; a delta's base is one that came before. */
function arrive(all: readonly (readonly [GitObject, "whole" | "deflated" | "delta", number])[]) {
  const store = new ObjectStore();
  const wanted = new Map<string, GitObject>();
  const order: number[] = [];
  for (const [object, how, choice] of all) {
    const base = order[choice % Math.max(1, order.length)];
    let made = object;
    let number: number;
    if (how === "delta" && base !== undefined) {
      const from = store.read(base);
      const tail = object.bytes.subarray(0, 40);
      made = { type: from.type, bytes: concat(from.bytes, tail) };
      number = store.addGrown(oidOf(made), made, { base, delta: appending(from.bytes, tail) });
    } else if (how === "deflated") {
      const stream = deflateSync(object.bytes);
      const source = concat(Uint8Array.of(1, 2, 3), stream);
      number = store.addDeflated(oidOf(object), object, { source, from: 3, end: source.length });
    } else number = store.add(oidOf(object), object);
    order.push(number);
    wanted.set(oidOf(made), made);
  }
  return { store, wanted, order };
}

function assertHolds(store: ObjectStore, wanted: ReadonlyMap<string, GitObject>): void {
  for (const [oid, object] of wanted) {
    assert.deepEqual(store.get(oid), object);
    assert.equal(store.typeOf(oid), object.type);
    assert.deepEqual(new Uint8Array(store.look(store.find(oid))), object.bytes);
  }
}

Deno.test("a store gives back what came, however it came", () => {
  fc.assert(fc.property(arrivals, (all) => {
    const { store, wanted } = arrive(all);
    assertHolds(store, wanted);
    assert.equal(store.size, wanted.size);
    assert.deepEqual(new Set(store.keys()), new Set(wanted.keys()));
    assert.equal(store.sizeBytes, [...wanted.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
    for (const [oid, object] of store) assert.equal(oid, oidOf(object));
  }));
});

Deno.test("what is kept by a sweep reads as before, and what comes after it too", async () => {
  await fc.assert(fc.asyncProperty(arrivals, fc.array(fc.boolean()), arrivals, async (all, kept, more) => {
    const { store, wanted, order } = arrive(all);
    const keep = store.marks();
    order.forEach((number, at) => kept[at] === true && keep.add(number));
    const gone = [...wanted].filter(([oid]) => !keep.has(store.find(oid)));
    const before = store.size;
    const swept = store.sweep(keep);
    assert.equal(store.size, before - swept);
    for (const [oid] of gone) wanted.delete(oid);
    assertHolds(store, wanted);
    // Bases of deltas may stay, trees never: one that is there must have everything under it.
    for (const [oid, object] of gone) assert.ok(!store.has(oid) || object.type === "blob");
    const later = arrive(more);
    await store.adopt(new StorePart(later.store, allOf(later.store)));
    assertHolds(store, new Map([...wanted, ...later.wanted]));
  }));
});

function allOf(store: ObjectStore): NumberSet {
  const all = store.marks();
  for (const oid of store.keys()) all.add(store.find(oid));
  return all;
}

Deno.test("a part that is adopted brings itself and nothing else, into an empty store or into a full one", async () => {
  await fc.assert(fc.asyncProperty(arrivals, fc.array(fc.boolean()), fc.boolean(), async (all, chosen, isEmpty) => {
    const { store: from, wanted, order } = arrive(all);
    const part = new StorePart(from, from.marks());
    order.forEach((number, at) => chosen[at] === true && part.numbers.add(number));
    const taken = new Map([...part].map(([oid, object]) => [oid, object]));
    assert.equal(part.size, taken.size);
    const into = new ObjectStore();
    const other = { type: "tag" as const, bytes: text.encode("there before") };
    if (!isEmpty) into.add(oidOf(other), other);
    await into.adopt(part);
    assertHolds(into, taken);
    for (const [oid, { type }] of wanted) if (type !== "blob") assert.equal(into.has(oid), taken.has(oid));
    if (!isEmpty) assert.deepEqual(into.get(oidOf(other)), other);
  }));
});

Deno.test("a copy that was handed out is the receiver's own", () => {
  const store = new ObjectStore();
  const object: GitObject = { type: "blob", bytes: text.encode("as it was") };
  const number = store.add(oidOf(object), object);
  store.read(number).bytes.fill(0);
  store.get(oidOf(object))?.bytes.fill(0);
  assert.equal(new TextDecoder().decode(store.get(oidOf(object))?.bytes), "as it was");
});

Deno.test("the room that is held stays flat over thousands of changes", () => {
  const store = new ObjectStore();
  const object = (name: string): GitObject => ({ type: "blob", bytes: text.encode(`${name}\n`.repeat(200)) });
  const add = (name: string) => store.add(oidOf(object(name)), object(name));
  const stable = Array.from({ length: 2000 }, (_, at) => add(`stays ${at}`));
  const moving = new Map<number, number>();
  let early = 0;
  for (let round = 0; round < 3000; round++) {
    moving.set(round % 10, add(`moves ${round}`));
    if (round % 50 !== 49) continue;
    const keep = store.marks();
    for (const number of [...stable, ...moving.values()]) keep.add(number);
    store.sweep(keep);
    assert.equal(store.size, 2010);
    if (round === 99) early = store.heldBytes;
  }
  assert.ok(early > 0 && store.heldBytes <= early + 1024 * 1024, `${early} bytes became ${store.heldBytes}`);
  for (let at = 0; at < 2000; at++) assert.deepEqual(store.get(oidOf(object(`stays ${at}`))), object(`stays ${at}`));
});

Deno.test("a blob that came as a delta lies as one, and keeps its base until it goes itself", () => {
  const base: GitObject = { type: "blob", bytes: crypto.getRandomValues(new Uint8Array(5000)) };
  const tail = text.encode("!");
  const grown: GitObject = { type: "blob", bytes: concat(base.bytes, tail) };
  const store = new ObjectStore();
  const under = store.add(oidOf(base), base);
  const held = store.heldBytes;
  const over = store.addGrown(oidOf(grown), grown, { base: under, delta: appending(base.bytes, tail) });
  assert.equal(store.heldBytes, held);
  const keep = store.marks();
  keep.add(over);
  assert.equal(store.sweep(keep), 0);
  assert.deepEqual(store.get(oidOf(grown)), grown);
  assert.equal(store.sweep(store.marks()), 2);
});
