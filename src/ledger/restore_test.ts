/** Going back to an earlier release: the smallest change that does it, proved, or a refusal that says why. */
import assert from "node:assert/strict";
import type { Manifest } from "../core/catalogue.ts";
import { type Release, releaseOf, revisionOf } from "../core/release.ts";
import { parseFile } from "../spec/parse_file.ts";
import { type Restored, restoreRelease } from "./restore.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (content: Uint8Array | null) => new TextDecoder().decode(content ?? new Uint8Array());
const parse = (path: string, content: Uint8Array<ArrayBuffer>) => parseFile(path, content).manifests;

type Files = Readonly<Record<string, string>>;

/** What files declare for the Deployment in them, as the catalogue would say. */
function declared(files: Files): { release: Release; target: Manifest; configs: readonly Manifest[] } {
  const manifests = Object.entries(files).flatMap(([path, text]) => parse(path, encode(text)));
  const target = manifests.find(({ object }) => object.kind === "Deployment");
  if (target === undefined) throw new Error("no Deployment");
  const configs = manifests.filter(({ object }) => /^ConfigMap$|Secret$/.test(object.kind));
  const find = (kind: string, name: string) =>
    configs.find(({ object }) => object.kind.endsWith(kind) && object.metadata.name === name)?.object ?? null;
  const release = releaseOf("c".repeat(40), target.object, find, { scaler: null, tracking: true });
  return { release, target, configs };
}

/** Goes from what `now` declares back to what `then` declared; `original` false: the earlier commit is gone. */
function restore(
  then: Files,
  now: Files,
  options: { readonly original?: boolean; readonly wanted?: (release: Release) => Release; readonly link?: boolean } =
    {},
): { readonly restored: Restored; readonly after: Files; readonly asked: readonly string[] } {
  const wanted = (options.wanted ?? ((release: Release) => release))(declared(then).release);
  const { release: current, target, configs } = declared(now);
  const asked: string[] = [];
  const attempt = () =>
    restoreRelease({
      current,
      target,
      configs,
      wanted,
      parse,
      file: (path) => {
        const text = now[path];
        return text === undefined ? null : { path, content: encode(text), link: options.link ?? false };
      },
      original: (path) => {
        if (!asked.includes(path)) return undefined;
        return options.original === false || then[path] === undefined ? null : encode(then[path]);
      },
    });
  let restored = attempt();
  while (restored.type === "needs-original") {
    asked.push(...restored.paths);
    restored = attempt();
  }
  const edits = restored.type === "restored" ? restored.edits : [];
  const after = { ...now, ...Object.fromEntries(edits.map(({ path, content }) => [path, decode(content)])) };
  if (restored.type === "restored") assert.equal(revisionOf(declared(after).release), revisionOf(wanted));
  return { restored, after, asked };
}

/** What a refusal would put back all the same, by path. */
function nearest(restored: Restored): Files {
  const edits = restored.type === "refused" ? restored.nearest ?? [] : [];
  return Object.fromEntries(edits.map(({ path, content }) => [path, decode(content)]));
}

const DEPLOYMENT = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: prod
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
        - name: app
          image: "shop:1.0.0" # {"$imagepolicy": "flux:shop"}
          env:
            - name: COLOUR
              value: blue
          envFrom:
            - configMapRef: {name: shop-config}
  strategy:
    type: RollingUpdate
`;
const CONFIG = `apiVersion: v1
kind: ConfigMap
metadata:
  name: shop-config
  namespace: prod
data:
  mode: fast
  file: |
    # a comment
    a: 1
