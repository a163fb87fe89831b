/** What Git says of a fenced target's image, commit by commit. */
import { equal } from "node:assert/strict";
import { aCanary, aDeployment, aRelease } from "../../test/support/builders.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import type { Release } from "../core/release.ts";
import { BehindFence } from "./behind_fence.ts";

const FILE = "apps/release.yaml";
const values = (tag: string): string =>
  `apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: prod}\nspec: {values: {image: {tag: "${tag}"}}}\n`;

function rendered(tag: string): Release {
  const owner = "helm.toolkit.fluxcd.io/HelmRelease prod/shop";
  const images = [{ container: "app", image: `ghcr.io/acme/shop:${tag}` }];
  const rendering = { template: `of-${tag}`, rest: "r", source: "s", owner };
  return { ...aRelease({ target: aDeployment() }), revision: `of-${tag}`, images, rendering };
}

async function told(...texts: readonly (Readonly<Record<string, string | null>>)[]): Promise<string> {
  const git = new MemoryGit({ "README.md": "hello\n" });
  const remote = git.connect();
  const fence = new BehindFence();
  const running = { canary: aCanary({ render: "live" }), release: rendered("2.0.0") };
  const said: string[] = [];
  for (const files of texts) {
    git.commit({ files, message: "x\n" });
    const watched = { snapshot: await remote.fetch(), roots: [""] };
    const ask = () =>
      fence.said("prod/shop", { running, lock: rendered("1.0.0"), watched }, new AbortController().signal);
    said.push(await ask());
    equal(await ask(), said.at(-1), "asked again it is the same");
  }
  return said.join(" ");
}

Deno.test("a newer image, or the lock's, is told once a commit has said the one that is analysed", async () => {
  equal(
    await told({ [FILE]: values("2.0.0") }, { "README.md": "a\n" }, { [FILE]: values("3.0.0") }),
    "judged judged other",
  );
  equal(await told({ [FILE]: values("2.0.0") }, { [FILE]: values("1.0.0") }), "judged wanted");
  equal(
    await told({ [FILE]: values("2.0.0") }, { [FILE]: values("3.0.0") }, { "README.md": "b\n" }),
    "judged other other",
  );
});

Deno.test("places that never said what is analysed say nothing of it", async () => {
  equal(await told({ [FILE]: values("0.0.1") }, { [FILE]: values("0.0.2") }), "unknown unknown");
  equal(await told({ "README.md": "a\n" }), "unknown");
});
