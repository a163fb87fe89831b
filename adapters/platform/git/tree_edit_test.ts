import assert from "node:assert/strict";
import fc from "fast-check";
import type { FileEdit } from "../../../src/ports/git.ts";
import { ObjectStore } from "./object_store.ts";
import { Overlay } from "./overlay.ts";
import { EMPTY_TREE } from "./tree.ts";
import { editTree } from "./tree_edit.ts";
import { listFiles } from "./tree_walk.ts";

const text = new TextEncoder();

function edit(path: string, content: string | null): FileEdit {
  return { path, content: content === null ? null : text.encode(content) };
}

function treeOf(files: Readonly<Record<string, string>>) {
  const objects = new Overlay(new ObjectStore());
  return {
    objects,
    root: editTree(objects, EMPTY_TREE, Object.entries(files).map(([path, content]) => edit(path, content))),
  };
}

async function paths(objects: Overlay, root: string): Promise<readonly string[]> {
  return (await listFiles(objects, root, "")).map((file) => file.path);
}

Deno.test("editing files step by step ends at the same tree as writing them at once", () => {
  const path = fc.array(fc.constantFrom("a", "a-b", "b", "ab", "c.d"), { minLength: 1, maxLength: 3 })
    .map((parts) => `${parts.map((part) => `${part}/`).join("")}file`);
  fc.assert(fc.property(fc.dictionary(path, fc.string()), fc.array(path), (files, doomed) => {
    const step = new Overlay(new ObjectStore());
    let root = EMPTY_TREE;
    for (const name of doomed) root = editTree(step, root, [edit(name, "to go")]);
    for (const [name, content] of Object.entries(files)) root = editTree(step, root, [edit(name, content)]);
    const gone = doomed.filter((name) => !(name in files));
    root = editTree(step, root, gone.map((name) => edit(name, null)));
    assert.equal(root, treeOf(files).root);
  }));
});

Deno.test("entries stand in Git's order, a folder as if its name ended in a slash", async () => {
  const { objects, root } = treeOf({ "a/x": "", "a.b": "", "a-b": "", "a0": "", "ab": "" });
  assert.deepEqual(await paths(objects, root), ["a-b", "a.b", "a/x", "a0", "ab"]);
});

Deno.test("folders that become empty go, and the root may become empty", async () => {
  const { objects, root } = treeOf({ "a/b/c": "1", "d": "2" });
  const less = editTree(objects, root, [edit("a/b/c", null)]);
  assert.deepEqual(await paths(objects, less), ["d"]);
  assert.equal(editTree(objects, less, [edit("d", null)]), EMPTY_TREE);
  assert.equal(editTree(objects, root, [edit("x/y", null), edit("d", "2")]), root);
});

Deno.test("paths that leave the repository or touch Git's own folder are refused", () => {
  const { objects, root } = treeOf({ "a/b": "1" });
  const bad = [
    "",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../../b",
    "./a",
    ".git/hooks/x",
    "a/.GIT/x",
    ".git./x",
    "git~1",
    "a\0b",
    ".g\u200cit/x",
    ".git:x",
    "..\\x",
    ".git\\x",
  ];
  for (const path of bad) {
    assert.throws(() => editTree(objects, root, [edit(path, "x")]), { name: "InvalidSpecError" }, JSON.stringify(path));
  }
  editTree(objects, root, [edit(".github/x", "x"), edit(".gitignore", "x"), edit("a/.serin/x", "x"), edit("...", "x")]);
});

Deno.test("a file and a folder cannot have one path", () => {
  const { objects, root } = treeOf({ "a/b": "1", "c": "2" });
  for (const [path, message] of [["a", /it is a folder/], ["c/d", /part of its path is a file/]] as const) {
    assert.throws(() => editTree(objects, root, [edit(path, "x")]), { name: "InvalidSpecError", message });
  }
  assert.throws(() => editTree(objects, root, [edit("n/m", "x"), edit("n", "x")]), { name: "InvalidSpecError" });
});

Deno.test("what a caller does to its bytes later does not matter", async () => {
  const bytes = text.encode("before");
  const objects = new Overlay(new ObjectStore());
  const root = editTree(objects, EMPTY_TREE, [{ path: "a", content: bytes }]);
  bytes.fill(0);
  const [file] = await listFiles(objects, root, "");
  assert.deepEqual(objects.get(file?.oid ?? "")?.bytes, text.encode("before"));
});