`;
const THEN: Files = { "apps/shop.yaml": DEPLOYMENT, "apps/config.yaml": CONFIG };

const changed = (path: string, ...changes: readonly (readonly [string, string])[]): Files => ({
  ...THEN,
  [path]: changes.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `no ${from}`);
    return text.replace(from, to);
  }, THEN[path] ?? ""),
});

const SCALARS: readonly (readonly [string, Files])[] = [
  ["image", changed("apps/shop.yaml", ["shop:1.0.0", "shop:1.1.0"])],
  ["image and environment", changed("apps/shop.yaml", ["shop:1.0.0", "shop:1.1.0"], ["value: blue", "value: green"])],
  ["config value", changed("apps/config.yaml", ["mode: fast", "mode: slow"])],
  ["both files", {
    ...changed("apps/shop.yaml", ["shop:1.0.0", "shop:2"]),
    ...{ "apps/config.yaml": CONFIG.replace("fast", "slow") },
  }],
];
for (const [what, now] of SCALARS) {
  Deno.test(`restoreRelease() writes values back, without the earlier commit: ${what}`, () => {
    const { after, asked } = restore(THEN, now);
    assert.deepEqual(after, THEN);
    assert.deepEqual(asked, []);
  });
}

Deno.test("restoreRelease() keeps what others changed meanwhile, in the same files", () => {
  const now = changed(
    "apps/shop.yaml",
    ["shop:1.0.0", "shop:1.1.0"],
    ["replicas: 2", "replicas: 5 # busy"],
    ["# The shop.", "# The shop, mended."],
  );
  const { after } = restore(THEN, now);
  assert.equal(after["apps/shop.yaml"], (now["apps/shop.yaml"] ?? "").replace("shop:1.1.0", "shop:1.0.0"));
});

Deno.test("restoreRelease() touches nothing where only what is outside the release differs", () => {
  const now = changed("apps/shop.yaml", ["replicas: 2", "replicas: 5"]);
  const { restored } = restore(THEN, now);
  assert.deepEqual(restored, { type: "restored", edits: [], touched: [] });
});

const SHAPES: readonly (readonly [string, Files])[] = [
  [
    "an entry more",
    changed("apps/shop.yaml", [
      "              value: blue\n",
      "              value: blue\n            - name: B\n              value: b\n",
    ]),
  ],
  [
    "a key less",
    changed("apps/shop.yaml", ["          env:\n            - name: COLOUR\n              value: blue\n", ""]),
  ],
  ["a block of text", changed("apps/config.yaml", ["    a: 1\n", "    a: 2\n    b: 3\n"])],
  ["a key of data more", changed("apps/config.yaml", ["  mode: fast\n", "  mode: fast\n  more: x\n"])],
];
for (const [what, now] of SHAPES) {
  Deno.test(`restoreRelease() takes what changed its shape from the earlier commit: ${what}`, () => {
    const withReplicas = {
      ...now,
      "apps/shop.yaml": (now["apps/shop.yaml"] ?? "").replace("replicas: 2", "replicas: 7"),
    };
    const { after, asked } = restore(THEN, withReplicas);
    assert.equal(after["apps/shop.yaml"], DEPLOYMENT.replace("replicas: 2", "replicas: 7"));
    assert.equal(after["apps/config.yaml"], CONFIG);
    assert.equal(asked.length, 1);
  });
  Deno.test(`restoreRelease() refuses where the earlier commit is gone: ${what}`, () => {
    const { restored } = restore(THEN, now, { original: false });
    assert.equal(restored.type, "refused");
  });
}

Deno.test("restoreRelease() takes the whole document where a field of the config came", () => {
  const now = changed("apps/config.yaml", ["\ndata:", "\nimmutable: false\ndata:"]);
  const { after } = restore(THEN, now);
  assert.deepEqual(after, THEN);
});

Deno.test("restoreRelease() refuses the whole document where more than the release changed in it", () => {
  const now = changed("apps/config.yaml", ["\ndata:", "\nimmutable: false\ndata:"], [
    "  namespace: prod\n",
    "  namespace: prod\n  labels: {a: b}\n",
  ]);
  const { restored } = restore(THEN, now);
  assert.match(restored.type === "refused" ? restored.reason : "", /^Cannot edit "apps\/config\.yaml": the shape/);
});

Deno.test("restoreRelease() edits one document of several, and leaves the others", () => {
  const other = "---\napiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: prod}\n---\n";
  const then = { "all.yaml": `${CONFIG}${other}${DEPLOYMENT}` };
  const now = { "all.yaml": `${CONFIG.replace("fast", "slow")}${other}${DEPLOYMENT.replace("1.0.0", "1.1.0")}` };
  assert.deepEqual(restore(then, now).after, then);
});

const SEALED = `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: keys
  namespace: prod
spec:
  encryptedData:
    password: AgBBBB
