/** Which fields of an engine's object change a target beyond its files, and which only may. */
import assert from "node:assert/strict";
import type { JsonObject, KubeObject } from "../core/kube_object.ts";
import { formatPath } from "../schema/path.ts";
import { foldersAppliedBy, isEngineObject, namedTransforms, transformsOf } from "./engine_transforms.ts";

const TARGET: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "shop", namespace: "prod" },
  spec: {
    template: {
      metadata: { labels: { app: "shop", team: "web" } },
      spec: { containers: [{ name: "app", image: "registry.example:5000/shop:1.0.0" }] },
    },
  },
};
const WITH_VARIABLE: KubeObject = {
  ...TARGET,
  spec: { template: { spec: { containers: [{ name: "app", image: "registry.example/shop:${TAG}" }] } } },
};

function flux(spec: JsonObject): KubeObject {
  const metadata = { name: "apps", namespace: "flux-system" };
  return { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", metadata, spec };
}

function argo(kustomize: JsonObject, more: JsonObject = {}): KubeObject {
  const metadata = { name: "apps", namespace: "argocd" };
  const spec = { source: { path: "apps", kustomize, ...more } };
  return { apiVersion: "argoproj.io/v1alpha1", kind: "Application", metadata, spec };
}

/** "!" before what is certain. */
function found(owner: KubeObject, target = TARGET): string {
  return transformsOf(owner, target).map(({ path, certain }) => `${certain ? "!" : ""}${formatPath(path)}`).join(" ");
}

const IMAGE = "registry.example:5000/shop";
const SMP = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec: {template: {spec: {x: 1}}}\n";
const STEPS = "- {op: add, path: /spec/template/spec/x, value: 1}\n";
const digest = `sha256:${"a".repeat(64)}`;

const ROWS: readonly (readonly [string, KubeObject, string, KubeObject?])[] = [
  ["nothing", flux({ path: "./apps" }), ""],
  ["another tag", flux({ images: [{ name: IMAGE, newTag: "2.0.0" }] }), "!spec.images[0]"],
  ["the same tag", flux({ images: [{ name: IMAGE, newTag: "1.0.0" }] }), "spec.images[0]"],
  ["another name", flux({ images: [{ name: IMAGE, newName: "mirror.example/shop" }] }), "!spec.images[0]"],
  ["a digest", flux({ images: [{ name: IMAGE, digest }] }), "!spec.images[0]"],
  ["somebody else's image", flux({ images: [{ name: "registry.example:5000/sho", newTag: "2" }] }), "spec.images[0]"],
  ["no variables", flux({ postBuild: { substitute: {} } }), ""],
  ["variables that it has not", flux({ postBuild: { substitute: { TAG: "2" } } }), "spec.postBuild"],
  ["a variable", flux({ postBuild: { substitute: { TAG: "2" } } }), "!spec.postBuild", WITH_VARIABLE],
  [
    "a variable of a Secret's",
    flux({ postBuild: { substituteFrom: [{ kind: "Secret", name: "x" }] } }),
    "!spec.postBuild",
    WITH_VARIABLE,
  ],
  ["marked as not to be substituted", flux({ postBuild: { substitute: { TAG: "2" } } }), "spec.postBuild", {
    ...WITH_VARIABLE,
    metadata: { ...TARGET.metadata, annotations: { "kustomize.toolkit.fluxcd.io/substitute": "disabled" } },
  }],
  ["a merge patch", flux({ patches: [{ patch: SMP }] }), "!spec.patches[0]"],
  ["one of another target", flux({ patches: [{ patch: SMP.replace("shop", "cart") }] }), "spec.patches[0]"],
  [
    "one that leaves pods alone",
    flux({ patches: [{ patch: SMP.replace("template", "strategy") }] }),
    "spec.patches[0]",
  ],
  ["steps for a kind", flux({ patches: [{ patch: STEPS, target: { kind: "Deployment" } }] }), "!spec.patches[0]"],
  [
    "steps for all names",
    flux({ patches: [{ patch: STEPS, target: { kind: "Deployment", name: ".*" } }] }),
    "!spec.patches[0]",
  ],
  [
    "steps by an expression",
    flux({ patches: [{ patch: STEPS, target: { kind: "Deployment", name: "(s+)+hop" } }] }),
    "spec.patches[0]",
  ],
  [
    "steps by labels",
    flux({ patches: [{ patch: STEPS, target: { kind: "Deployment", labelSelector: "a=b" } }] }),
    "spec.patches[0]",
  ],
  ["steps for Services", flux({ patches: [{ patch: STEPS, target: { kind: "Service" } }] }), "spec.patches[0]"],
  [
    "a patch that is no YAML",
    flux({ patches: [{ patch: "a: [", target: { kind: "Deployment" } }] }),
    "spec.patches[0]",
  ],
  ["components", flux({ components: ["../x"] }), "spec.components"],
  [
    "what is certain first",
    flux({ components: ["../x"], images: [{ name: IMAGE, newTag: "2" }] }),
    "!spec.images[0] spec.components",
  ],
  ["no parameters", argo({}), ""],
  ["an image", argo({ images: [`${IMAGE}:2.0.0`] }), "!spec.source.kustomize.images[0]"],
  [
    "an image by its old name",
    argo({ images: [`${IMAGE}=mirror.example/shop:1.0.0`] }),
    "!spec.source.kustomize.images[0]",
  ],
  ["an image by digest", argo({ images: [`${IMAGE}@${digest}`] }), "!spec.source.kustomize.images[0]"],
  ["the image that it has", argo({ images: [`${IMAGE}:1.0.0`] }), "spec.source.kustomize.images[0]"],
  ["labels", argo({ commonLabels: { tier: "front" } }), "!spec.source.kustomize.commonLabels"],
  ["labels that it has", argo({ commonLabels: { team: "web" } }), "spec.source.kustomize.commonLabels"],
  [
    "labels of objects only",
    argo({ commonLabels: { tier: "front" }, labelWithoutSelector: true }),
    "spec.source.kustomize.commonLabels",
  ],
  ["annotations", argo({ commonAnnotations: { a: "b" } }), "!spec.source.kustomize.commonAnnotations"],
  ["a patch", argo({ patches: [{ patch: SMP }] }), "!spec.source.kustomize.patches[0]"],
  ["a patch in a file", argo({ patches: [{ path: "patch.yaml" }] }), "spec.source.kustomize.patches[0]"],
  ["a plugin", argo({}, { plugin: { name: "x" } }), "!spec.source.plugin"],
];

for (const [what, owner, wanted, target] of ROWS) {
  Deno.test(`transformsOf() of ${owner.kind}: ${what}`, () => assert.equal(found(owner, target), wanted));
}

Deno.test("an Application with several sources is looked at source by source", () => {
  const source = { path: "./apps/shop/", kustomize: { images: [`${IMAGE}:2`] } };
  const application: KubeObject = { ...argo({}), spec: { sources: [{ chart: "x" }, source] } };
  assert.equal(found(application), "!spec.sources[1].kustomize.images[0]");
  assert.deepEqual(foldersAppliedBy(application), ["apps/shop"]);
});

Deno.test("foldersAppliedBy() names folders from the root, and isEngineObject() knows whose they are", () => {
  assert.deepEqual([flux({ path: "./a/./b/" }), flux({ path: "./" }), flux({})].flatMap(foldersAppliedBy), [
    "a/b",
    "",
    "",
  ]);
  assert.deepEqual([flux({}), argo({}), TARGET].map(isEngineObject), [true, true, false]);
});

Deno.test("namedTransforms() says whose fields they are", () => {
  const owner = flux({ images: [{ name: IMAGE, newTag: "2" }], components: ["../x"] });
  const wanted = 'Kustomization "flux-system/apps" (spec.images[0], spec.components)';
  assert.equal(namedTransforms(owner, transformsOf(owner, TARGET)), wanted);
});
