/**
 * The whole sandbox: an embedded cluster with its controllers, pods that are real HTTP servers, a mesh that carries
 * real requests, a metrics server, a Git server and a load tester, all on loopback. It knows no agent.
 */
import type { KubeObject } from "../core/kube_object.ts";
import type { Clock } from "../ports/clock.ts";
import { type SandboxApi, startSandboxApi } from "./api/server.ts";
import { createAppRuntime } from "./apps/app_runtime.ts";
import type { Behaviour } from "./apps/behaviour.ts";
import { type Controllers, startControllers } from "./controllers/mod.ts";
import { type GitServer, startGitServer } from "./git/git_server.ts";
import { type LoadTester, startLoadTester } from "./loadtester/load_tester.ts";
import { type Mesh, startMesh } from "./mesh/mesh.ts";
import { type MetricsServer, startMetricsServer } from "./metrics/metrics_server.ts";
import { podTargets } from "./metrics/pod_targets.ts";
import type { ObjectSource } from "./object_source.ts";

export interface SandboxOptions {
  readonly clock: Clock;
  /** Folder for the repositories. */
  readonly dir: string;
  /** How images behave; by the words in their tags unless told otherwise. */
  readonly behaviourOf?: (image: string) => Behaviour;
  /** Between scrapes; 1 s unless told otherwise. */
  readonly scrapeMs?: number;
  /** Wanted of every request to the API server as a bearer token when given. */
  readonly token?: string;
  /** Kinds that are not installed, as "group/Kind". */
  readonly without?: readonly string[];
  readonly gitAuth?: { readonly username: string; readonly password: string };
}

export interface Sandbox {
  readonly api: SandboxApi;
  readonly mesh: Mesh;
  readonly metrics: MetricsServer;
  readonly git: GitServer;
  readonly loadTester: LoadTester;
  /** What the Gateway API controller says of routes. */
  readonly gateway: Controllers["gateway"];
  stop(): Promise<void>;
}

export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { clock } = options;
  const api = await startSandboxApi({
    clock,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.without === undefined ? {} : { without: options.without }),
  });
  const runtime = createAppRuntime({
    clock,
    ...(options.behaviourOf === undefined ? {} : { behaviourOf: options.behaviourOf }),
  });
  const controllers = startControllers({ api, clock, runtime });
  const objects = objectsOf(api);
  const mesh = startMesh({ objects, addressOf: runtime.addressOf, clock });
  const metrics = startMetricsServer({
    clock,
    intervalMs: options.scrapeMs ?? 1000,
    targets: () => [...podTargets(objects, runtime.addressOf), { url: mesh.metricsUrl, labels: { job: "mesh" } }],
  });
  const git = startGitServer({
    dir: options.dir,
    clock,
    ...(options.gitAuth === undefined ? {} : { auth: options.gitAuth }),
  });
  const loadTester = startLoadTester();
  return {
    api,
    mesh,
    metrics,
    git,
    loadTester,
    gateway: controllers.gateway,
    async stop() {
      await controllers.stop();
      await runtime.stopAll();
      await Promise.all([mesh.stop(), metrics.stop(), git.stop(), loadTester.stop()]);
      await api.stop();
    },
  };
}

/** The API's store as the mesh reads it: a kind that is not served has no objects. */
function objectsOf(api: SandboxApi): ObjectSource {
  const served = new Set(
    api.cluster.kinds.flatMap((kind) => kind.versions.map((version) => `${kind.group}/${version}/${kind.kind}`)),
  );
  return {
    list(apiVersion, kind, namespace) {
      const full = apiVersion.includes("/") ? apiVersion : `/${apiVersion}`;
      return served.has(`${full}/${kind}`) ? api.store.list(apiVersion, kind, namespace) : [];
    },
    onChange: (listener) => api.store.watch(() => listener()),
  };
}

/** A namespace and a Gateway, as somebody else than the agent makes them. */
export function clusterObjects(namespace: string, gateway: string): readonly KubeObject[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: gateway, namespace },
      spec: { gatewayClassName: "sandbox", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
    },
  ];
}
