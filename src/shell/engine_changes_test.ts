/** What is said of an engine's object that changes what it applies, and when nothing is. */
import assert from "node:assert/strict";
import type { JsonObject, KubeObject } from "../core/kube_object.ts";
import { aCanary, aDeployment, aRelease } from "../../test/support/builders.ts";
import { imagesOf } from "../core/release.ts";
import { changedByEngine, likelyCause } from "./engine_changes.ts";

const RELEASE = aRelease({ target: aDeployment() });
const [IMAGE = ""] = imagesOf(RELEASE.target).map(({ image }) => image.replace(/:[^:/]*$/, ""));
const CERTAIN = { images: [{ name: IMAGE, newTag: "another" }] };
const POSSIBLE = { components: ["../more"] };

function owners(spec: JsonObject): readonly KubeObject[] {
  const metadata = { name: "apps", namespace: "flux-system" };
  return [{ apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", metadata, spec }];
}

Deno.test("changedByEngine() names the object, its field and the way out, and only where it is certain", () => {
  const { kind, metadata: { name } } = RELEASE.target;
  assert.equal(
    changedByEngine(owners({ ...CERTAIN, ...POSSIBLE }), aCanary(), RELEASE),
    `Kustomization "flux-system/apps" (spec.images[0]) changes what it applies, so that ${kind} "${name}" would not run ` +
      'as it is read from Git. Write "render: live" on the Canary, so that what was applied is read, or move it into the files.',
  );
  assert.equal(changedByEngine(owners(POSSIBLE), aCanary(), RELEASE), null);
  assert.equal(changedByEngine([], aCanary(), RELEASE), null);
  assert.equal(changedByEngine(owners(CERTAIN), aCanary(), null), null);
  assert.equal(changedByEngine(owners(CERTAIN), aCanary({ render: "live" }), RELEASE), null);
});

Deno.test("likelyCause() names what is possible too", () => {
  assert.equal(
    likelyCause(owners(POSSIBLE), aCanary(), RELEASE),
    '; Kustomization "flux-system/apps" (spec.components) changes what it applies: write "render: live" on the Canary, so ' +
      "that what was applied is read, or move it into the files",
  );
  assert.equal(likelyCause(owners({}), aCanary(), RELEASE), "");
  assert.equal(likelyCause(owners(CERTAIN), aCanary({ render: "live" }), RELEASE), "");
});
