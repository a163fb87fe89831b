/**
 * A stand-in for helm-controller in a sandbox, with a chart of its own: it reads a HelmRelease from the tip of the Git
 * server, fills values in from Secrets (`valuesFrom`), and makes a Deployment and its ConfigMap of them. As Helm does, it
 * writes by patches, only where the release changed, and takes nothing back that others wrote meanwhile.
 */
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { machineClock } from "../../adapters/platform/clock.ts";
import { canonicalJson } from "../../src/core/digest.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "../../src/core/kube_object.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";

export interface FakeHelm {
  /** Looks at Git by itself. On unless told otherwise. */
  polls: boolean;
  stop(): Promise<void>;
}

export interface FakeHelmOptions {
  readonly namespace: string;
  /** Of the HelmRelease, and of all that its chart makes. */
  readonly name: string;
  /** Where the HelmRelease stands in Git. */
  readonly file: string;
}

const TICK_MS = 100;
const MANAGER = { manager: "helm-controller" };

/** A HelmRelease as a person writes it: the repository is the chart's business. */
export function helmReleaseFile(
  { namespace, name }: Pick<FakeHelmOptions, "namespace" | "name">,
  { tag, greeting = "hello" }: { readonly tag: string; readonly greeting?: string },
): string {
  return `# Bumped by a bot.
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  chart: {spec: {chart: ./charts/shop, sourceRef: {kind: GitRepository, name: charts}}}
  interval: 1m
  valuesFrom:
    - {kind: Secret, name: ${name}-values, valuesKey: token, targetPath: token}
  values:
    greeting: ${greeting}
    image:
      tag: "${tag}" # bump here
`;
}

export function startFakeHelm(sandbox: Sandbox, options: FakeHelmOptions): FakeHelm {
  const { store } = sandbox.api;
  const { namespace, name, file } = options;
  const end = new AbortController();
  store.create({
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "charts", namespace },
    spec: { url: sandbox.git.urlOf(REPOSITORY), interval: "1m" },
  });
  const ref = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease", namespace, name };
  let written: readonly KubeObject[] = [];
  let last = "";
  let version = 0;

  async function look(): Promise<void> {
    const tip = await sandbox.git.tip(REPOSITORY);
    if (tip === undefined) return;
    const text = await sandbox.git.read(REPOSITORY, file);
    if (text === undefined) return uninstall();
    const release: unknown = parse(text);
    if (!isJsonObject(release)) return;
    const spec = objectAt(release, "spec");
    const values = filled(objectAt(spec, "values"), listAt(spec, "valuesFrom"));
    const digest = `sha256:${createHash("sha256").update(canonicalJson(values)).digest("hex")}`;
    if (digest === last) return meet();
    store.apply(object(release), { manager: "kustomize-controller", force: true });
    const wanted = chart(options, values);
    for (const one of wanted) write(one);
    written = wanted;
    last = digest;
    version += 1;
    report(digest);
  }

  function uninstall(): void {
    for (const one of [...written, { ...ref, metadata: { name, namespace } }]) {
      const { apiVersion, kind, metadata } = one;
      store.remove({ apiVersion, kind, namespace, name: metadata.name });
    }
    written = [];
  }

  function filled(values: JsonObject, sources: readonly Json[]): JsonObject {
    let all = values;
    for (const source of sources) {
      const secret = store.get({ apiVersion: "v1", kind: "Secret", namespace, name: stringAt(source, "name") ?? "" });
      const encoded = stringAt(secret, "data", stringAt(source, "valuesKey") ?? "") ?? "";
      all = { ...all, [stringAt(source, "targetPath") ?? ""]: atob(encoded) };
    }
    return all;
  }

  function write(wanted: KubeObject): void {
    const { apiVersion, kind, metadata } = wanted;
    const own = { apiVersion, kind, namespace, name: metadata.name };
    if (store.get(own) === undefined) store.create(wanted, MANAGER);
    else {
      const before = written.find((one) => one.kind === kind);
      const patch = {
        ...(wanted.spec === undefined ? {} : { spec: wanted.spec }),
        ...(wanted.data === undefined ? {} : { data: wanted.data }),
      };
      if (canonicalJson(before) !== canonicalJson(wanted)) store.patch(own, patch, MANAGER);
    }
  }

  /** A request to look again that comes to nothing new. */
  function meet(): void {
    const token = store.get(ref)?.metadata.annotations?.["reconcile.fluxcd.io/requestedAt"];
    const handled = stringAt(store.get(ref), "status", "lastHandledReconcileAt");
    if (token !== undefined && token !== handled) {
      store.patchStatus(ref, { status: { lastHandledReconcileAt: token } });
    }
  }

  function report(configDigest: string): void {
    store.patchStatus(ref, {
      status: {
        observedGeneration: store.get(ref)?.metadata.generation ?? 1,
        history: [{
          name,
          namespace,
          version,
          chartName: "shop",
          chartVersion: "1.2.3",
          configDigest,
          status: "deployed",
        }],
        conditions: [{ type: "Ready", status: "True", reason: "UpgradeSucceeded", message: `Helm upgrade ${version}` }],
      },
    });
  }

  async function run(): Promise<void> {
    while (!end.signal.aborted) {
      if (fake.polls) await look();
      await machineClock.sleep(TICK_MS, end.signal).catch(() => {});
    }
  }

  const fake: FakeHelm = {
    polls: true,
    async stop() {
      end.abort();
      await running;
    },
  };
  const running = run();
  return fake;
}

/** What the chart makes of its values: a Deployment that names its token in clear, and a ConfigMap. */
function chart({ namespace, name }: FakeHelmOptions, values: JsonObject): readonly KubeObject[] {
  const labels = {
    "app.kubernetes.io/name": name,
    "helm.toolkit.fluxcd.io/name": name,
    "helm.toolkit.fluxcd.io/namespace": namespace,
  };
  const selector = { app: name };
  const token = stringAt(values, "token") ?? "";
  const container = {
    name: "app",
    image: `registry.example/${name}:${stringAt(values, "image", "tag") ?? ""}`,
    ports: [{ name: "http", containerPort: 9898 }],
    env: [
      { name: "TOKEN", value: token },
      { name: "GREETING", valueFrom: { configMapKeyRef: { name, key: "greeting" } } },
    ],
  };
  const config = { greeting: stringAt(values, "greeting") ?? "", "token.txt": token };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels }, data: config },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: {
          metadata: { labels: selector, annotations: { "checksum/token": token } },
          spec: { containers: [container] },
        },
      },
    },
  ];
}

function object(value: JsonObject): KubeObject {
  const { apiVersion, kind, metadata, spec } = value;
  return {
    apiVersion: String(apiVersion),
    kind: String(kind),
    metadata: { ...objectAt({ metadata: metadata ?? {} }, "metadata"), name: stringAt(metadata, "name") ?? "" },
    spec: objectAt({ spec: spec ?? {} }, "spec"),
  };
}
