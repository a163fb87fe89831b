import assert from "node:assert/strict";
import { parseCommit } from "./commit.ts";
import type { GitObject } from "./objects.ts";

const OID = "a".repeat(40);
const TREE = "b".repeat(40);

function commit(text: string): GitObject {
  return { type: "commit", bytes: new TextEncoder().encode(text) };
}

Deno.test("commits are read, signed and merged ones too", () => {
  const parents = ["c".repeat(40), "d".repeat(40)];
  const parsed = parseCommit(
    OID,
    commit(
      `tree ${TREE}\nparent ${parents[0]}\nparent ${parents[1]}\nauthor Ada B <a@b.c> 1767225600 +0100\n` +
        `committer Eve <e@b.c> 1767225700 -0100\ngpgsig -----BEGIN\n tree x\n -----END\n\nSubject\n\nparent of all\n`,
    ),
  );
  assert.deepEqual(parsed, {
    oid: OID,
    tree: TREE,
    parents,
    author: { name: "Ada B", email: "a@b.c", timeMs: 1_767_225_600_000 },
    message: "Subject\n\nparent of all\n",
    committedMs: 1_767_225_700_000,
  });
});

Deno.test("badly written commits are read as far as possible, but one without a tree is refused", () => {
  const odd = parseCommit(OID, commit(`tree ${TREE}\nauthor Ada<a@b.c>\ncommitter\n`));
  assert.deepEqual([odd.author, odd.message], [{ name: "Ada", email: "a@b.c", timeMs: 0 }, ""]);
  assert.throws(() => parseCommit(OID, commit("author x\n\nm")), /no commit with a tree/);
  assert.throws(() => parseCommit(OID, { type: "blob", bytes: new Uint8Array(0) }), /no commit with a tree/);
});
