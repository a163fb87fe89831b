/** A walk over a kustomization's files ends, stays in the repository, and says what it did not find. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { asksForKustomize, type FileTree, kustomizationFolder, reachOf } from "./kustomize_reach.ts";

function treeOf(files: Readonly<Record<string, string>>): FileTree {
  return {
    id: (path) => Promise.resolve(files[path]),
    isFolder: (path) => Promise.resolve(Object.keys(files).some((file) => path === "" || file.startsWith(`${path}/`))),
    read: (path) => Promise.resolve(files[path] === undefined ? undefined : new TextEncoder().encode(files[path])),
  };
}

async function walk(folder: string, files: Readonly<Record<string, string>>) {
  const reach = await reachOf(folder, treeOf(files));
  if (reach === null) throw new Error(`"${folder}" has no kustomization`);
  return reach;
}

const OVERLAY = {
  "apps/prod/kustomization.yaml": "resources: [../base]\ncomponents: [../extra]\npatches: [{path: patch.yaml}]\n",
  "apps/prod/patch.yaml": "kind: Deployment\n",
  "apps/prod/unrelated.yaml": "render: kustomize\n",
  "apps/base/kustomization.yml": "resources: [deployment.yaml]\n",
  "apps/base/deployment.yaml": "kind: Deployment\n",
  "apps/extra/Kustomization": "kind: Component\nconfigMapGenerator: [{name: a, files: [a.txt]}]\n",
  "apps/extra/a.txt": "a\n",
};

Deno.test("reachOf() takes in what is named, through folders, and nothing else", async () => {
  const reach = await walk("apps/prod", OVERLAY);
  assert.deepEqual(reach.complaints, []);
  assert.deepEqual([...reach.folders], ["apps/prod", "apps/base", "apps/extra"]);
  assert.deepEqual(
    [...reach.files.keys()].sort(),
    Object.keys(OVERLAY).filter((path) => path !== "apps/prod/unrelated.yaml").sort(),
  );
  assert.deepEqual([reach.file, reach.isComponent, reach.asks], ["apps/prod/kustomization.yaml", false, false]);
  assert.equal(await reachOf("apps/none", treeOf(OVERLAY)), null);
});

const WRONG: readonly (readonly [text: string, says: RegExp])[] = [
  ["resources: [../../../etc/passwd]\n", /"\.\.\/\.\.\/\.\.\/etc\/passwd" leads out of the repository/],
  ["resources: [/etc/passwd]\n", /leads out of the repository/],
  ["resources: [none.yaml]\n", /"none\.yaml" is not a file or folder of the repository; links count as none/],
  ["patches: [{path: ../base}]\n", /"\.\.\/base" is not a file of the repository/],
  ["resources: [../empty]\n", /Folder "\.\.\/empty" has no kustomization\.yaml/],
  ['resources: ["https://example.com/"]\n', /is remote/],
];

for (const [text, says] of WRONG) {
  Deno.test(`reachOf() of ${JSON.stringify(text)} says what is wrong, and where`, async () => {
    const files = { ...OVERLAY, "apps/prod/kustomization.yaml": text, "apps/empty/a.yaml": "" };
    const { complaints } = await walk("apps/prod", files);
    assert.deepEqual(complaints.map(({ file, line }) => [file, line]), [["apps/prod/kustomization.yaml", 1]]);
    assert.match(complaints[0]?.message ?? "", says);
    assert.notEqual(complaints[0]?.fix, "");
  });
}

Deno.test("reachOf() ends where kustomizations name each other", async () => {
  const { folders, complaints } = await walk("a", {
    "a/kustomization.yaml": "resources: [../b]\n",
    "b/kustomization.yaml": "resources: [../a, ../b/.]\n",
  });
  assert.deepEqual([[...folders], complaints], [["a", "b"], []]);
});

Deno.test("reachOf() gives up beyond its bounds", async () => {
  const files: Record<string, string> = {};
  for (let n = 0; n < 300; n++) files[`f${n}/kustomization.yaml`] = `resources: [../f${n + 1}]\n`;
  const { complaints } = await walk("f0", files);
  assert.match(complaints.map(({ message }) => message).join(), /Reaches too much: over 200 folders/);
});

Deno.test("reachOf() never asks for what is outside of the repository, whatever a file names", async () => {
  const part = fc.constantFrom("..", ".", "", "a", "b", "/", "\\", "https:");
  await fc.assert(fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
    const files = { "a/b/kustomization.yaml": JSON.stringify({ resources: [parts.join("/")] }) };
    const { sought } = await walk("a/b", files);
    for (const path of sought) assert.ok(!path.startsWith("/") && !path.split("/").includes(".."), path);
  }));
});

Deno.test("asksForKustomize() tells who asks to be rendered", () => {
  for (
    const text of [
      "spec:\n  render: kustomize\n",
      'serin.dev/render: "kustomize"',
      "{path: /spec/render, value: kustomize}",
    ]
  ) {
    assert.ok(asksForKustomize(text), text);
  }
  for (const text of ["apiVersion: kustomize.config.k8s.io/v1beta1", "render: manifests", "spec: {render: live}"]) {
    assert.ok(!asksForKustomize(text), text);
  }
});

Deno.test("kustomizationFolder() knows the three names", () => {
  assert.deepEqual(
    ["a/b/kustomization.yaml", "kustomization.yml", "Kustomization", "a/deployment.yaml", "a/xkustomization.yaml"]
      .map(kustomizationFolder),
    ["a/b", "", "", null, null],
  );
});
