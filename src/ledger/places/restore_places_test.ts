/** Putting rendered releases back: by a toy kustomize that proves it, and where only the engine can render. */
import assert from "node:assert/strict";
import { podTemplateOf, type Release, releaseOf } from "../../core/release.ts";
import type { KubeObject } from "../../core/kube_object.ts";
import type { FileEdit } from "../../ports/git.ts";
import { yamlValues } from "../yaml_file.ts";
import { findPlaces } from "./mod.ts";
import { type Carrier, type PlacesRestored, type Rendered, restorePlaces } from "./restore_places.ts";

const KUSTOMIZATION = "apps/shop/kustomization.yaml";
const VALUES = "apps/shop/release.yaml";

function deployment(images: Readonly<Record<string, string>>, env = "a"): KubeObject {
  const containers = Object.entries(images).map(([name, image]) => ({ name, image, env: [{ name: "E", value: env }] }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "prod" },
    spec: { template: { metadata: { labels: { app: "shop" } }, spec: { containers } } },
  };
}

function release(images: Readonly<Record<string, string>>, env?: string): Release {
  return releaseOf("c".repeat(40), deployment(images, env), () => null, { scaler: null, tracking: false });
}

const kustomization = (tag: string): string =>
  `resources: [../base]\nimages:\n- name: shop\n  newTag: ${tag} # {"$imagepolicy": "apps:shop:tag"}\n- {name: side, newTag: v1}\n`;

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

function carriersIn(path: string, text: string, containers: Readonly<Record<string, readonly string[]>>): Carrier[] {
  const found = findPlaces({ path, content: bytes(text), link: false });
  const places = found.type === "found" ? found.places : [];
  return places.flatMap((place): readonly Carrier[] => {
    const served = containers[place.key];
    return served === undefined ? [] : [{ place, as: "manifests", containers: served, alsoServes: [] }];
  });
}

/** What the toy kustomize makes of a kustomization: the new tags of shop and side. */
function toyRender(edits: readonly FileEdit[], env?: string): Rendered {
  const content = edits.find(({ path }) => path === KUSTOMIZATION)?.content;
  const [value] = content ? yamlValues(new TextDecoder().decode(content)) ?? [] : [];
  const images: readonly { readonly name: string; readonly newTag: string }[] =
    JSON.parse(JSON.stringify(value)).images;
  const tags = Object.fromEntries(images.map(({ name, newTag }) => [name, newTag]));
  return { type: "release", release: release({ app: `shop:${tags["shop"]}`, side: `side:${tags["side"]}` }, env) };
}

interface Told {
  readonly tip: string;
  readonly earlier?: string | null | undefined;
  readonly current?: Release;
  readonly wanted?: Release;
  readonly carriers?: readonly Carrier[];
  readonly path?: string;
  readonly rendered?: (edits: readonly FileEdit[]) => Rendered;
}

function restore(told: Told): PlacesRestored {
  const { tip, path = KUSTOMIZATION } = told;
  const earlier = "earlier" in told ? told.earlier : kustomization("v1");
  return restorePlaces({
    current: told.current ?? release({ app: "shop:v2", side: "side:v1" }),
    wanted: told.wanted ?? release({ app: "shop:v1", side: "side:v1" }),
    carriers: told.carriers ?? carriersIn(path, tip, { "images/shop": ["app"], "images/side": ["side"] }),
    file: (name) => name === path ? { path, content: bytes(tip), link: false } : null,
    original: () => earlier === undefined || earlier === null ? earlier : bytes(earlier),
    rendered: told.rendered ?? toyRender,
  });
}

function textOf(restored: PlacesRestored): string {
  assert.ok(restored.type === "restored", restored.type === "refused" ? restored.reason : restored.type);
  const [edit, ...others] = restored.edits;
  assert.equal(others.length, 0);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(edit?.content ?? new Uint8Array());
}

function reasonOf(restored: PlacesRestored): string {
  return restored.type === "refused" ? restored.reason : restored.type;
}

Deno.test("restorePlaces() puts a kustomize tag back, and proves it by rendering", () => {
  assert.equal(textOf(restore({ tip: kustomization("v2") })), kustomization("v1"));
  assert.equal(textOf(restore({ tip: kustomization("v2"), earlier: null })), kustomization("v1"));
});

Deno.test("restorePlaces() keeps what came after in the same file, and the quotes there were", () => {
  const tip = `# new\n${kustomization("v2")}namePrefix: x-\n`;
  const earlier = kustomization("'v1'");
  assert.equal(textOf(restore({ tip, earlier })), `# new\n${earlier}namePrefix: x-\n`);
});

Deno.test("restorePlaces() writes the lock's image where the earlier file had another one", () => {
  assert.equal(textOf(restore({ tip: kustomization("v2"), earlier: kustomization("v0") })), kustomization("v1"));
});

