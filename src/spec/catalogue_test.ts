/** The catalogue from scratch and kept up to date. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Catalogue } from "../core/catalogue.ts";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { buildCatalogue, CatalogueIndex } from "./catalogue.ts";
import { type ParsedFile, parseFile } from "./parse_file.ts";

const capabilities = testCapabilities();

function file(path: string, text: string): ParsedFile {
  return parseFile(path, new TextEncoder().encode(text));
}

function canaryText(name: string, more = "", target = name): string {
  return `apiVersion: serin.dev/v1
kind: Canary
metadata: {name: ${name}, namespace: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: ${target}}
  service: {port: 80}
  analysis: {interval: 1m, threshold: 5, stepWeight: 10${more}}
`;
}

function deploymentText(name: string, image = "web:1", more = ""): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: web, image: "${image}"${more}}]}
`;
}

function build(texts: Readonly<Record<string, string>>): Catalogue {
  return buildCatalogue(
    "c1",
    new Map(Object.entries(texts).map(([path, text]) => [path, file(path, text)])),
    capabilities,
  );
}

/** A catalogue as plain values, without what cannot be compared. */
function plain(catalogue: Catalogue): unknown {
  return { ...catalogue, entries: [...catalogue.entries], manifests: new Map([...catalogue.manifests].toSorted()) };
}

Deno.test("buildCatalogue() finds target, configs and scaler over files", () => {
  const env =
    ", envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: sealed}}, {secretRef: {name: outside}}, {secretRef: {name: nowhere}}]";
  const catalogue = build({
    "canary.yaml": canaryText("web"),
    "deep/web.yaml": deploymentText("web", "web:1", env),
    "config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {a: b}\n",
    "sealed.yaml":
      "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: sealed, namespace: shop}\nspec: {}\n",
    "external.yaml":
      "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nmetadata: {name: x, namespace: shop}\nspec: {target: {name: outside}}\n",
  });
  const entry = catalogue.entries.get("shop/web");
  assert.ok(entry?.type === "canary", JSON.stringify(entry));
  assert.equal(entry.release.commit, "c1");
  assert.equal(entry.target.place.file, "deep/web.yaml");
  assert.deepEqual(entry.release.configs.map(({ name, declared }) => [name, declared?.kind ?? null]), [
    ["settings", "ConfigMap"],
    ["nowhere", null],
    ["outside", "ExternalSecret"],
    ["sealed", "SealedSecret"],
  ]);
  assert.deepEqual(entry.configs.map(({ place }) => place.file).toSorted(), [
    "config.yaml",
    "external.yaml",
    "sealed.yaml",
  ]);
  assert.equal(catalogue.manifests.size, 5);
});

Deno.test("buildCatalogue() keeps other canaries going when one is wrong", () => {
  const catalogue = build({
    "a.yaml": `${canaryText("a")}---\n${deploymentText("a")}`,
    "b.yaml": `${canaryText("b", ", banana: 1")}---\n${deploymentText("b")}`,
    "c.yaml": "apiVersion: serin.dev/v1\nkind: Canary\nmetadata: [\n",
  });
  assert.deepEqual([...catalogue.entries].map(([key, { type }]) => [key, type]), [["shop/a", "canary"], [
    "shop/b",
    "broken",
  ]]);
  assert.deepEqual(catalogue.unknownFiles, ["c.yaml"]);
  assert.deepEqual(catalogue.complaints.map(({ file, line, severity }) => [file, line, severity]), [[
    "c.yaml",
    4,
    "error",
  ]]);
});

Deno.test("CatalogueIndex reads a canary again only when something it depends on changed", () => {
  const index = new CatalogueIndex(capabilities);
  const template = (query: string): string =>
    `apiVersion: serin.dev/v1\nkind: MetricTemplate\nmetadata: {name: t, namespace: shop}\nspec: {provider: {type: prometheus, address: "http://p"}, query: ${query}}\n`;
  index.update(
    "a.yaml",
    file("a.yaml", canaryText("a", ", metrics: [{name: m, templateRef: {name: t}, thresholdRange: {max: 1}}]")),
  );
  index.update("d.yaml", file("d.yaml", deploymentText("a", "web:1", ", envFrom: [{configMapRef: {name: late}}]")));
  index.update("t.yaml", file("t.yaml", template("up")));
  const canary = (catalogue: Catalogue) => {
    const entry = catalogue.entries.get("shop/a");
    assert.ok(entry?.type === "canary", JSON.stringify(entry));
    return entry;
  };
  const first = canary(index.build("c1"));
  index.update("other.yaml", file("other.yaml", deploymentText("other")));
  const second = canary(index.build("c2"));
  assert.equal(second.canary, first.canary);
  assert.equal(second.release.commit, "c2");
  assert.equal(first.release.commit, "c1");

  index.update("t.yaml", file("t.yaml", template("down")));
  const third = canary(index.build("c3"));
  assert.notEqual(third.canary, first.canary);
  assert.equal(third.release.revision, first.release.revision);

  index.update(
    "late.yaml",
    file("late.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: shop}\ndata: {a: b}\n"),
  );
  const fourth = canary(index.build("c4"));
  assert.notEqual(fourth.release.revision, first.release.revision);

  index.update("d.yaml", null);
  assert.equal(index.build("c5").entries.get("shop/a")?.type, "broken");
  index.update("d.yaml", file("d.yaml", deploymentText("a")));
  assert.equal(index.build("c6").entries.get("shop/a")?.type, "canary");
  index.update("a.yaml", null);
  assert.equal(index.build("c7").entries.size, 0);
});

