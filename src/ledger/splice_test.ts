/** Editing YAML by byte range: what changes, what stays, and what is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Document, isScalar, parseDocument } from "yaml";
import type { Json } from "../core/kube_object.ts";
import { type Edited, type ScalarEdit, spliceScalars } from "./splice.ts";
import { EDITABLE_BYTES_MAX, withValueAt, type YamlPath, yamlValues } from "./yaml_file.ts";

function edit(text: string, path: YamlPath, value: ScalarEdit["value"], document = 0): Edited {
  const content = new TextEncoder().encode(text);
  return spliceScalars({ path: "apps/shop.yaml", content, link: false }, [{ document, path, value }]);
}

function textOf(edited: Edited): string {
  if (edited.type === "refused") throw new Error(edited.reason);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(edited.content);
}

const ROWS: readonly (readonly [string, string, YamlPath, ScalarEdit["value"], string])[] = [
  ["plain", "image: a:1 # c\n", ["image"], "a:2", "image: a:2 # c\n"],
  ["single quotes", "image: 'a:1'\n", ["image"], "it's", "image: 'it''s'\n"],
  ["double quotes", 'image: "a:1"\n', ["image"], 'a"2', 'image: "a\\"2"\n'],
  ["CRLF", "image: a:1\r\nb: 2\r\n", ["image"], "a:2", "image: a:2\r\nb: 2\r\n"],
  ["byte order mark", "\uFEFFimage: a:1\n", ["image"], "a:2", "\uFEFFimage: a:2\n"],
  ["no line break at the end", "image: a:1", ["image"], "a:2", "image: a:2"],
  ["spaces around", "image:   a:1   \n", ["image"], "a:2", "image:   a:2   \n"],
  ["flow map", "c: {image: a:1, n: x}\n", ["c", "image"], "a:2", "c: {image: a:2, n: x}\n"],
  ["flow map, comma in the value", "c: {v: a}\n", ["c", "v"], "a, b", 'c: {v: "a, b"}\n'],
  ["JSON", '{"image": "a:1"}\n', ["image"], "a:2", '{"image": "a:2"}\n'],
  ["quoted key", '"image": a:1\n', ["image"], "a:2", '"image": a:2\n'],
  ["list", "c:\n- image: a:1\n- image: b:1\n", ["c", 1, "image"], "b:2", "c:\n- image: a:1\n- image: b:2\n"],
  [
    "marker comment",
    'tag: "1" # {"$imagepolicy": "a:b:tag"}\n',
    ["tag"],
    "2",
    'tag: "2" # {"$imagepolicy": "a:b:tag"}\n',
  ],
  ["digits need quotes", "tag: v1\n", ["tag"], "123", 'tag: "123"\n'],
  ["exponent needs quotes", "tag: v1\n", ["tag"], "1e3", 'tag: "1e3"\n'],
  ["octal needs quotes", "tag: v1\n", ["tag"], "010", 'tag: "010"\n'],
  ["base 60 needs quotes", "tag: v1\n", ["tag"], "1:30", 'tag: "1:30"\n'],
  ["an old truth value needs quotes", "tag: v1\n", ["tag"], "yes", 'tag: "yes"\n'],
  ["a date needs quotes", "tag: v1\n", ["tag"], "2026-01-01", 'tag: "2026-01-01"\n'],
  ["null needs quotes", "tag: v1\n", ["tag"], "null", 'tag: "null"\n'],
  ["empty text needs quotes", "tag: v1\n", ["tag"], "", 'tag: ""\n'],
  ["a comment sign needs quotes", "tag: v1\n", ["tag"], "a #b", 'tag: "a #b"\n'],
  ["line breaks are escaped", "tag: 'v1'\n", ["tag"], "a\nb", 'tag: "a\\nb"\n'],
  ["number", "port: 80\n", ["port"], 8080, "port: 8080\n"],
  ["text to truth value", 'on: "x"\n', ["on"], true, "on: true\n"],
  ["number to text", "v: 1\n", ["v"], "1", 'v: "1"\n'],
  ["folded plain", "a: b\n  c\nd: e\n", ["a"], "f", "a: f\nd: e\n"],
  ["an anchor of its own", "a: &x b\n", ["a"], "c", "a: &x c\n"],
  [
    "below a merge key, own value",
    "b: &b {i: 1}\na:\n  <<: *b\n  j: 2\n",
    ["a", "j"],
    3,
    "b: &b {i: 1}\na:\n  <<: *b\n  j: 3\n",
  ],
  ["%YAML", "%YAML 1.1\n---\na: b # c\nd: yes\n", ["a"], "no", '%YAML 1.1\n---\na: "no" # c\nd: yes\n'],
  ["mixed line endings", "a: 1\r\nb: c\nd: e\r\n", ["b"], "f", "a: 1\r\nb: f\nd: e\r\n"],
  [
    "beside a text for Helm",
    "kind: HelmRelease\na: b\nc: '{{ .Release.Name }}'\n",
    ["a"],
    "d",
    "kind: HelmRelease\na: d\nc: '{{ .Release.Name }}'\n",
  ],
  ["already so", "a: 'b'\n", ["a"], "b", "a: 'b'\n"],
  ["not ASCII", "a: grün\n", ["a"], "blau", "a: blau\n"],
];
for (const [what, text, path, value, wanted] of ROWS) {
  Deno.test(`spliceScalars() changes the scalar alone: ${what}`, () => {
    assert.equal(textOf(edit(text, path, value)), wanted);
  });
}

Deno.test("spliceScalars() counts documents that say something, and keeps the separators", () => {
  const text = "# head\n---\n---\na: 1\n...\n---\na: 2 # two\n---\n";
  assert.equal(textOf(edit(text, ["a"], 3, 1)), "# head\n---\n---\na: 1\n...\n---\na: 3 # two\n---\n");
});

Deno.test("spliceScalars() edits an item of a List", () => {
  const text = "kind: List\nitems:\n- kind: A\n  image: a:1\n- kind: B\n  image: b:1\n";
  assert.equal(textOf(edit(text, ["items", 1, "image"], "b:2")), text.replace("b:1", "b:2"));
});

const REFUSED: readonly (readonly [string, string, YamlPath, RegExp])[] = [
  ["alias", "a: &x b\nc: *x\n", ["c"], /c is an alias/],
  ["anchor in use", "a: &x b\nc: *x\n", ["a"], /a has the anchor "x" that other places use/],
  ["below an anchor in use", "a: &x {i: b}\nc: *x\n", ["a", "i"], /a has the anchor "x"/],
  ["merge key", "b: &b {i: 1}\na:\n  <<: *b\n", ["a", "i"], /a\.i comes from a merge key/],
  ["literal block", "image: |\n  a:1\n", ["image"], /is a block of text/],
  ["folded block", "image: >-\n  a:1\n", ["image"], /is a block of text/],
  ["SOPS metadata", "image: a:1\nsops:\n  mac: x\n", ["image"], /encrypted with SOPS/],
  ["SOPS value in another document", "a: 1\n---\nb: ENC[AES256_GCM,data:x]\n", ["a"], /encrypted with SOPS/],
  ["Helm template", "image: {{ .Values.image }}\nb: c\n", ["b"], /looks like a template/],
  ["Helm template in a text", "image: a:{{ .Values.tag }}\nb: c\n", ["b"], /looks like a template/],
  [
    "Helm template that does not parse",
    "{{- if .a }}\nb: c\n{{- end }}\n",
    ["b"],
    /does not parse and looks like a template/,
  ],
  ["key twice", "a: 1\nb: c\na: 2\n", ["b"], /Map keys must be unique/],
  ["Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n", ["a"], /Git LFS pointer/],
  ["Helm template in quotes", 'kind: Pod\nimage: "{{ .Values.image }}"\nb: c\n', ["b"], /looks like a template/],
  ["Helm in comments", "# {{- if .a }}\nb: c\n# {{- end }}\n", ["b"], /looks like a template/],
  ["tab", "a:\n\tb: 1\n", ["a", "b"], /does not parse: Tabs are not allowed/],
  ["no YAML", "a: [b\n", ["a"], /does not parse/],
  ["no such key", "a: 1\n", ["b"], /b is not written in the file/],
  ["no value", "a:\nb: 1\n", ["a"], /a is empty/],
  ["a map", "a: {b: 1}\n", ["a"], /a is not a single value/],
  ["tag", "a: !!str 1\n", ["a"], /has the tag/],
  ["alias to nothing", "a: *x\nb: 1\n", ["b"], /Unresolved alias|aliases that lead nowhere/],
];
for (const [what, text, path, reason] of REFUSED) {
  Deno.test(`spliceScalars() refuses, with the reason: ${what}`, () => {
    const edited = edit(text, path, "new");
    assert.equal(edited.type, "refused");
    assert.match(edited.type === "refused" ? edited.reason : "", reason);
    assert.match(edited.type === "refused" ? edited.reason : "", /^Cannot edit "apps\/shop\.yaml": /);
  });
}

Deno.test("spliceScalars() refuses links, large files and what is no text", () => {
  const edits: readonly ScalarEdit[] = [{ document: 0, path: ["a"], value: "c" }];
  const reason = (content: Uint8Array<ArrayBuffer>, link = false) => {
    const edited = spliceScalars({ path: "a.yaml", content, link }, edits);
    return edited.type === "refused" ? edited.reason : "edited";
  };
  const small = new TextEncoder().encode("a: b\n");
  assert.match(reason(small, true), /it is a link/);
  assert.match(reason(new TextEncoder().encode(`a: b\n#${"x".repeat(EDITABLE_BYTES_MAX)}`)), /larger than 1 MiB/);
  assert.match(reason(new Uint8Array([0x61, 0x3a, 0x20, 0xff])), /not UTF-8/);
});

Deno.test("spliceScalars() writes an anchor where all places that see it are meant, and only once", () => {
  const text = "a: &x {i: 'b'}\nc: *x\nd:\n  <<: *x\n  e: 1\n";
  const file = { path: "apps/shop.yaml", content: new TextEncoder().encode(text), link: false };
  const at = (...path: YamlPath): ScalarEdit => ({ document: 0, path, value: "new" });
  const all = [at("a", "i"), at("c", "i"), at("d", "i")];
  assert.equal(textOf(spliceScalars(file, all)), text.replace("'b'", "'new'"));
  const some = spliceScalars(file, all.slice(0, 2));
  assert.match(some.type === "refused" ? some.reason : "", /a has the anchor "x" that other places use/);
  const torn = spliceScalars(file, [...all.slice(0, 2), { ...at("d", "i"), value: "other" }]);
  assert.match(torn.type === "refused" ? torn.reason : "", /Cannot edit/);
});

Deno.test("spliceScalars() writes a scalar as an earlier version had it, quotes and all", () => {
  const file = { path: "a.yaml", content: new TextEncoder().encode("tag: '1.11' # c\n"), link: false };
  const edited = spliceScalars(file, [{ document: 0, path: ["tag"], value: 1.1, source: "1.10" }]);
  assert.equal(textOf(edited), "tag: 1.10 # c\n");
  const lie = spliceScalars(file, [{ document: 0, path: ["tag"], value: "1.10", source: "1.10" }]);
  assert.match(lie.type === "refused" ? lie.reason : "", /would say more than is meant/);
});

const word = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 10 }),
  fc.constantFrom(
    "yes",
    "0x1",
    "1e3",
    "010",
    "null",
    "~",
    "a: b",
    "a #b",
    "- x",
    "x\ny",
    "'",
    '"',
    "[a]",
    "*a",
    "&a",
    "!t",
  ),
);
const leaf = fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null));
const tree: fc.Arbitrary<Json> = fc.letrec<{ node: Json }>((tie) => ({
  node: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    leaf,
    fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
    fc.dictionary(word.filter((key) => key !== "__proto__"), tie("node"), {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
})).node.filter((value) => typeof value === "object" && value !== null);

interface Style {
  readonly quotes: "PLAIN" | "QUOTE_DOUBLE" | "QUOTE_SINGLE";
  readonly flow: boolean;
  readonly crlf: boolean;
  readonly bom: boolean;
}
const styles: fc.Arbitrary<Style> = fc.record({
  quotes: fc.constantFrom("PLAIN", "QUOTE_DOUBLE", "QUOTE_SINGLE"),
  flow: fc.boolean(),
  crlf: fc.boolean(),
  bom: fc.boolean(),
});

function write(value: Json, style: Style): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  document.comment = " at the end";
  document.commentBefore = " at the start";
  const text = document.toString({
    defaultStringType: style.quotes,
    blockQuote: false,
    lineWidth: 0,
    collectionStyle: style.flow ? "flow" : "block",
  });
  return (style.bom ? "\uFEFF" : "") + (style.crlf ? text.replaceAll("\n", "\r\n") : text);
}

function leavesOf(value: Json, path: YamlPath = []): readonly YamlPath[] {
  if (typeof value !== "object" || value === null) return [path];
  const entries: readonly (readonly [string | number, Json])[] = Array.isArray(value)
    ? value.map((item: Json, index) => [index, item] as const)
    : Object.entries(value);
  return entries.flatMap(([key, item]) => leavesOf(item, [...path, key]));
}

Deno.test("spliceScalars() on any document changes one scalar and no other byte, or refuses", () => {
  let edits = 0;
  fc.assert(
    fc.property(tree, styles, fc.nat(), leaf, (value, style, pick, replacement) => {
      const text = write(value, style);
      const values = yamlValues(text);
      fc.pre(values !== undefined);
      const now = values?.[0] ?? null;
      const leaves = leavesOf(now);
      const path = leaves[pick % leaves.length] ?? [];
      const edited = edit(text, path, replacement);
      if (edited.type === "refused") return;
      edits++;
      const result = textOf(edited);
      assert.deepEqual(yamlValues(result), [withValueAt(now, path, replacement)]);
      const scalar = parseDocument(text).getIn(path, true);
      const [start, end] = isScalar(scalar) && scalar.range ? scalar.range : [0, 0];
      assert.equal(result.slice(0, start), text.slice(0, start));
      assert.equal(result.slice(result.length - (text.length - end)), text.slice(end));
      const again = edit(result, path, replacement);
      assert.equal(textOf(again), result);
    }),
    { numRuns: 400 },
  );
  assert.ok(edits > 100, `only ${edits} of 400 documents could be edited`);
});