Deno.test("restorePlaces() asks for the earlier file, then for what the edits render to", () => {
  assert.deepEqual(restore({ tip: kustomization("v2"), earlier: undefined }), {
    type: "needs-original",
    paths: [KUSTOMIZATION],
  });
  const asked = restore({ tip: kustomization("v2"), rendered: () => ({ type: "unknown" }) });
  assert.ok(asked.type === "needs-rendering");
  assert.deepEqual(asked.edits, [{ path: KUSTOMIZATION, content: bytes(kustomization("v1")) }]);
});

const v2 = kustomization("v2");
const REFUSED: readonly (readonly [string, Told, RegExp])[] = [
  [
    "more than images differs",
    { tip: v2, wanted: release({ app: "shop:v1", side: "side:v1" }, "b") },
    /more than images/,
  ],
  ["another container", { tip: v2, wanted: release({ app: "shop:v1" }) }, /more than images/],
  ["no place is known", { tip: v2, carriers: [] }, /no place in Git is known to carry it/],
  ["it renders to something else", { tip: v2, rendered: (edits) => toyRender(edits, "b") }, /would render revision/],
  ["rendering refuses", { tip: v2, rendered: () => ({ type: "refused", reason: "a remote base" }) }, /a remote base/],
  [
    "the place is gone",
    { tip: "images: []\n", carriers: carriersIn(KUSTOMIZATION, v2, { "images/shop": ["app"] }) },
    /images\/shop is no longer in it/,
  ],
  [
    "the file is gone",
    { tip: v2, path: "other.yaml", carriers: carriersIn(KUSTOMIZATION, v2, { "images/shop": ["app"] }) },
    /not a file of the tip/,
  ],
  [
    "one place for two images",
    {
      tip: v2,
      current: release({ app: "shop:v2", side: "shop:v2" }),
      wanted: release({ app: "shop:v1", side: "shop:v0" }),
      carriers: carriersIn(KUSTOMIZATION, v2, { "images/shop": ["app", "side"] }),
    },
    /decides images that differ/,
  ],
  ["it is a template by now", {
    tip: `{{ if }}\n${v2}`,
    carriers: carriersIn(KUSTOMIZATION, v2, { "images/shop": ["app"] }),
  }, /template/],
];
for (const [what, told, reason] of REFUSED) {
  Deno.test(`restorePlaces() refuses, with the reason: ${what}`, () => assert.match(reasonOf(restore(told)), reason));
}

const helmRelease = (image: string): string =>
  `apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: prod}\nspec:\n  values:\n    shop: ${image}\n`;
const byEngine = (): Rendered => ({ type: "by-engine" });
const helmCarriers = (text: string) => carriersIn(VALUES, text, { "values/shop.image": ["app"] });

Deno.test("restorePlaces() puts Helm values back where only the engine can render, if they say the whole image", () => {
  const tip = helmRelease("{image: {repository: shop, tag: v2}}");
  const told = { path: VALUES, tip, carriers: helmCarriers(tip), rendered: byEngine };
  assert.equal(
    textOf(restore({ ...told, earlier: helmRelease("{image: {repository: shop, tag: v1}}") })),
    tip.replace("tag: v2", "tag: v1"),
  );
  assert.equal(textOf(restore({ ...told, earlier: null })), tip.replace("tag: v2", "tag: v1"));
});

Deno.test("restorePlaces() refuses what only the engine can render, where the place leaves something open", () => {
  const tip = helmRelease("{image: {tag: v2}}");
  const told = { path: VALUES, tip, earlier: null, rendered: byEngine };
  assert.match(reasonOf(restore({ ...told, carriers: helmCarriers(tip) })), /does not say all of it/);
  const whole = helmRelease("{image: {repository: shop, tag: v2}, copy: {image: shop:v2}}");
  const both = carriersIn(VALUES, whole, { "values/shop.image": ["app"], "values/shop.copy.image": ["app"] });
  assert.match(reasonOf(restore({ ...told, tip: whole, carriers: both })), /several places may decide it/);
});

Deno.test("restorePlaces() puts marker lines of a custom resource back", () => {
  const widget = (tag: string): string =>
    `apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: w}\nspec: # of ours\n  picture: "shop:${tag}" # {"$imagepolicy": "apps:shop"}\n`;
  const carriers = carriersIn(VALUES, widget("v2"), { "markers/apps:shop/spec.picture": ["app"] });
  const told: Told = { path: VALUES, tip: widget("v2"), earlier: widget("v1"), carriers, rendered: byEngine };
  assert.equal(textOf(restore(told)), widget("v1"));
});

Deno.test("restorePlaces() names who else is served, and leaves its input as it is", () => {
  const carriers = carriersIn(KUSTOMIZATION, v2, { "images/shop": ["app"] })
    .map((carrier) => ({ ...carrier, alsoServes: ['canary "prod/web"'] }));
  const current = release({ app: "shop:v2", side: "side:v1" });
  const before = JSON.stringify(podTemplateOf(current.target));
  const restored = restore({ tip: v2, carriers, current });
  assert.deepEqual(restored.type === "restored" ? restored.alsoServes : restored.type, ['canary "prod/web"']);
  assert.equal(JSON.stringify(podTemplateOf(current.target)), before);
});
