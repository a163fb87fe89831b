/** The object store: whatever order lists, events and answers arrive in, the newest version is what it holds. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { compareVersions, type ListFacts, ObjectStore, parseObject } from "./store.ts";

function object(name: string, version: number, uid = "u"): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "prod", uid, resourceVersion: String(version) },
  };
}

/** A list of one page. */
function replaceAll(store: ObjectStore, objects: readonly KubeObject[], list: ListFacts): void {
  store.keepOnly(new Set(store.takeListed(objects, list)), list);
}

function versionOf(store: ObjectStore, name: string): string | undefined {
  return store.get("prod", name)?.metadata.resourceVersion;
}

Deno.test("versions are compared as numbers of any size, and not at all where they are none", () => {
  equal(compareVersions("9", "10"), -1);
  equal(compareVersions("18446744073709551616", "18446744073709551615"), 1);
  equal(compareVersions("7", "7"), 0);
  equal(compareVersions("a", "b"), undefined);
  equal(compareVersions("b", "b"), 0);
  equal(compareVersions(undefined, "1"), undefined);
});

Deno.test("an object is what has a name; managedFields are dropped and the kind put in", () => {
  const kind = { apiVersion: "v1", kind: "ConfigMap" };
  equal(parseObject(null, kind), undefined);
  equal(parseObject({ metadata: {} }, kind), undefined);
  deepEqual(parseObject({ metadata: { name: "a", managedFields: [{}] }, data: { k: "v" } }, kind), {
    ...kind,
    metadata: { name: "a" },
    data: { k: "v" },
  });
});

Deno.test("in any order of arrival the newest wins, and each change is told once", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 30 }), (versions) => {
    const told: string[] = [];
    const store = new ObjectStore((_ref, changed) => told.push(changed?.metadata.resourceVersion ?? "gone"));
    for (const version of versions) store.upsert(object("a", version));
    equal(versionOf(store, "a"), String(Math.max(...versions)));
    const rising = versions.filter((version, index) => versions.slice(0, index).every((one) => one < version));
    deepEqual(told, rising.map(String));
  }));
});

Deno.test("a list takes out what it does not name, but keeps what is newer than itself", () => {
  const store = new ObjectStore(() => {});
  store.upsert(object("old", 5));
  store.upsert(object("written-since", 20));
  store.upsert(object("both", 20));
  replaceAll(store, [object("both", 9), object("new", 8)], { resourceVersion: "10", startOver: false });
  deepEqual([...store.values("prod")].map(({ metadata }) => metadata.name).toSorted(), [
    "both",
    "new",
    "written-since",
  ]);
  equal(versionOf(store, "both"), "20");
  equal(store.size, 3);
  replaceAll(store, [object("both", 2)], { resourceVersion: "3", startOver: true });
  deepEqual([...store.values()].map(({ metadata }) => metadata.resourceVersion), ["2"]);
});

Deno.test("an old deletion does not take out what was made since under the same name", () => {
  const store = new ObjectStore(() => {});
  store.upsert(object("a", 10, "second"));
  store.remove(object("a", 9, "first"));
  equal(versionOf(store, "a"), "10");
  store.remove(object("a", 11, "second"));
  equal(versionOf(store, "a"), undefined);
});

Deno.test("what was deleted by ourselves stays away, until one with another UID comes", () => {
  const store = new ObjectStore(() => {});
  store.upsert(object("a", 10, "first"));
  store.forget({ apiVersion: "v1", kind: "ConfigMap", namespace: "prod", name: "a" }, "first");
  store.upsert(object("a", 11, "first"));
  replaceAll(store, [object("a", 11, "first")], { resourceVersion: "11", startOver: false });
  equal(versionOf(store, "a"), undefined);
  store.upsert(object("a", 12, "second"));
  equal(versionOf(store, "a"), "12");
});

Deno.test("an answer that comes after the deletion brings nothing back; a newer one does", () => {
  const store = new ObjectStore(() => {});
  store.upsert(object("a", 10, "first"));
  store.remove(object("a", 12, "first"));
  store.told("12");
  store.offer(object("a", 11, "first"));
  equal(versionOf(store, "a"), undefined);
  store.offer(object("a", 13, "second"));
  equal(versionOf(store, "a"), "13");
});

Deno.test("an answer older than a list that does not name it brings nothing back; after a restore the list counts", () => {
  const store = new ObjectStore(() => {});
  replaceAll(store, [], { resourceVersion: "20", startOver: false });
  store.offer(object("a", 19));
  equal(versionOf(store, "a"), undefined);
  replaceAll(store, [], { resourceVersion: "5", startOver: true });
  store.offer(object("a", 6));
  equal(versionOf(store, "a"), "6");
});

Deno.test("whatever comes late, once the watch has told everything the store is what the server has", () => {
  // A server's history of one name: at each version it is written or deleted; answers arrive at any later time.
  const history = fc.array(fc.record({ isWrite: fc.boolean(), lateBy: fc.integer({ min: 0, max: 8 }) }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(fc.property(history, (steps) => {
    const store = new ObjectStore(() => {});
    let incarnation = 0;
    let isThere = false;
    const events = steps.map(({ isWrite, lateBy }, index) => {
      if (isWrite && !isThere) incarnation += 1;
      isThere = isWrite;
      return { isWrite, lateBy, one: object("a", index + 1, `u${incarnation}`) };
    });
    for (let at = 0; at < events.length + 9; at++) {
      const event = events[at];
      if (event !== undefined) {
        if (event.isWrite) store.upsert(event.one);
        else store.remove(event.one);
        store.told(String(at + 1));
      }
      events.forEach((sent, index) => {
        if (sent.isWrite && index + sent.lateBy === at) store.offer(sent.one);
      });
    }
    equal(versionOf(store, "a"), isThere ? String(events.length) : undefined);
  }));
});

Deno.test("of more objects than are kept spread out each comes back as it was, and those of a canary are found", () => {
  const store = new ObjectStore(() => {});
  const many = Array.from({ length: 600 }, (_, index): KubeObject => {
    const plain = object(`a-${index}`, index + 1);
    const labels = { "serin.dev/canary-name": `shop-${index % 3}` };
    return { ...plain, metadata: { ...plain.metadata, labels }, data: { text: `${index} `.repeat(index) } };
  });
  replaceAll(store, many, { resourceVersion: "600", startOver: false });
  for (const one of [...many, ...many.toReversed()]) deepEqual(store.get("prod", one.metadata.name), one);
  deepEqual([...store.values()], many);
  equal([...store.derived()].length, 600);
  deepEqual([...store.derived({ namespace: "prod", name: "shop-1" })], many.filter((_, index) => index % 3 === 1));
  deepEqual([...store.derived({ namespace: "other", name: "shop-1" })], []);
});
