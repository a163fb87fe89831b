/** What every target kind must do, run over the table; and what is peculiar to Deployments and derived Services. */
import assert from "node:assert/strict";
import { services, workloadFor, workloads } from "../../adapters/workloads/mod.ts";
import { digestOf } from "../../src/core/digest.ts";
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from "../../src/core/kube_object.ts";
import { configNamesOf, podTemplateOf } from "../../src/core/release.ts";
import { NO_WORKLOAD } from "../../src/core/workload.ts";
import { ForeignError, InvalidSpecError } from "../../src/errors.ts";
import { aCanary, aConfigMap, aDeployment, aRelease, type DeploymentOptions, frozen } from "../support/builders.ts";
import { adapterFiles } from "../support/adapter_files.ts";

const NO_SECRETS = new Map<string, { readonly object: KubeObject; readonly suffix: string }>();
const canary = frozen(aCanary());
const withConfig: DeploymentOptions = {
  podSpec: { volumes: [{ name: "config", configMap: { name: "shop-config" } }] },
};

for (const adapter of workloads.values()) {
  const declared = (options: DeploymentOptions = {}): KubeObject =>
    frozen({ ...aDeployment(options), apiVersion: adapter.apiVersion, kind: adapter.kind });

  Deno.test(`${adapter.id} makes the same primary twice, changes no input, and shares no config`, () => {
    const release = frozen(aRelease({ target: declared({ ...withConfig, replicas: 3 }), configs: [aConfigMap()] }));
    const parts = adapter.primary(canary, release, NO_SECRETS);
    assert.deepEqual(parts, adapter.primary(canary, release, NO_SECRETS));
    assert.equal(parts.workload.metadata.name, "shop-primary");
    assert.equal(objectAt(parts.workload, "spec")["replicas"], undefined);
    assert.equal(parts.workload.metadata.ownerReferences, undefined);
    const names = configNamesOf(podTemplateOf(parts.workload)).map(({ name }) => name);
    assert.deepEqual(names, parts.configs.map(({ metadata }) => metadata.name));
    assert.ok(parts.configs.every(({ immutable }) => immutable === true));
    assert.notDeepEqual(objectAt(parts.workload, "spec", "selector"), objectAt(release.target, "spec", "selector"));
  });

  Deno.test(`${adapter.id} names copies by content: another content is another object, the same is the same`, () => {
    const nameOf = (data: Readonly<Record<string, string>>): string => {
      const release = aRelease({ target: declared(withConfig), configs: [aConfigMap({ data })] });
      return adapter.primary(canary, release, NO_SECRETS).configs[0]?.metadata.name ?? "";
    };
    assert.equal(nameOf({ a: "1", b: "2" }), nameOf({ b: "2", a: "1" }));
    assert.notEqual(nameOf({ a: "1" }), nameOf({ a: "2" }));
    assert.match(nameOf({ a: "1" }), /^shop-config-primary-[0-9a-f]{10}$/);
  });

  Deno.test(`${adapter.id} carries no engine's ownership and says its revision`, () => {
    const labels = {
      app: "shop",
      "kustomize.toolkit.fluxcd.io/name": "apps",
      "app.kubernetes.io/instance": "shop",
      "argocd.argoproj.io/instance": "shop",
      "helm.sh/chart": "shop-1",
    };
    const annotations = { "argocd.argoproj.io/tracking-id": "x", "meta.helm.sh/release-name": "x", note: "kept" };
    const release = aRelease({
      target: declared({ labels, annotations, podLabels: labels, podAnnotations: annotations }),
    });
    const { workload } = adapter.primary(canary, release, NO_SECRETS);
    assert.deepEqual(workload.metadata.labels, {
      app: "shop-primary",
      "app.kubernetes.io/managed-by": "serin",
      "serin.dev/canary-name": "shop",
    });
    assert.deepEqual(workload.metadata.annotations, { note: "kept", "serin.dev/revision": release.revision });
    const pod = objectAt(podTemplateOf(workload), "metadata");
    assert.equal(stringAt(pod, "annotations", "serin.dev/revision"), release.revision);
    assert.deepEqual(Object.keys(objectAt(pod, "labels")), ["app", "app.kubernetes.io/instance", "helm.sh/chart"]);
  });

  Deno.test(`${adapter.id} applies the target without replicas, status or what a server adds`, () => {
    const live = { ...declared({ replicas: 3 }), status: { replicas: 3 } };
    const target = adapter.target(
      canary,
      aRelease({ target: { ...live, metadata: { ...live.metadata, uid: "1", resourceVersion: "2" } } }),
    );
    assert.deepEqual(Object.keys(target), ["apiVersion", "kind", "metadata", "spec"]);
    assert.equal(objectAt(target, "spec")["replicas"], undefined);
    assert.deepEqual([target.metadata.uid, target.metadata.resourceVersion], [undefined, undefined]);
    assert.equal(adapter.replicas(live), 3);
    assert.equal(adapter.replicas(declared()), null);
  });

  Deno.test(`${adapter.id} finds no difference between a live target and its primary, and names one that there is`, () => {
    const secret: KubeObject = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "token" },
      type: "Opaque",
      data: { a: "YQ==" },
    };
    const options: DeploymentOptions = {
      podSpec: {
        ...withConfig.podSpec,
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [{
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: { app: "shop" } },
            }],
          },
        },
      },
      container: { env: [{ name: "A", value: "secret" }], envFrom: [{ secretRef: { name: "token" } }] },
      podAnnotations: { "kubectl.kubernetes.io/restartedAt": "now", "kustomize.toolkit.fluxcd.io/x": "y" },
    };
    const release = aRelease({ target: declared(options), configs: [aConfigMap()] });
    const secrets = new Map([["token", { object: secret, suffix: "ab12" }]]);
    const { workload } = adapter.primary(canary, release, secrets);
    assert.equal(stringAt(configNamesOf(podTemplateOf(workload))[1], "name"), "token-primary-ab12");
    assert.equal(adapter.difference(canary, declared(options), frozen(workload)), null);
    const restarted = declared({ ...options, podAnnotations: { "kubectl.kubernetes.io/restartedAt": "later" } });
    assert.equal(adapter.difference(canary, restarted, workload), null);

    const rows: readonly (readonly [DeploymentOptions, RegExp])[] = [
      [
        { ...options, image: "registry.example.com/shop:2" },
        /^spec\.containers\[app\]\.image: live "registry.*:2", primary "registry.*:1\.0\.0"$/,
      ],
      [
        { ...options, container: { ...options.container, env: [{ name: "A", value: "other" }] } },
        /^spec\.containers\[app\]\.env\[A\]\.value: live has another value, primary has another value$/,
      ],
      [{ ...options, podLabels: { extra: "1" } }, /^metadata\.labels\.extra: only the live target has it$/],
      [{ ...options, podSpec: { ...options.podSpec, hostPID: true } }, /^spec\.hostPID: only the live target has it$/],
    ];
    for (const [changed, message] of rows) {
      const found = adapter.difference(canary, declared(changed), workload) ?? "";
      assert.match(found, message);
      assert.ok(!found.includes("secret"), "values of variables are not shown");
    }
  });

  Deno.test(`${adapter.id} names the field manager of a difference, and leaves out what is to be ignored`, () => {
    const target = declared();
    const { workload } = adapter.primary(canary, aRelease({ target }), NO_SECRETS);
    const live: KubeObject = {
      ...declared({ container: { imagePullPolicy: "Always" } }),
      metadata: {
        ...target.metadata,
        managedFields: [
          {
            manager: "kubectl",
            fieldsV1: {
              "f:spec": { "f:template": { "f:spec": { "f:containers": { 'k:{"name":"app"}': { "f:image": {} } } } } },
            },
          },
          {
            manager: "injector",
            fieldsV1: {
              "f:spec": {
                "f:template": { "f:spec": { "f:containers": { 'k:{"name":"app"}': { "f:imagePullPolicy": {} } } } },
              },
            },
          },
        ],
      },
    };
    assert.equal(
      adapter.difference(canary, live, workload),
      'spec.containers[app].imagePullPolicy: only the live target has it (written by "injector")',
    );
    const ignoring = aCanary({ promotion: { ignoreTemplateFields: ["spec.containers[*].imagePullPolicy"] } });
    assert.equal(adapter.difference(ignoring, live, workload), null);
  });

  Deno.test(`${adapter.id} refuses a target whose copy cannot live beside it`, () => {
    const shared = { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] };
    const readOnly = { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data", readOnly: true } }] };
    const rows: readonly (readonly [DeploymentOptions, RegExp | null])[] = [
      [{}, null],
      [{ podSpec: { hostNetwork: true } }, /hostNetwork/],
      [{ container: { ports: [{ containerPort: 80, hostPort: 80 }] } }, /hostPort 80/],
      [{ podSpec: shared }, /volume "data"/],
      [{ podSpec: readOnly }, null],
      [{ spec: { selector: { matchLabels: { tier: "front" } } } }, /matchLabels/],
    ];
    for (const [options, message] of rows) {
      const found = adapter.refusal(canary, declared(options));
      if (message === null) assert.equal(found, null);
      else assert.match(found ?? "", message);
    }
    const allowed = aCanary({ promotion: { allowSharedState: ["data"] } });
    assert.equal(adapter.refusal(allowed, declared({ podSpec: shared })), null);
  });

  Deno.test(`${adapter.id} reads what is not there as nothing`, () => {
    assert.deepEqual(adapter.read(undefined), NO_WORKLOAD);
  });
}

