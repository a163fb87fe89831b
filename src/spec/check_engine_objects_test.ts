/** Which engine's objects a canary is warned of: those that apply the folder it is read from. */
import assert from "node:assert/strict";
import type { Canary } from "../core/canary.ts";
import type { Manifest } from "../core/catalogue.ts";
import { imagesOf } from "../core/release.ts";
import { aCanary, aDeployment } from "../../test/support/builders.ts";
import { checkEngineObjects } from "./check_engine_objects.ts";

const TARGET = aDeployment();
const [IMAGE = ""] = imagesOf(TARGET).map(({ image }) => image.replace(/:[^:/]*$/, ""));

function at(file: string, object = TARGET): Manifest {
  return { object, place: { file, document: 0, item: null, line: 7 } };
}

function applying(path: string): Manifest {
  const spec = { path, images: [{ name: IMAGE, newTag: "another" }] };
  const metadata = { name: "apps", namespace: "flux-system" };
  return at("clusters/eu.yaml", {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata,
    spec,
  });
}

const ROWS: readonly (readonly [string, Partial<Canary>, string, string, boolean])[] = [
  ["an overlay by its own folder", { render: "kustomize" }, "apps/prod/kustomization.yaml", "./apps/prod", true],
  ["not an overlay below it", { render: "kustomize" }, "apps/prod/kustomization.yaml", "./apps", false],
  ["nor one beside it", { render: "kustomize" }, "apps/prod/kustomization.yaml", "./apps/test", false],
  ["the root's kustomization", { render: "kustomize" }, "kustomization.yaml", "./", true],
  ["files from any folder above", { render: "manifests" }, "apps/shop/web.yaml", "apps", true],
  ["files from the root", { render: "manifests" }, "apps/shop/web.yaml", "./", true],
  ["not files of another folder", { render: "manifests" }, "apps/shop/web.yaml", "apps/sho", false],
  ["nothing where the engine renders", { render: "live" }, "apps/shop/web.yaml", "apps", false],
  ["nothing where the agent applies", { engine: "self" }, "apps/shop/web.yaml", "apps", false],
];

for (const [what, overrides, file, path, wanted] of ROWS) {
  Deno.test(`checkEngineObjects() warns of ${what}`, () => {
    const [found] = checkEngineObjects(aCanary(overrides), at(file), [applying(path)]);
    const said = found === undefined ? false : [found.file, found.line, found.field, found.severity];
    assert.deepEqual(said, wanted ? ["clusters/eu.yaml", 7, "spec.images[0]", "warning"] : false);
  });
}
