/** With `render: live`, the `images` of a Flux Kustomization that stands in Git are where a release's image is put back. */
import assert from "node:assert/strict";
import { aCanary, aDeployment, aRelease } from "../../test/support/builders.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { editPlaces } from "../ledger/places/edit_places.ts";
import { findPlaces } from "../ledger/places/mod.ts";
import type { CanaryEntry, ReleaseRenderer } from "../ledger/places/release_renderer.ts";
import { liveRelease } from "./live_release.ts";

const FILE = "clusters/eu/apps.yaml";
const IMAGE = "registry.example.com/shop";

function kustomization(tag: string): string {
  return `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  images:
    - name: ${IMAGE}
      newTag: ${tag}   # by a bot
`;
}

const NOBODY: ReleaseRenderer = {
  carriers: () => Promise.resolve([]),
  render: () => Promise.resolve({ type: "refused", reason: "nobody" }),
};

Deno.test("a Flux Kustomization's images are found as the place of a live release, and put back to the byte", async () => {
  const base =
    `kind: Deployment\napiVersion: apps/v1\nmetadata: {name: shop}\nspec: {template: {spec: {containers: [{name: app, image: "${IMAGE}:0.0.1"}]}}}\n`;
  const git = new MemoryGit({ [FILE]: kustomization("2.0.0"), "apps/shop.yaml": base });
  const owner = "kustomize.toolkit.fluxcd.io/Kustomization flux-system/apps";
  const rendering = { template: "t", rest: "r", source: "s", owner };
  const images = [{ container: "app", image: `${IMAGE}:2.0.0` }];
  const release = { ...aRelease({ target: aDeployment() }), images, rendering };
  const canary = aCanary({ render: "live" });
  const place = { file: "apps/shop.yaml", document: 0, item: null, line: 1 };
  const entry: CanaryEntry = {
    type: "canary",
    canary,
    release,
    target: { object: release.target, place },
    configs: [],
    warnings: [],
  };
  const carriers = await liveRelease({ cluster: "eu", roots: [""] }, NOBODY).carriers(
    entry,
    await git.connect().fetch(),
  );
  assert.deepEqual(carriers.map((one) => [one.place.file, one.place.key, one.containers, one.alsoServes]), [
    [FILE, `images/${IMAGE}`, ["app"], []],
  ]);
  const file = { path: FILE, content: new TextEncoder().encode(kustomization("2.0.0")), link: false };
  const found = findPlaces(file);
  const written = found.type === "found" ? found.places.find(({ key }) => key === carriers[0]?.place.key) : undefined;
  assert.ok(written !== undefined);
  const edited = editPlaces(file, [{ place: written, wanted: { ...written.image, tag: "1.0.0" } }]);
  assert.equal(edited.type === "edited" ? new TextDecoder().decode(edited.content) : edited, kustomization("1.0.0"));
});
