/** What enters a revision, and what does not. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { aConfigMap, aDeployment, aRelease, type DeploymentOptions } from "../../test/support/builders.ts";
import type { JsonObject, KubeObject } from "./kube_object.ts";
import { configNamesOf, imagesOf, podTemplateOf, revisionOf } from "./release.ts";

const mounts: JsonObject = {
  volumes: [{ name: "config", configMap: { name: "shop-config" } }, {
    name: "key",
    secret: { secretName: "shop-key" },
  }],
};
const secret = (password: string): KubeObject => ({
  ...aConfigMap({ name: "shop-key", data: { password } }),
  kind: "Secret",
  type: "Opaque",
});

function revision(
  options: DeploymentOptions = {},
  configs: readonly KubeObject[] = [aConfigMap(), secret("one")],
): string {
  return aRelease({ target: aDeployment({ podSpec: mounts, ...options }), configs }).revision;
}

/** Every key in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, part]) => [key, turned(part)]));
}

for (
  const [name, same] of [
    ["replicas", revision({ replicas: 9 })],
    ["labels of the workload itself", revision({ labels: { app: "shop", team: "checkout" } })],
    ["annotations of the workload itself", revision({ annotations: { note: "hello" } })],
    ["the strategy beside the template", revision({ spec: { progressDeadlineSeconds: 30 } })],
    [
      "a config's labels",
      revision({}, [{ ...aConfigMap(), metadata: { ...aConfigMap().metadata, labels: { a: "b" } } }, secret("one")]),
    ],
    [
      "a config that the template does not name",
      revision({}, [aConfigMap(), secret("one"), aConfigMap({ name: "other" })]),
    ],
    ["the order in which configs are declared", revision({}, [secret("one"), aConfigMap()])],
  ] as const
) {
  Deno.test(`revisionOf() ignores ${name}`, () => equal(same, revision()));
}

for (
  const [name, other] of [
    ["the image", revision({ image: "registry.example.com/shop:2.0.0" })],
    ["a label of the pods", revision({ podLabels: { tier: "front" } })],
    ["an annotation of the pods", revision({ podAnnotations: { note: "hello" } })],
    ["a container's environment", revision({ container: { env: [{ name: "A", value: "1" }] } })],
    ["a ConfigMap's content", revision({}, [aConfigMap({ data: { "shop.yaml": "colour: red" } }), secret("one")])],
    ["binaryData", revision({}, [{ ...aConfigMap(), binaryData: { blob: "AAEC" } }, secret("one")])],
    ["immutable", revision({}, [{ ...aConfigMap(), immutable: true }, secret("one")])],
    ["a Secret's content", revision({}, [aConfigMap(), secret("two")])],
    ["a config that is no longer declared", revision({}, [secret("one")])],
  ] as const
) {
  Deno.test(`revisionOf() changes with ${name}`, () => notEqual(other, revision()));
}

Deno.test("revisionOf() ignores the order of keys", () => {
  const release = aRelease({ target: aDeployment({ podSpec: mounts }), configs: [aConfigMap(), secret("one")] });
  const other = turned(release) as typeof release;
  equal(revisionOf(other), release.revision);
});

Deno.test("revisionOf() of a lock, which knows a Secret by digest only, is the release's", () => {
  const release = aRelease({ target: aDeployment({ podSpec: mounts }), configs: [aConfigMap(), secret("one")] });
  const locked = release.configs.map((config) => config.kind === "Secret" ? { ...config, declared: null } : config);
  equal(revisionOf({ ...release, configs: locked }), release.revision);
});

Deno.test("releaseOf() tracks no configs when it is told not to", () => {
  const target = aDeployment({ podSpec: mounts });
  deepEqual(aRelease({ target, configs: [aConfigMap()], tracking: false }).configs, []);
});

Deno.test("configNamesOf() finds configs wherever a pod names them, each once, optional only if every mention is", () => {
  const template = podTemplateOf(aDeployment({
    podSpec: {
      volumes: [
        { name: "a", configMap: { name: "plain" } },
        { name: "b", secret: { secretName: "key", optional: true } },
        { name: "c", projected: { sources: [{ configMap: { name: "projected" } }, { secret: { name: "token" } }] } },
      ],
      initContainers: [{
        name: "init",
        image: "busybox",
        envFrom: [{ configMapRef: { name: "init", optional: true } }],
      }],
    },
    container: {
      env: [
        { name: "A", valueFrom: { configMapKeyRef: { name: "plain", key: "a", optional: true } } },
        { name: "B", valueFrom: { secretKeyRef: { name: "key", key: "b", optional: true } } },
        { name: "C", value: "no config" },
      ],
      envFrom: [{ secretRef: { name: "all" } }],
    },
  }));
  deepEqual(configNamesOf(template), [
    { kind: "ConfigMap", name: "init", optional: true },
    { kind: "ConfigMap", name: "plain", optional: false },
    { kind: "ConfigMap", name: "projected", optional: false },
    { kind: "Secret", name: "all", optional: false },
    { kind: "Secret", name: "key", optional: true },
    { kind: "Secret", name: "token", optional: false },
  ]);
});

Deno.test("imagesOf() names every container, init containers first", () => {
  const target = aDeployment({ podSpec: { initContainers: [{ name: "init", image: "busybox:1" }] } });
  deepEqual(imagesOf(target), [
    { container: "init", image: "busybox:1" },
    { container: "app", image: "registry.example.com/shop:1.0.0" },
  ]);
});
