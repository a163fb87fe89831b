/** What is installed: manifests that parse, roles without wildcards, one manifest that is current, examples that work. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { engines, fluxSourceOf } from "../../adapters/engines/mod.ts";
import { render } from "../../deploy/render.ts";
import { capabilitiesOf } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { at, type KubeObject, listAt, type ObjectRef, stringAt } from "../../src/core/kube_object.ts";
import { crds } from "../../src/spec/crds.ts";
import { buildCatalogue } from "../../src/spec/catalogue.ts";
import { parseFile } from "../../src/spec/parse_file.ts";
import { flagsOfDeployment } from "../support/agent_process.ts";
import { allowing, type Attributes, attributesOf, grantsTo, objectsIn, rightOf, rightsOf } from "../support/rbac.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const ACCOUNT = { namespace: "serin", name: "serin" };

/** Texts of the manifests below a folder, by path. */
async function manifests(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for await (const entry of Deno.readDir(new URL(folder, DEPLOY))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) { for (const [inner, text] of await manifests(`${path}/`)) found.set(inner, text); }
    else if (path.endsWith(".yaml")) found.set(path, await Deno.readTextFile(new URL(path, DEPLOY)));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function objectsOf(path: string): Promise<readonly KubeObject[]> {
  return objectsIn(await Deno.readTextFile(new URL(path, DEPLOY)));
}

Deno.test("every manifest under deploy/ holds Kubernetes objects, read alike by both YAML versions", async () => {
  for (const folder of ["base/", "rbac/", "crds/", "examples/"]) {
    for (const [path, text] of await manifests(folder)) {
      ok(objectsIn(text).length > 0, path);
      const read = (version: "1.1" | "1.2") => parseAllDocuments(text, { version }).map((document) => document.toJS());
      deepStrictEqual(read("1.1"), read("1.2"), path);
    }
  }
});

Deno.test("no role has a wildcard, and every role is bound to the agent's service account", async () => {
  for (const [path, text] of await manifests("rbac/")) {
    const objects = objectsIn(text);
    const rules = objects.flatMap((object) => listAt(object, "rules"));
    ok(rules.length > 0, path);
    strictEqual(JSON.stringify(rules).includes("*"), false, path);
    strictEqual(grantsTo(ACCOUNT, objects).length, rules.length, `${path}: a role is not bound`);
  }
});

Deno.test("deploy/install.yaml is what deploy/render.ts makes", async () => {
  const want = await render(DEPLOY, { namespaces: [], parts: [] });
  const file = new URL("install.yaml", DEPLOY);
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(file, want);
  strictEqual(await Deno.readTextFile(file), want, "Run deno task test:update");
  const objects = objectsIn(want);
  const specs = (found: readonly unknown[]): ReadonlyMap<string, unknown> =>
    new Map(found.map((crd) => [stringAt(crd, "metadata", "name") ?? "", at(crd, "spec")] as const).toSorted());
  deepStrictEqual(
    specs(objects.filter(({ kind }) => kind === "CustomResourceDefinition")),
    specs([...crds()].map(([, crd]) => crd).filter((crd) => stringAt(crd, "spec", "group") === "serin.dev")),
  );
  const kinds = objects.map(({ kind }) => kind);
  ok(!kinds.includes("Secret") && !kinds.includes("ConfigMap"), "what people edit is never overwritten");
});

Deno.test("an installation for some namespaces has no cluster-wide right but to name the cluster", async () => {
  const text = await render(DEPLOY, { namespaces: ["shop", "billing"], parts: ["router_gatewayapi", "secrets_copy"] });
  const objects = objectsIn(text);
  const grants = grantsTo(ACCOUNT, objects);
  const wide = grants.filter(({ namespace }) => namespace === null);
  deepStrictEqual(wide.map(({ verbs, resources, resourceNames }) => ({ verbs, resources, resourceNames })), [
    { verbs: ["get"], resources: ["namespaces"], resourceNames: ["kube-system"] },
  ]);
  const may = (method: string, path: string): boolean => {
    const asked = attributesOf(method, path);
    return asked !== null && allowing(grants, asked).length > 0;
  };
  const deployments = "/apis/apps/v1/namespaces/shop/deployments";
  ok(may("GET", deployments) && may("PATCH", `${deployments}/web`) && may("PATCH", `${deployments}/web/scale`));
  ok(may("GET", "/apis/gateway.networking.k8s.io/v1/namespaces/billing/httproutes?watch=true"));
  ok(may("GET", "/api/v1/namespaces/kube-system"));
  ok(!may("GET", "/api/v1/namespaces/shop"));
  ok(!may("GET", "/apis/apps/v1/deployments"), "all namespaces at once");
  ok(!may("GET", "/apis/apps/v1/namespaces/other/deployments"));
  ok(may("GET", "/api/v1/namespaces/shop/secrets/login"));
  ok(!may("GET", "/api/v1/secrets"), "Secrets of all namespaces at once");
  ok(!may("PUT", "/api/v1/namespaces/shop/secrets/login"));
});

Deno.test("an installation in a namespace of another name has everything there, and nothing elsewhere", async () => {
  const own = "delivery";
  const options = { namespaces: ["shop"], parts: ["router_gatewayapi", "secrets_copy", "engine_flux"], own };
  const objects = objectsIn(await render(DEPLOY, options));
  deepStrictEqual(objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name), [own]);
  const places = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []));
  deepStrictEqual([...places].sort(), [own, "flux-system", "shop"]);
  const grants = grantsTo({ namespace: own, name: "serin" }, objects);
  const rules = objects.flatMap((object) => listAt(object, "rules"));
  strictEqual(grants.length, rules.length, "a role is not bound");
  deepStrictEqual(grantsTo(ACCOUNT, objects), []);
  const lease = attributesOf("PUT", `/apis/coordination.k8s.io/v1/namespaces/${own}/leases/serin`);
  ok(lease !== null && allowing(grants, lease).length > 0);
  const usual = await render(DEPLOY, { namespaces: [], parts: [], own: "serin" });
  strictEqual(usual, await render(DEPLOY, { namespaces: [], parts: [] }));
});

