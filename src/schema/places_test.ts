/** YAML as Kubernetes reads it, with line numbers. */
import assert from "node:assert/strict";
import { readYaml } from "./places.ts";

function only(text: string) {
  const read = readYaml(text);
  assert.equal(read.type, "documents", JSON.stringify(read));
  const [document] = read.type === "documents" ? read.documents : [];
  assert.ok(document !== undefined);
  return document;
}

Deno.test("readYaml() reads scalars as Kubernetes does", () => {
  const rows = [
    ["0644", 420],
    ["-010", -8],
    ["08", 8],
    ["yes", true],
    ["Off", false],
    ["y", "y"],
    ["1.10", 1.1],
    ["0x10", 16],
    ["'0644'", "0644"],
    ["~", null],
    ["2020-01-01", "2020-01-01"],
    ["1:30", "1:30"],
  ] as const;
  for (const [text, want] of rows) assert.deepEqual(only(`a: ${text}`).value, { a: want }, text);
});

Deno.test("readYaml() follows anchors and merge keys", () => {
  const document = only("base: &base {a: 1, b: 2}\nmore:\n  <<: *base\n  b: 3\nagain: *base\n");
  assert.deepEqual(document.value, { base: { a: 1, b: 2 }, more: { a: 1, b: 3 }, again: { a: 1, b: 2 } });
});

Deno.test("readYaml() tells on which line a field stands", () => {
  for (const newline of ["\n", "\r\n"]) {
    const text = [
      "# comment",
      "",
      "spec:",
      "  list:",
      "    - name: a",
      "      value: 1",
      "    - {name: b, value: 2}",
      "  quoted.key: &x",
      "    deep: 1",
      "  alias: *x",
    ];
    const document = only(`\uFEFF${text.join(newline)}${newline}`);
    const rows = [
      [[], 3],
      [["spec"], 3],
      [["spec", "list", 0, "value"], 6],
      [["spec", "list", 1, "value"], 7],
      [["spec", "list", 1, "absent"], 7],
      [["spec", "absent", "deeper"], 3],
      [["spec", "quoted.key", "deep"], 9],
      [["spec", "alias", "deep"], 9],
    ] as const;
    for (const [path, want] of rows) {
      assert.equal(document.lineOf(path), want, `${JSON.stringify(path)} ${JSON.stringify(newline)}`);
    }
  }
});

Deno.test("readYaml() reads several documents and JSON, and leaves empty documents out", () => {
  const read = readYaml('---\n# nothing\n---\na: 1\n---\n---\n{"b": 2}\n...\n');
  assert.deepEqual(read.type === "documents" && read.documents.map(({ value, line }) => [value, line]), [
    [{ a: 1 }, 4],
    [{ b: 2 }, 7],
  ]);
});

Deno.test("readYaml() says where and why a file is broken", () => {
  const rows = [["a: 1\nb: [\n", 3], ["a: 1\na: 2\n", 2], ["a: *nowhere\n", 0], ["a: 1\n\tb: 2\n", 2]] as const;
  for (const [text, line] of rows) {
    const read = readYaml(text);
    assert.equal(read.type, "broken", text);
    if (read.type === "broken") {
      assert.notEqual(read.reason, "");
      assert.equal(read.line, line, `${text}: ${read.reason}`);
    }
  }
});

Deno.test("readYaml() does not unfold aliases without bound, nor nest without bound", () => {
  let bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (let level = 1; level < 12; level++) bomb += `a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}]\n`;
  assert.equal(readYaml(bomb).type, "broken");
  assert.equal(readYaml("[".repeat(100_000)).type, "broken");
});
