/**
 * Which kustomizations a source renders, and what becomes of their canaries when one cannot be. The renderer stands in for
 * the binary: it puts the files that it is given one after the other.
 */
import assert from "node:assert/strict";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { aLock, releaseAt } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { canaryFile, deploymentFile, shopFiles } from "../../test/support/shop_files.ts";
import { renderLockFile } from "../ledger/lock_file.ts";
import type { Renderer, RenderOutput } from "../ports/renderer.ts";
import { kustomizationFolder } from "../spec/kustomize_reach.ts";
import { createSource, type RunningSource } from "./source.ts";

const ID = { namespace: "prod", name: "shop" };
const OVERLAY = "apps/prod/kustomization.yaml";
const rendered = (text: string): string =>
  text.replace("spec:\n", "spec:\n  render: kustomize\n")
    .replace("flagger.app/v1beta1", "serin.dev/v1");

const FILES: Readonly<Record<string, string>> = {
  [OVERLAY]: "resources: [../base]\n",
  "apps/base/kustomization.yaml": "resources: [canary.yaml, deployment.yaml]\n",
  "apps/base/canary.yaml": rendered(canaryFile()),
  "apps/base/deployment.yaml": deploymentFile("1.0.0"),
};

interface Followed {
  readonly git: MemoryGit;
  readonly source: RunningSource;
  /** Folders that were rendered since the last look. */
  readonly rendered: string[];
  /** What the renderer answers in place of an output. */
  fail: Exclude<RenderOutput, { readonly type: "rendered" }> | null;
}

function follow(files: Readonly<Record<string, string>>, git = new MemoryGit(files)): Followed {
  const folders: string[] = [];
  const renderer: Renderer = {
    id: "kustomize",
    render({ folder, files }) {
      folders.push(folder);
      if (followed.fail !== null) return Promise.resolve(followed.fail);
      const texts = [...files].filter(([path]) => kustomizationFolder(path) === null)
        .map(([, content]) => new TextDecoder().decode(content));
      return Promise.resolve({ type: "rendered", content: new TextEncoder().encode(texts.join("---\n")) });
    },
  };
  const source = createSource({
    name: "main",
    remote: git.connect(),
    clock: new ManualClock(),
    pollMs: 30_000,
    paths: ["apps"],
    cluster: "eu",
    capabilities: testCapabilities(),
    renderer,
  });
  const followed: Followed = { git, source, rendered: folders, fail: null };
  return followed;
}

async function entries({ source }: Followed): Promise<Readonly<Record<string, string>>> {
  await source.poll();
  assert.equal(source.view.problem, null);
  return Object.fromEntries([...source.view.catalogue?.entries ?? []].map(([key, { type }]) => [key, type]));
}

Deno.test("a source renders the outermost kustomizations in which something asks for it", async () => {
  const followed = follow({
    ...FILES,
    "apps/plain/kustomization.yaml": "resources: [canary.yaml, deployment.yaml]\n",
    ...Object.fromEntries(Object.entries(shopFiles("1.0.0", ["plain"]))),
    "apps/part/kustomization.yaml": "kind: Component\nresources: [../base]\n",
  });
  assert.deepEqual(await entries(followed), { "prod/plain": "canary", "prod/shop": "canary" });
  assert.deepEqual(followed.rendered, ["apps/prod"]);
  const entry = followed.source.view.catalogue?.entries.get("prod/shop");
  assert.equal(entry?.type === "canary" ? entry.canary.source.file : "", OVERLAY);
  assert.deepEqual(followed.source.reaches.map(({ file }) => file), [OVERLAY]);
});

Deno.test("a canary beside a rendered one in its kustomization is still read as it is written", async () => {
  const followed = follow({
    ...FILES,
    "apps/base/kustomization.yaml": "resources: [canary.yaml, deployment.yaml, other.yaml, other-app.yaml]\n",
    "apps/base/other.yaml": canaryFile("other"),
    "apps/base/other-app.yaml": deploymentFile("2.0.0", "other"),
  });
  assert.deepEqual(await entries(followed), { "prod/other": "canary", "prod/shop": "canary" });
  const other = followed.source.view.catalogue?.entries.get("prod/other");
  assert.equal(other?.type === "canary" ? other.target.place.file : "", "apps/base/other-app.yaml");
  followed.fail = { type: "refused", reason: "it is wrong", fix: "Mend it" };
  followed.git.commit({ files: { "apps/base/deployment.yaml": deploymentFile("1.1.0") }, message: "Bump\n" });
  assert.deepEqual(await entries(followed), { "prod/other": "canary", "prod/shop": "broken" });
});

