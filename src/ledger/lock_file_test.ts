/** The lock file: it survives a round trip, keeps what must not be in Git out, and says what is wrong with a broken one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { lockDigest } from "../core/decision.ts";
import type { Json, KubeObject } from "../core/kube_object.ts";
import { revisionOf } from "../core/release.ts";
import { REVISION_ANNOTATION } from "../core/names.ts";
import { aConfigMap, aDeployment, aRelease } from "../../test/support/builders.ts";
import { aLock } from "../../test/support/ledger_builders.ts";
import { committedLock, lockPath, parseLockFile, renderLockFile } from "./lock_file.ts";

const FROM = { canary: "apps/canary.yaml", target: "apps/shop.yaml" };

function reread(text: string) {
  const view = parseLockFile(text);
  assert.equal(view.type, "read", view.type === "broken" ? view.reason : "");
  if (view.type !== "read") throw new Error("not read");
  return view.value;
}

function withConfigs(...configs: readonly KubeObject[]) {
  const volumes = configs.map(({ kind, metadata: { name } }) =>
    kind === "ConfigMap" ? { name, configMap: { name } } : { name, secret: { secretName: name } }
  );
  return aRelease({ target: aDeployment({ podSpec: { volumes } }), configs });
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary-ascii", maxLength: 12 }),
  fc.constantFrom(
    "yes",
    "1:30",
    "0x1f",
    "010",
    "1e3",
    "null",
    "~",
    "2026-01-01",
    "<<",
    "=",
    "- a",
    "a: b",
    "#c",
    "\r\n",
    "a\n\nb\n",
    "  lead\n\ttab \n",
    "&a",
    "*a",
    "{{x}}",
    "\u2028",
    "\ufeff",
  ),
);
const key = text.filter((name) => name !== "__proto__");
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

Deno.test("renderLockFile() and parseLockFile() give back any lock that holds nothing secret", () => {
  const specs = fc.dictionary(key, json, { maxKeys: 4, noNullPrototype: true });
  fc.assert(
    fc.property(
      specs,
      fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true }),
      text,
      (spec, data, decision) => {
        const release = aRelease({
          target: { ...aDeployment({ podSpec: { volumes: [{ name: "c", configMap: { name: "shop-config" } }] } }) },
          configs: [{ ...aConfigMap(), data }],
          scaler: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "shop" }, spec },
        });
        const lock = aLock({
          release,
          decision,
          primary: { ...aDeployment({ name: "shop-primary" }), spec },
          configs: [{ ...aConfigMap({ name: "shop-config-primary-abc" }), data }],
          digests: data,
        });
        const file = reread(renderLockFile(lock, FROM));
        assert.deepEqual(file, { lock, declaredIn: FROM, configsOmitted: false });
        assert.equal(lockDigest(file.lock), lockDigest(lock));
        assert.equal(renderLockFile(file.lock, FROM), renderLockFile(lock, FROM));
      },
    ),
  );
});

Deno.test("parseLockFile() names a lock by what it holds, not by what it states", () => {
  const lock = aLock();
  const [{ image } = { image: "" }] = lock.release.images;
  const edited = reread(renderLockFile(lock, FROM).replaceAll(image, "registry.example.com/shop:9.9.9")).lock;
  assert.notEqual(edited.release.revision, lock.release.revision);
  assert.equal(edited.release.revision, revisionOf(edited.release));
  assert.equal(edited.primary.metadata.annotations?.[REVISION_ANNOTATION], edited.release.revision);
  assert.deepEqual(reread(renderLockFile(edited, FROM)).lock, edited);
});

Deno.test("renderLockFile() does not depend on the order in which keys were made", () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).reverse().map(([name, part]) => [name, reversed(part)]));
  };
  const lock = aLock({ digests: { b: "2", a: "1" } });
  assert.equal(renderLockFile(reversed(lock) as typeof lock, null), renderLockFile(lock, null));
});

Deno.test("renderLockFile() marks the file for kustomize and for Argo CD", () => {
  const rendered = renderLockFile(aLock(), FROM);
  assert.equal(rendered.split("\n")[0], "# +argocd:skip-file-rendering");
  assert.match(
    rendered,
    /^apiVersion: serin\.dev\/v1\nkind: Primary\nmetadata:\n {2}name: shop\n {2}namespace: prod$/m,
  );
  assert.match(rendered, /^ {4}config\.kubernetes\.io\/local-config: "true"$/m);
  assert.equal(lockPath("eu", { namespace: "prod", name: "shop" }), ".serin/eu/prod/shop/primary.yaml");
});

for (
  const declared of [
    { apiVersion: "v1", kind: "Secret", metadata: { name: "keys", namespace: "prod" }, data: { k: "aGlkZGVu" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "keys" }, data: { k: "ENC[hidden]" }, sops: { mac: "x" } },
  ] as readonly KubeObject[]
) {
  Deno.test(`renderLockFile() keeps a Secret out, and its digest in: ${Object.keys(declared).join(", ")}`, () => {
    const release = withConfigs(declared);
    const lock = aLock({ release, configs: [{ ...declared, metadata: { name: "keys-primary-1" } }] });
    const rendered = renderLockFile(lock, null);
    assert.doesNotMatch(rendered, /aGlkZGVu|hidden/);
    const file = reread(rendered);
    assert.equal(file.lock.release.configs[0]?.declared, null);
    assert.equal(file.lock.release.configs[0]?.digest, release.configs[0]?.digest);
    assert.equal(revisionOf(file.lock.release), release.revision);
    assert.deepEqual(file.lock.configs, []);
  });
}

Deno.test("renderLockFile() keeps the copy of an encrypted ConfigMap out", () => {
  const declared = { ...aConfigMap({ data: { a: "ENC[x]" } }), sops: { mac: "x" } } as KubeObject;
  const copy = aConfigMap({ name: "shop-config-primary-1", data: { a: "clear text" } });
  const rendered = renderLockFile(aLock({ release: withConfigs(declared), configs: [copy] }), null);
  assert.doesNotMatch(rendered, /clear text|ENC/);
  assert.equal(reread(rendered).configsOmitted, true);
});

for (const [bytes, omitted] of [[256 * 1024 - "big".length, false], [256 * 1024 - "big".length + 1, true]] as const) {
  Deno.test(`renderLockFile() with ${bytes} bytes of ConfigMap data: left out is ${omitted}`, () => {
    const declared = aConfigMap({ data: { big: "x".repeat(bytes) } });
    const lock = aLock({ release: withConfigs(declared), configs: [aConfigMap({ name: "copy" })] });
    const file = reread(renderLockFile(lock, null));
    assert.equal(file.configsOmitted, omitted);
    assert.equal(file.lock.release.configs[0]?.declared === null, omitted);
    assert.equal(file.lock.configs.length, omitted ? 0 : 1);
    assert.deepEqual(file.lock, committedLock(lock));
    assert.deepEqual(committedLock(file.lock), file.lock);
    assert.equal(revisionOf(file.lock.release), lock.release.revision);
  });
}

const BROKEN: readonly (readonly [string, (good: string) => string, RegExp])[] = [
  ["no YAML", (good) => good.replace("kind: Primary", "kind: [Primary"), /^not valid YAML: /],
  ["another kind", (good) => good.replace("kind: Primary", "kind: Status"), /^expected serin\.dev\/v1 Primary: found/],
  ["nothing", () => "", /^the file holds no object$/],
  ["no decision", (good) => good.replace(/^ {2}decision:.*\n/m, ""), /^spec\.decision must be a text: found nothing$/],
  [
    "a number for a text",
    (good) => good.replace(/uid: uid-eu/, "uid: 7"),
    /^spec\.cluster\.uid must be a text: found 7$/,
  ],
  ["conflict markers", (good) => good.replace("spec:", "<<<<<<< HEAD\nspec:"), /^not valid YAML: /],
  ["a key twice", (good) => `${good}kind: Primary\n`, /^not valid YAML: Map keys must be unique/],
];
for (const [what, breakIt, reason] of BROKEN) {
  Deno.test(`parseLockFile() says why a file is broken: ${what}`, () => {
    const view = parseLockFile(breakIt(renderLockFile(aLock(), null)));
    assert.equal(view.type, "broken");
    assert.match(view.type === "broken" ? view.reason : "", reason);
  });
}
