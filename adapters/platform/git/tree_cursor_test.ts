/** A cursor that keeps its folders says the same as a walk from the root each time, in whatever order it is asked. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Overlay } from "./overlay.ts";
import { AnswerFault } from "./pkt_line.ts";
import { EMPTY_TREE } from "./tree.ts";
import { TreeCursor } from "./tree_cursor.ts";
import { editTree } from "./tree_edit.ts";
import { findEntry } from "./tree_walk.ts";

const NOTHING = { get: () => undefined };
const text = new TextEncoder();
const names = fc.constantFrom("a", "b", "a.yaml", "é", "c");
const paths = fc.array(names, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const asked = fc.oneof(paths, fc.constantFrom("", "/", "a/", "/a", "a//b", "."));

/** Paths that do not need a file where another has a folder. */
function fitting(all: readonly string[]): readonly string[] {
  return all.filter((path) => !all.some((other) => other !== path && other.startsWith(`${path}/`)));
}

Deno.test("TreeCursor finds what a walk from the root finds", () => {
  fc.assert(fc.property(fc.uniqueArray(paths, { maxLength: 12 }), fc.array(asked, { maxLength: 30 }), (all, wanted) => {
    const objects = new Overlay(NOTHING);
    const edits = fitting(all).map((path) => ({ path, content: text.encode(path) }));
    const root = editTree(objects, EMPTY_TREE, edits);
    if (edits.length === 0) return;
    const cursor = new TreeCursor(objects, root);
    for (const path of [...wanted, ...all]) {
      assert.deepEqual(cursor.find(path), findEntry(objects, root, path), JSON.stringify(path));
    }
  }));
});

Deno.test("TreeCursor says which tree is missing, and goes on with the others", () => {
  const objects = new Overlay(NOTHING);
  const edits = ["a/one.yaml", "b/two.yaml"].map((path) => ({ path, content: text.encode(path) }));
  const root = editTree(objects, EMPTY_TREE, edits);
  const lost = findEntry(objects, root, "a")?.oid ?? "";
  objects.fresh.delete(lost);
  const cursor = new TreeCursor(objects, root);
  assert.throws(
    () => cursor.find("a/one.yaml"),
    (error) => error instanceof AnswerFault && error.kind === "incomplete",
  );
  assert.notEqual(cursor.find("b/two.yaml"), undefined);
});