Deno.test("a Canary that no kustomization names says so, and one that is named later is read", async () => {
  const followed = follow({
    ...FILES,
    [OVERLAY]: "resources: []\n",
    "apps/base/kustomization.yaml": "resources: []\n",
  });
  assert.deepEqual(await entries(followed), { "prod/shop": "broken" });
  const entry = followed.source.view.catalogue?.entries.get("prod/shop");
  assert.match(JSON.stringify(entry), /No kustomization that was rendered yields this Canary/);
  followed.git.commit({
    files: { "apps/base/kustomization.yaml": FILES["apps/base/kustomization.yaml"] ?? "" },
    message: "x",
  });
  assert.deepEqual(await entries(followed), { "prod/shop": "canary" });
});

Deno.test("what does not build is broken and never removed, and goes on once it builds", async () => {
  const followed = follow({ ...FILES, ...shopFiles("1.0.0", ["plain"]) });
  await entries(followed);
  followed.git.commit({ files: { [OVERLAY]: "resources: [../bsae]\n" }, message: "Typo\n" });
  assert.deepEqual(await entries(followed), { "prod/plain": "canary", "prod/shop": "broken" });
  assert.equal(followed.source.presence(ID), "broken");
  const entry = followed.source.view.catalogue?.entries.get("prod/shop");
  assert.match(
    JSON.stringify(entry),
    /kustomization\.yaml","field":"resources\[0\]","line":1,.*bsae.* is not a file or folder/,
  );
  followed.git.commit({ files: { [OVERLAY]: FILES[OVERLAY] ?? "" }, message: "Mend\n" });
  assert.deepEqual(await entries(followed), { "prod/plain": "canary", "prod/shop": "canary" });
  followed.git.commit({
    files: { [OVERLAY]: "namespace: prod\n", "apps/base/kustomization.yaml": null },
    message: "Go\n",
  });
  followed.git.commit({ files: { "apps/base/canary.yaml": null }, message: "Go on\n" });
  assert.deepEqual(await entries(followed), { "prod/plain": "canary" });
  assert.equal(followed.source.presence(ID), "removed");
});

Deno.test("an agent that starts while a kustomization is broken knows its canaries by their locks", async () => {
  const lock = aLock({ canary: ID, release: releaseAt("1.0.0") });
  const followed = follow({
    ...FILES,
    ...shopFiles("1.0.0", ["plain"]),
    [OVERLAY]: "resources: [../bsae]\n",
    "apps/base/kustomization.yaml": "resources: []\n",
    "apps/base/canary.yaml": "# gone\n",
    ".serin/eu/prod/shop/primary.yaml": renderLockFile(lock, { canary: OVERLAY, target: OVERLAY }),
  });
  assert.deepEqual(await entries(followed), { "prod/plain": "canary", "prod/shop": "broken" });
  assert.equal(followed.source.presence(ID), "broken");
});

Deno.test("a renderer that is not to be had is asked again though nothing changed, and the source stays fresh", async () => {
  const followed = follow(FILES);
  followed.fail = { type: "unavailable", reason: "there is no program", fix: "Get it" };
  assert.deepEqual(await entries(followed), { "prod/shop": "broken" });
  assert.equal(followed.source.view.state, "fresh");
  followed.fail = null;
  assert.deepEqual(await entries(followed), { "prod/shop": "canary" });
  followed.rendered.length = 0;
  await entries(followed);
  assert.deepEqual(followed.rendered, []);
});

Deno.test("what kustomize refuses is asked again only when a file of it changed", async () => {
  const followed = follow(FILES);
  followed.fail = { type: "refused", reason: "it is wrong", fix: "Mend it" };
  assert.deepEqual(await entries(followed), { "prod/shop": "broken" });
  followed.rendered.length = 0;
  followed.fail = null;
  followed.git.commit({ files: { "README.md": "hello\n" }, message: "Note\n" });
  assert.deepEqual([await entries(followed), followed.rendered], [{ "prod/shop": "broken" }, []]);
  followed.git.commit({ files: { "apps/base/deployment.yaml": deploymentFile("1.1.0") }, message: "Bump\n" });
  assert.deepEqual([await entries(followed), followed.rendered], [{ "prod/shop": "canary" }, ["apps/prod"]]);
});

Deno.test("a Canary whose overlay sets the field by a patch is read through the overlay alone", async () => {
  const followed = follow({
    ...FILES,
    "apps/base/canary.yaml": canaryFile(),
    [OVERLAY]: "resources: [../base]\npatches: [{patch: '[{op: add, path: /spec/render, value: kustomize}]'}]\n",
  });
  // The stand-in applies no patches, so that nothing in its output is rendered: the Canary as written counts.
  assert.deepEqual(await entries(followed), { "prod/shop": "canary" });
  assert.deepEqual(followed.rendered, ["apps/prod"]);
});
