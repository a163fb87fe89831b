/** What a kustomization reads is found, and what it must not do is refused with its line. */
import assert from "node:assert/strict";
import { readKustomization } from "./kustomization.ts";

function hindrances(text: string): readonly string[] {
  return readKustomization(text).hindrances.map(({ field, line, message }) => `${line} ${field}: ${message}`);
}

Deno.test("readKustomization() finds all that a kustomization names", () => {
  const text = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: prod
resources: [a.yaml, ../base]
components: [../c]
crds: [crd.yaml]
configurations: [names.yaml]
openapi: {path: schema.json}
patches:
  - path: patch.yaml
  - patch: "- op: add"
    target: {kind: Deployment}
patchesStrategicMerge:
  - old.yaml
  - |-
    apiVersion: v1
    kind: Service
patchesJson6902:
  - {path: json.yaml, target: {kind: Service, name: a, version: v1}}
replacements:
  - path: replace.yaml
configMapGenerator:
  - name: a
    files: [one.txt, two=b/two.txt]
    envs: [c.env]
    literals: [k=https://example.com/]
secretGenerator:
  - name: b
    env: d.env
images:
  - {name: shop, newTag: "1"}
`;
  const { references, hindrances } = readKustomization(text);
  assert.deepEqual(hindrances, []);
  const files = references.filter(({ what }) => what === "file").map(({ path }) => path);
  assert.deepEqual(references.filter(({ what }) => what !== "file").map(({ path }) => path), [
    "a.yaml",
    "../base",
    "../c",
  ]);
  assert.deepEqual(files, [
    ...["crd.yaml", "names.yaml", "schema.json", "patch.yaml", "json.yaml", "replace.yaml", "old.yaml", "one.txt"],
    ...["b/two.txt", "c.env", "d.env"],
  ]);
  assert.equal(references.find(({ path }) => path === "../base")?.line, 5);
  assert.equal(readKustomization("kind: Component\n").isComponent, true);
});

const REMOTE = [
  "https://example.com/a.yaml",
  "HTTP://example.com/a.yaml",
  "git@github.com:org/repo.git",
  "github.com/org/repo//path?ref=v1",
  "github.com/org/repo",
  "gh:org/repo",
  "ssh://git@example.com/repo",
  "git::https://example.com/repo",
  "file:///etc/passwd",
  "example.com/repo.git",
  "example.com/repo//path",
  "base?ref=main",
];

for (const path of REMOTE) {
  for (const field of ["resources", "bases", "components", "crds"]) {
    Deno.test(`readKustomization() refuses "${path}" among ${field}, with its line`, () => {
      const text = `namespace: prod\n${field}:\n  - "${path}"\n`;
      assert.deepEqual(hindrances(text), [`3 ${field}[0]: "${path}" is remote: nothing is fetched while rendering`]);
      assert.deepEqual(readKustomization(text).references, []);
    });
  }
}

const REFUSED: readonly (readonly [text: string, says: RegExp])[] = [
  ["patches:\n  - path: https://example.com/p.yaml\n", /^2 patches\[0\]\.path: .*is remote/],
  ['configMapGenerator:\n  - name: a\n    files: ["k=https://example.com/"]\n', /is remote/],
  ["helmCharts: [{name: a, repo: https://example.com}]\n", /^1 helmCharts: Is not rendered: plugins and Helm are off/],
  ["generators: [plugin.yaml]\n", /plugins and Helm are off/],
  ["transformers:\n  - |-\n    apiVersion: v1\n    kind: Exec\n", /plugins and Helm are off/],
  ["validators: [a.yaml]\n", /plugins and Helm are off/],
  ["resource: [a.yaml]\n", /^1 resource: "resource" is not a field of a kustomization$/],
  ["Resources: [https://example.com/a.yaml]\n", /"Resources" is not a field/],
  ["patches:\n  - Path: https://example.com/a.yaml\n", /^2 patches\[0\]\.Path: "Path" is not a field/],
  ["openapi: {PATH: a}\n", /"PATH" is not a field/],
  ["resources: [a.yaml]\n---\nresources: [b.yaml]\n", /must be one YAML document/],
  ["- a\n", /must be one YAML document/],
  ["resources: [a\n", /Cannot be read/],
];

for (const [text, says] of REFUSED) {
  Deno.test(`readKustomization() refuses ${JSON.stringify(text)}`, () => {
    assert.match(hindrances(text).join("\n"), says);
  });
}

Deno.test("readKustomization() lets plugins' fields stand empty", () => {
  assert.deepEqual(hindrances("generators: []\nhelmCharts:\nresources: [a.yaml]\n"), []);
});