Deno.test("the table of target kinds equals its folder", () => {
  const kinds = [...workloads.values()].map(({ kind }) => kind.toLowerCase()).sort();
  // services.ts derives Services for every kind, and is no row.
  assert.deepEqual(kinds, adapterFiles("workloads", ["services"]));
  assert.deepEqual([...workloads.keys()], [...workloads.values()].map(({ id }) => id));
  assert.throws(() => workloadFor({ apiVersion: "batch/v1", kind: "Job" }), InvalidSpecError);
});

Deno.test("read() of a Deployment is never too hopeful", () => {
  const adapter = workloadFor({ apiVersion: "apps/v1", kind: "Deployment" });
  const live = (status: JsonObject, spec: JsonObject = {}): KubeObject => ({
    ...aDeployment({ replicas: 4, spec, podAnnotations: { "serin.dev/revision": "abc" } }),
    metadata: { name: "shop", generation: 2 },
    status,
  });
  const done = { observedGeneration: 2, replicas: 4, updatedReplicas: 4, availableReplicas: 4 };
  const deadline = {
    conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "timed out" }],
  };
  const read = (status: JsonObject, spec?: JsonObject) => adapter.read(live(status, spec));
  const view = read(done);
  assert.deepEqual([view.ready, view.updated, view.available, view.old, view.observed], [4, 4, 4, 0, true]);
  assert.equal(view.templateDigest, digestOf(podTemplateOf(live(done))));
  assert.equal(view.revision, "abc");
  const rolling = read({ ...done, replicas: 5, updatedReplicas: 2, availableReplicas: 4 });
  assert.deepEqual([rolling.ready, rolling.updated, rolling.available, rolling.old], [1, 2, 4, 3]);
  assert.equal(read({ ...done, observedGeneration: 1 }).observed, false);
  assert.match(read({ ...done, ...deadline }).failed ?? "", /exceeded its progress deadline: timed out/);
  assert.equal(
    read({ ...done, ...deadline, observedGeneration: 1 }).failed,
    null,
    "the verdict is on an older generation",
  );
  assert.equal(read(done, { paused: true }).paused, true);
  assert.equal(read({}).ready, 0);
});

