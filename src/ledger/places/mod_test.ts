/** Which places may be where an image comes from, and ranges in files that are not ASCII. */
import assert from "node:assert/strict";
import { parseImage } from "./image_reference.ts";
import { carriersOf, findPlaces } from "./mod.ts";
import type { ImagePlace } from "./place.ts";

function placesIn(text: string, path = "a.yaml"): readonly ImagePlace[] {
  const found = findPlaces({ path, content: new TextEncoder().encode(text), link: false });
  assert.ok(found.type === "found", found.type === "refused" ? found.reason : "");
  return found.places;
}

const CARRIERS = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop}
spec:
  values:
    a: {image: {tag: v1}}
    b: {image: ghcr.io/acme/shop:v1}
    c: {image: ghcr.io/acme/shop:v2}
    d: {image: ghcr.io/acme/web:v1}
    e: {image: {repository: acme/shop, tag: v1}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {template: {spec: {containers: [{name: app, image: "ghcr.io/acme/shop:v1"}]}}}
`;

Deno.test("carriersOf() gives the places of an image, the likeliest first, a tag alone last", () => {
  const image = parseImage("ghcr.io/acme/shop:v1");
  assert.ok(image !== null);
  const keys = carriersOf(placesIn(CARRIERS), image).map(({ key }) => key);
  assert.deepEqual(keys, ["containers/app", "values/b.image", "values/e.image", "values/a.image"]);
});

Deno.test("carriersOf() knows Docker Hub's short names, and holds digests against digests", () => {
  const digest = `sha256:${"0a".repeat(32)}`;
  const places = placesIn(
    `kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: nginx:v1\n  - image: nginx@${digest}\n`,
  );
  const found = (text: string) => {
    const image = parseImage(text);
    return image === null ? [] : carriersOf(places, image).map(({ key }) => key);
  };
  assert.deepEqual(found("docker.io/library/nginx:v1"), ["containers/0"]);
  assert.deepEqual(found(`index.docker.io/library/nginx:v1@${digest}`), ["containers/0", "containers/1"]);
  assert.deepEqual(found("quay.io/nginx:v1"), []);
});

Deno.test("findPlaces() gives byte ranges, also behind what is not ASCII and within a text", () => {
  const text = "\ufeff# gr\u00fcn \u{1f426}\r\napiVersion: argoproj.io/v1alpha1\r\nkind: Application\r\nspec:\r\n" +
    '  source:\r\n    helm:\r\n      values: |\r\n        # \u00e9\r\n        image: "shop:v1" # \u00fc\r\n';
  const content = new TextEncoder().encode(text);
  const range = placesIn(text)[0]?.parts[0]?.range;
  assert.ok(range);
  assert.equal(new TextDecoder().decode(content.subarray(range.start, range.end)), '"shop:v1"');
});