/** Plurals of engine objects. */
const PLURALS: Readonly<Record<string, string>> = {
  Kustomization: "kustomizations",
  HelmRelease: "helmreleases",
  GitRepository: "gitrepositories",
  OCIRepository: "ocirepositories",
  HelmRepository: "helmrepositories",
  Bucket: "buckets",
  Application: "applications",
};

/** Targets as the engines leave them, with the kinds of sources that each may take its commits from. */
const ENGINE_CASES = [
  {
    file: "engine_flux",
    labels: { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" },
    annotations: {},
    sources: ["GitRepository", "OCIRepository", "Bucket"],
  },
  {
    file: "engine_flux",
    labels: { "helm.toolkit.fluxcd.io/name": "apps", "helm.toolkit.fluxcd.io/namespace": "flux-system" },
    annotations: {},
    sources: ["HelmRepository", "GitRepository", "Bucket"],
  },
  {
    file: "engine_argocd",
    labels: {},
    annotations: { "argocd.argoproj.io/tracking-id": "apps:apps/Deployment:shop/web" },
    sources: [],
  },
] as const;

function ownerWith(ref: ObjectRef, sourceKind: string): KubeObject {
  const sourceRef = { kind: sourceKind, name: "fleet" };
  const spec = ref.kind === "HelmRelease" ? { chart: { spec: { sourceRef } } } : { sourceRef };
  return { apiVersion: ref.apiVersion, kind: ref.kind, metadata: { name: ref.name, namespace: "flux-system" }, spec };
}

Deno.test("the engines' roles allow what the shell asks of engine objects, and nothing else", async () => {
  const used = new Map<string, Set<string>>();
  for (const { file, labels, annotations, sources } of ENGINE_CASES) {
    const grants = grantsTo(ACCOUNT, await objectsOf(`rbac/${file}.yaml`));
    const need = (verb: string, { apiVersion, kind, namespace, name }: ObjectRef): void => {
      const group = apiVersion.slice(0, apiVersion.indexOf("/"));
      const one = verb === "patch" ? name : null;
      const asked: Attributes = { verb, group, resource: PLURALS[kind] ?? "", namespace: namespace ?? null, name: one };
      const found = allowing(grants, asked);
      ok(found.length > 0, `${file} does not allow ${verb} ${kind}`);
      const rights = used.get(file) ?? new Set<string>();
      for (const grant of found) rights.add(rightOf(grant, asked));
      used.set(file, rights);
    };
    const target = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", labels, annotations } };
    const engine = [...engines.values()].find((row) => row.owner(target) !== null);
    const owners = engine?.owner(target) ?? [];
    ok(engine !== undefined && owners.length > 0);
    for (const owner of owners) {
      need("list", owner);
      need("watch", owner);
      const refs = sources.flatMap((kind) => fluxSourceOf(ownerWith(owner, kind)) ?? []);
      for (const { ref } of engine.refresh([owner, ...refs], "token")) need("patch", ref);
    }
  }
  for (const [file, rights] of used) {
    const grants = grantsTo(ACCOUNT, await objectsOf(`rbac/${file}.yaml`));
    deepStrictEqual(rightsOf(grants).filter((right) => !rights.has(right)), [], file);
  }
});

Deno.test("the Deployment runs without a right in the kernel or the file system that it does not need", async () => {
  const [deployment] = await objectsOf("base/deployment.yaml");
  const pod = at(deployment, "spec", "template", "spec");
  const container = at(pod, "containers", 0);
  strictEqual(at(pod, "securityContext", "runAsNonRoot"), true);
  strictEqual(stringAt(pod, "securityContext", "seccompProfile", "type"), "RuntimeDefault");
  deepStrictEqual(at(container, "securityContext"), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  const flags = await flagsOfDeployment();
  const names = flags.map((flag) => flag.split("=")[0]);
  deepStrictEqual(names, [
    "run",
    "--no-prompt",
    "--frozen",
    "--cached-only",
    "--v8-flags",
    "--allow-net",
    "--allow-read",
    "--allow-env",
    "--ignore-env",
  ]);
  ok(flags.every((flag) => !flag.startsWith("--allow-") || flag.includes("=")), "no permission is given whole");
});

Deno.test("the example configuration is valid, and its hosts are those that are allowed", async () => {
  const [map] = await objectsOf("base/config.example.yaml");
  const text = stringAt(map, "data", "serin.yaml") ?? "";
  const { config, complaints } = loadConfig({ text, file: "serin.yaml", flags: new Map(), env: {} });
  deepStrictEqual(complaints, []);
  const port = (url: URL): string => (url.port === "" ? "443" : url.port);
  const hosts = [config?.sources[0]?.url ?? "", config?.metricsServer ?? ""].map((url) => new URL(url));
  strictEqual(stringAt(map, "data", "allowed-hosts"), hosts.map((url) => `${url.hostname}:${port(url)}`).join(","));
});

for (const engine of ["flux", "argocd"]) {
  Deno.test(`the example for ${engine} is a catalogue without a complaint`, async () => {
    const texts = await manifests(`examples/${engine}/`);
    const parsed = [...texts].map(([path, text]) => [path, parseFile(path, new TextEncoder().encode(text))] as const);
    const capabilities = capabilitiesOf({
      provider: "gatewayapi:v1",
      metricsServer: "http://prometheus.monitoring:9090",
      profiles: new Map(),
    });
    const catalogue = buildCatalogue("c1", new Map(parsed), capabilities);
    deepStrictEqual(catalogue.complaints, []);
    const entries = [...catalogue.entries.values()];
    deepStrictEqual(entries.map((entry) => entry.type === "canary" ? entry.warnings : entry.complaints), [[]]);
    // What an engine would scale back is not declared, and what the agent makes is not in Git.
    const objects = [...texts.values()].flatMap(objectsIn);
    const deployments = objects.filter(({ kind }) => kind === "Deployment");
    ok(deployments.length === 1 && at(deployments[0], "spec", "replicas") === undefined);
    ok(!objects.some(({ kind }) => kind === "Service" || kind === "HTTPRoute"));
  });
}
