/** References by table, and parsing against writing for all of them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatImage,
  fullName,
  type ImageReference,
  isImageName,
  parseImage,
  parseTag,
  splitName,
} from "./image_reference.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;

const ROWS: readonly (readonly [string, ImageReference | null])[] = [
  ["nginx", { name: "nginx", tag: null, digest: null }],
  ["nginx:1.27", { name: "nginx", tag: "1.27", digest: null }],
  ["localhost:5001/write-metrics:dev", { name: "localhost:5001/write-metrics", tag: "dev", digest: null }],
  ["localhost:5001/write-metrics", { name: "localhost:5001/write-metrics", tag: null, digest: null }],
  ["10.42.0.1:30000/a/b:1.0.0", { name: "10.42.0.1:30000/a/b", tag: "1.0.0", digest: null }],
  ["[2001:db8::1]:5000/a:1", { name: "[2001:db8::1]:5000/a", tag: "1", digest: null }],
  [`ghcr.io/a/b@${DIGEST}`, { name: "ghcr.io/a/b", tag: null, digest: DIGEST }],
  [`ghcr.io/a/b:v1.0_x-2@${DIGEST}`, { name: "ghcr.io/a/b", tag: "v1.0_x-2", digest: DIGEST }],
  ["Registry.example/a:1", { name: "Registry.example/a", tag: "1", digest: null }],
  ["a__b/c--d.e", { name: "a__b/c--d.e", tag: null, digest: null }],
  ["", null],
  ["/proxyv2:", null],
  ["nginx:", null],
  ["nginx@sha256:25a0d4", null],
  ["nginx:1.0@", null],
  ["Nginx", null],
  ["https://ghcr.io/a/b", null],
  ["ghcr.io/a/b:${TAG}", null],
  ["$(params.image)", null],
  ["{{inputs.parameters.image}}", null],
  [`nginx:${"x".repeat(129)}`, null],
  ["a b", null],
  ["a:1 ", null],
];
for (const [text, wanted] of ROWS) {
  Deno.test(`parseImage() of "${text.slice(0, 60)}" ${wanted === null ? "is none" : "finds its parts"}`, () => {
    assert.deepEqual(parseImage(text), wanted);
    if (wanted !== null) assert.equal(formatImage(wanted), text);
  });
}

Deno.test("splitName() and fullName() know registries from paths", () => {
  assert.deepEqual(splitName("localhost/a"), { registry: "localhost", repository: "a" });
  assert.deepEqual(splitName("library/a"), { registry: null, repository: "library/a" });
  assert.deepEqual(splitName("host:1/a/b"), { registry: "host:1", repository: "a/b" });
  assert.deepEqual(splitName("a"), { registry: null, repository: "a" });
  assert.equal(fullName("nginx"), "docker.io/library/nginx");
  assert.equal(fullName("docker.io/acme/x"), fullName("acme/x"));
  assert.equal(fullName("index.docker.io/nginx"), fullName("nginx"));
  assert.equal(fullName("ghcr.io/acme/x"), "ghcr.io/acme/x");
});

const lower = fc.stringMatching(/^[a-z0-9]{1,6}(?:[._-][a-z0-9]{1,4})?$/);
const host = fc.constantFrom("ghcr.io", "localhost", "localhost:5000", "10.0.0.1:30000", "Reg.example:443", "[::1]:1");
const name = fc.tuple(fc.option(host), fc.array(lower, { minLength: 1, maxLength: 3 })).map(([registry, path]) =>
  [...(registry === null ? [] : [registry]), ...path].join("/")
);
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);

Deno.test("parseImage() gives back what formatImage() wrote, and the name keeps its parts", () => {
  fc.assert(fc.property(name, fc.option(tag), fc.option(digest), (image, version, hash) => {
    const reference = { name: image, tag: version, digest: hash };
    assert.deepEqual(parseImage(formatImage(reference)), reference);
    assert.ok(isImageName(image));
    const { registry, repository } = splitName(image);
    assert.equal(registry === null ? repository : `${registry}/${repository}`, image);
    assert.equal(fullName(fullName(image)), fullName(image));
    if (version !== null) {
      assert.deepEqual(parseTag(formatImage(reference).slice(image.length + 1)), { tag: version, digest: hash });
    }
  }));
});

Deno.test("parseImage() of any text is none, or says exactly that text", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9.:/@_-]{0,40}$/)), (text) => {
    const parsed = parseImage(text);
    if (parsed !== null) assert.equal(formatImage(parsed), text);
  }));
});