`;
const withSecret = (files: Files): Files => ({
  ...files,
  "apps/shop.yaml": (files["apps/shop.yaml"] ?? "").replace(
    "            - configMapRef: {name: shop-config}\n",
    "            - configMapRef: {name: shop-config}\n            - secretRef: {name: keys}\n",
  ),
});
const secretsOut = (release: Release): Release => ({
  ...release,
  configs: release.configs.map((config) => config.kind === "Secret" ? { ...config, declared: null } : config),
});

Deno.test("restoreRelease() finds an earlier SealedSecret in the earlier commit, by its digest", () => {
  const then = { ...withSecret(THEN), "apps/keys.yaml": SEALED };
  const now = { ...then, "apps/keys.yaml": SEALED.replace("AgBBBB", "AgCCCC") };
  assert.deepEqual(restore(then, now, { wanted: secretsOut }).after, then);
  const { restored } = restore(then, now, { wanted: secretsOut, original: false });
  assert.match(
    restored.type === "refused" ? restored.reason : "",
    /^Cannot restore Secret "keys": its earlier content/,
  );
});

Deno.test("restoreRelease() refuses a Secret that is encrypted with SOPS", () => {
  const sops = `apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: prod}
stringData: {a: "ENC[AES256_GCM,data:b]"}
sops: {mac: "ENC[AES256_GCM,data:c]"}
`;
  const then: Files = { ...withSecret(THEN), "apps/keys.yaml": sops };
  const now: Files = { ...then, "apps/keys.yaml": sops.replace("data:b", "data:d") };
  const { restored } = restore(then, now, { wanted: secretsOut });
  assert.match(restored.type === "refused" ? restored.reason : "", /"apps\/keys\.yaml": it is encrypted with SOPS/);
  assert.deepEqual(nearest(restored), {}, "nothing else differs");
  const bumped = { ...now, "apps/shop.yaml": (now["apps/shop.yaml"] ?? "").replace("1.0.0", "1.1.0") };
  const both = restore(then, bumped, { wanted: secretsOut }).restored;
  assert.match(both.type === "refused" ? both.reason : "", /"apps\/keys\.yaml": it is encrypted with SOPS/);
  assert.deepEqual(nearest(both), { "apps/shop.yaml": then["apps/shop.yaml"] });
});

Deno.test("restoreRelease() refuses a config that is gone, or that was not in Git before", () => {
  const { "apps/config.yaml": _config, ...without } = THEN;
  const gone = restore(THEN, without).restored;
  assert.match(gone.type === "refused" ? gone.reason : "", /"shop-config": Git no longer declares it/);
  const later = { ...without, "apps/shop.yaml": (without["apps/shop.yaml"] ?? "").replace("1.0.0", "1.1.0") };
  assert.deepEqual(nearest(restore(THEN, later).restored), { "apps/shop.yaml": THEN["apps/shop.yaml"] });
  const came = restore(without, THEN).restored;
  assert.match(came.type === "refused" ? came.reason : "", /"shop-config": it was not in Git, and now it is/);
});

const ANCHORED = changed(
  "apps/shop.yaml",
  ['image: "shop:1.0.0"', 'image: &image "shop:1.0.0"'],
  ["value: blue", "value: *image"],
)["apps/shop.yaml"] ?? "";

Deno.test("restoreRelease() writes an image at its anchor where all of its uses are the release's", () => {
  const then = { ...THEN, "apps/shop.yaml": ANCHORED };
  const { after, asked } = restore(then, { ...then, "apps/shop.yaml": ANCHORED.replace("1.0.0", "1.1.0") });
  assert.deepEqual(after, then);
  assert.deepEqual(asked, []);
});

Deno.test("restoreRelease() refuses an image that an anchor gives to a place outside the release", () => {
  const then = { ...THEN, "apps/shop.yaml": `${ANCHORED}  note: *image\n` };
  const now = { ...then, "apps/shop.yaml": then["apps/shop.yaml"].replace("1.0.0", "1.1.0") };
  const { restored } = restore(then, now);
  assert.match(restored.type === "refused" ? restored.reason : "", /the change would say more than is meant/);
});

Deno.test("restoreRelease() refuses a manifest that is a link", () => {
  const { restored } = restore(THEN, changed("apps/shop.yaml", ["1.0.0", "1.1.0"]), { link: true });
  assert.match(restored.type === "refused" ? restored.reason : "", /it is a link/);
});