const target = frozen(aDeployment());

Deno.test("services() writes nothing when all is as wanted, whatever a server or person added", () => {
  const wanted = services(canary, { apexSelects: "primary", target, live: [] });
  assert.deepEqual(wanted.map(({ metadata }) => metadata.name), ["shop-canary", "shop-primary", "shop"]);
  const live = frozen(wanted.map((service): KubeObject => ({
    ...service,
    metadata: { ...service.metadata, labels: { ...service.metadata.labels, by: "hand" }, resourceVersion: "5" },
    spec: {
      ...service.spec,
      clusterIP: "10.0.0.1",
      ports: listAt(service, "spec", "ports").map((port) => ({ ...objectAt(port), nodePort: 30_000 })),
    },
  })));
  assert.deepEqual(services(canary, { apexSelects: "primary", target, live }), []);
  const moved = services(canary, { apexSelects: "target", target, live });
  assert.deepEqual(moved.map(({ metadata, spec }) => [metadata.name, spec?.["selector"]]), [["shop", { app: "shop" }]]);
});

Deno.test("services() takes a user's apex, but no Service of another canary and none under a derived name", () => {
  const foreign = (name: string, metadata: Partial<KubeObject["metadata"]> = {}): KubeObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "prod", ...metadata },
    spec: { selector: { app: "shop" }, ports: [] },
  });
  const owner = { ownerReferences: [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "other", uid: "1" }] };
  const made = (live: KubeObject) => () => services(canary, { apexSelects: "primary", target, live: [frozen(live)] });
  assert.equal(made(foreign("shop"))().length, 3);
  assert.throws(made(foreign("shop", owner)), ForeignError);
  assert.throws(made(foreign("shop-primary")), ForeignError);
  assert.equal(made(foreign("shop-primary", { annotations: { "serin.dev/adopt": "true" } }))().length, 3);
});
