import assert from "node:assert/strict";
import { commitTree } from "./object_model.ts";
import { ObjectStore } from "./object_store.ts";
import { Overlay } from "./overlay.ts";
import { AnswerFault } from "./pkt_line.ts";
import { EMPTY_TREE, encodeTree } from "./tree.ts";
import { editTree } from "./tree_edit.ts";
import { diffTrees, markReachable, newClosure } from "./tree_walk.ts";

const text = new TextEncoder();

async function commitOf(under: ObjectStore, files: Readonly<Record<string, string>>) {
  const objects = new Overlay(under);
  const edits = Object.entries(files).map(([path, content]) => ({ path, content: text.encode(content) }));
  const tree = editTree(objects, EMPTY_TREE, edits);
  const draft = { message: "m", author: { name: "a", email: "e" }, timeMs: 0, edits: [] };
  return { objects, tree, commit: await commitTree(objects, draft, { tree, parents: [] }) };
}

Deno.test("a closure is all that a commit needs and the store lacks, and any gap is noticed", async () => {
  const store = new ObjectStore();
  const first = await commitOf(store, { "a/b": "1", "c": "2" });
  const closure = await newClosure(store, first.objects, first.commit);
  assert.equal(closure.size, 5);
  for (const oid of closure.keys()) {
    const holed = new Map([...closure].filter(([other]) => other !== oid));
    await assert.rejects(newClosure(store, holed, first.commit), (error) => {
      assert.ok(error instanceof AnswerFault && error.kind === "incomplete");
      return true;
    });
  }
  await store.adopt(closure);
  const second = await commitOf(store, { "a/b": "1", "c": "3" });
  assert.equal((await newClosure(store, second.objects, second.commit)).size, 3);
});

Deno.test("a sweep keeps what the marked commits need and nothing else", async () => {
  const store = new ObjectStore();
  const first = await commitOf(store, { "a/b": "1", "c": "2" });
  await store.adopt(await newClosure(store, first.objects, first.commit));
  const second = await commitOf(store, { "a/b": "1", "c": "3" });
  await store.adopt(await newClosure(store, second.objects, second.commit));
  assert.equal(store.size, 8);
  assert.equal(store.sweep(await markReachable(store, [second.commit])), 3);
  assert.equal((await newClosure(store, store, second.commit)).size, 0);
  assert.equal(store.has(first.commit), false);
  const sizeBytes = store.sizeBytes;
  assert.equal(store.sweep(await markReachable(store, [second.commit])), 0);
  assert.equal(store.sizeBytes, sizeBytes);
  store.sweep(store.marks());
  assert.deepEqual([store.size, store.sizeBytes], [0, 0]);
});

Deno.test("a difference names files whose content or mode differs, and visits nothing else", async () => {
  const objects = new Overlay(new ObjectStore());
  const blob = (content: string) => objects.put({ type: "blob", bytes: text.encode(content) });
  const tree = (...entries: readonly (readonly [mode: string, name: string, oid: string])[]) =>
    objects.put({
      type: "tree",
      bytes: encodeTree(entries.map(([mode, name, oid]) => ({ mode, name: text.encode(name), oid }))),
    });
  const untouched = "f".repeat(40);
  const was = tree(["100644", "a", blob("1")], ["100644", "b", blob("2")], ["40000", "far", untouched], [
    "100644",
    "x",
    blob("3"),
  ]);
  const inner = tree(["100644", "y", blob("4")]);
  const is = tree(["100755", "a", blob("1")], ["120000", "b", blob("2")], ["40000", "far", untouched], [
    "40000",
    "x",
    inner,
  ]);
  assert.deepEqual(await diffTrees({ source: objects, tree: was }, { source: objects, tree: is }), [
    { path: "a", was: blob("1"), is: blob("1") },
    { path: "b", was: blob("2") },
    { path: "x", was: blob("3") },
    { path: "x/y", is: blob("4") },
  ]);
});