Deno.test("a catalogue is not changed by later updates", () => {
  const index = new CatalogueIndex(capabilities);
  index.update("a.yaml", file("a.yaml", `${canaryText("a")}---\n${deploymentText("a")}`));
  const before = index.build("c1");
  index.update("b.yaml", file("b.yaml", deploymentText("b")));
  index.build("c2");
  const second = index.build("c2");
  const was = plain(before);
  const wasSecond = plain(second);
  for (let step = 0; step < 1100; step++) {
    index.update(`${step}.yaml`, file(`${step}.yaml`, deploymentText(`n${step}`)));
  }
  index.update("a.yaml", null);
  index.update("b.yaml", null);
  index.build("c3");
  index.build("c4");
  assert.deepEqual(plain(before), was);
  assert.deepEqual(plain(second), wasSecond);
  assert.deepEqual([before.manifests.size, second.manifests.size], [2, 3]);
});

/** Some texts that depend on each other, so that each update can mend or break something. */
const TEXTS: readonly string[] = [
  canaryText("a"),
  canaryText("b", "", "a"),
  canaryText("a", ", banana: 1"),
  canaryText("b", ", metrics: [{name: m, templateRef: {name: t}, thresholdRange: {max: 1}}]"),
  canaryText("b", ", alerts: [{name: x, providerRef: {name: p}}]"),
  deploymentText("a"),
  deploymentText("b", "web:2", ", envFrom: [{configMapRef: {name: c}}]"),
  `${deploymentText("a")}---\n${deploymentText("b")}`,
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n",
  "apiVersion: serin.dev/v1\nkind: MetricTemplate\nmetadata: {name: t, namespace: shop}\nspec: {provider: {type: web}, query: up}\n",
  "apiVersion: serin.dev/v1\nkind: MetricTemplate\nmetadata: {name: t, namespace: shop}\nspec: {}\n",
  'apiVersion: flagger.app/v1beta1\nkind: AlertProvider\nmetadata: {name: p, namespace: shop}\nspec: {type: slack, address: "http://x"}\n',
  deploymentText("a").replace("namespace: shop}", "namespace: shop, annotations: {serin.dev/canary: none}}"),
  "apiVersion: serin.dev/v1\nkind: Canary\nmetadata: {name: a}\n",
  "apiVersion: serin.dev/v1\nkind: [\n",
  "nothing",
];

Deno.test("CatalogueIndex says after any updates what a build from scratch says", () => {
  const step = fc.record({
    path: fc.constantFrom("1.yaml", "2.yaml", "3.yaml", "4.yaml", "5.yaml"),
    text: fc.option(fc.constantFrom(...TEXTS)),
    build: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const index = new CatalogueIndex(capabilities);
      const files = new Map<string, ParsedFile>();
      for (const { path, text, build } of steps) {
        const parsed = text === null ? null : file(path, text);
        index.update(path, parsed);
        if (parsed === null) files.delete(path);
        else files.set(path, parsed);
        if (build) index.build("c0");
      }
      const sorted = new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
      assert.deepEqual(plain(index.build("c1")), plain(buildCatalogue("c1", sorted, capabilities)));
    }),
    { numRuns: 300 },
  );
});

Deno.test("an engine's object that changes what a canary's folder declares is warned of, at its own place", () => {
  const flux = (spec: string) =>
    `apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux}\nspec: ${spec}\n`;
  const index = new CatalogueIndex(capabilities);
  const put = (path: string, text: string | null) => index.update(path, text === null ? null : file(path, text));
  const warned = () => {
    const entry = index.build("c1").entries.get("shop/web");
    if (entry?.type !== "canary") throw new Error("the canary is broken");
    return entry.warnings.map(({ file, line, field, message }) => `${file}:${line} ${field}: ${message}`);
  };
  put("apps/web/canary.yaml", canaryText("web"));
  put("apps/web/web.yaml", deploymentText("web"));
  assert.deepEqual(warned(), []);
  put("clusters/eu.yaml", flux('{path: ./apps, images: [{name: web, newTag: "2"}]}'));
  const why =
    'clusters/eu.yaml:1 spec.images[0]: Kustomization "apps" changes Deployment "web" here, and that is not read';
  assert.deepEqual(warned(), [why]);
  put("clusters/eu.yaml", flux('{path: ./other, images: [{name: web, newTag: "2"}]}'));
  assert.deepEqual(warned(), []);
  put("clusters/eu.yaml", flux('{path: ./apps/web, images: [{name: web, newTag: "1"}]}'));
  assert.deepEqual(warned(), []);
  put("clusters/us.yaml", flux("{path: ./apps, postBuild: {substitute: {TAG: a}}}"));
  put("apps/web/web.yaml", deploymentText("web", "web:${TAG}"));
  assert.deepEqual(warned(), [
    'clusters/us.yaml:1 spec.postBuild: Kustomization "apps" changes Deployment "web" here, and that is not read',
  ]);
  put("clusters/us.yaml", null);
  assert.deepEqual(warned(), []);
});
