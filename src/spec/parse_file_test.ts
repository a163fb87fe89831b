/** Which files are read, which are ignored, and which are unknown. */
import assert from "node:assert/strict";
import { FILE_SIZE_MAX_BYTES, parseFile } from "./parse_file.ts";

function parse(path: string, text: string) {
  return parseFile(path, new TextEncoder().encode(text));
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n";
const canary = "apiVersion: serin.dev/v1\nkind: Canary\nmetadata: {name: a, namespace: b}\n";

Deno.test("parseFile() ignores what is plainly not Kubernetes, without a word", () => {
  const rows = [
    ["README.md", configMap],
    ["values.yaml", "image: {repository: a, tag: b}\n"],
    ["broken.yaml", "a: [\n"],
    ["package.json", '{"name": "x"}'],
    ["kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"],
    ["list.yaml", "- apiVersion: v1\n- kind: x\n"],
    [".serin/prod/b/a/primary.yaml", configMap],
    ["clusters/.serin/prod/b/a/primary.yaml", configMap],
    ["empty.yaml", ""],
  ] as const;
  for (const [path, text] of rows) {
    const { state, manifests, complaints, reason } = parse(path, text);
    assert.deepEqual([state, manifests, complaints], ["ignored", [], []], path);
    assert.notEqual(reason, "", path);
  }
});

Deno.test("parseFile() tells where each object stands", () => {
  const text =
    `# first\n${configMap}---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n- not an object\n- ${
      canary.trim().replaceAll("\n", "\n  ")
    }\n`;
  const { manifests, canaryDocs, state } = parse("a/b.yml", text);
  assert.equal(state, "parsed");
  assert.deepEqual(manifests.map(({ object, place }) => [object.kind, place]), [
    ["ConfigMap", { file: "a/b.yml", document: 0, item: null, line: 2 }],
    ["Secret", { file: "a/b.yml", document: 1, item: 0, line: 9 }],
    ["Canary", { file: "a/b.yml", document: 1, item: 2, line: 11 }],
  ]);
  assert.deepEqual(canaryDocs.map(({ lineOf }) => lineOf(["metadata", "name"])), [13]);
});

Deno.test("parseFile() reads JSON", () => {
  const { manifests } = parse("a.json", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}');
  assert.deepEqual(manifests.map(({ object }) => object.metadata.name), ["a"]);
});

Deno.test("parseFile() keeps a file that may hold a canary as unknown, never as empty", () => {
  const rows = [
    [`${canary}spec: [\n`, ["error"]],
    [`${configMap}data: [\n`, ["warning"]],
    [`{{- if .Values.canary }}\n${canary}{{- end }}\n`, []],
    ["apiVersion: serin.dev/v1\nkind: Canary\nmetadata:\n  name: {{ .Release.Name }}\n", []],
    [`${canary}spec:\n  analysis: {{ .Values.analysis | toYaml | nindent 4 }}\n`, []],
    ["apiVersion: serin.dev/v1\nkind: Canary\nmetadata: {name: a}\n", []],
    ["apiVersion: serin.dev/v1\nkind: Canary\nmetadata: {namespace: ../../etc, name: a}\n", []],
    [`${configMap}# ${"x".repeat(FILE_SIZE_MAX_BYTES)}\n`, ["warning"]],
  ] as const;
  for (const [text, severities] of rows) {
    const { state, complaints } = parse("a.yaml", text);
    assert.equal(state, "unknown", text.slice(0, 80));
    assert.deepEqual(complaints.map(({ severity }) => severity), severities, text.slice(0, 80));
  }
});

Deno.test("parseFile() leaves nameless objects of other groups out", () => {
  assert.equal(parse("a.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n").state, "ignored");
});
