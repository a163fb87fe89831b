/** Argo CD: its real repo-server and application-controller, redis, and one Application over the whole repository. */
import { type JsonObject, type KubeObject, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import { callApi } from "../../wire/api_case.ts";
import { objectsIn } from "../../support/rbac.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import type { ControlPlane } from "./control_plane.ts";

export const ARGOCD_NAMESPACE = "argocd";
const APPLICATION = "fleet";
const pathOf = (application: string): string =>
  `/apis/argoproj.io/v1alpha1/namespaces/${ARGOCD_NAMESPACE}/applications/${application}`;
const REDIS = { host: "127.0.0.1", port: 16379 };
const REPO_SERVER = { host: "127.0.0.1", port: 18281, metrics: 18284 };
const CONTROLLER_METRICS = 18082;

export interface ArgoCd {
  /** An Application as it is now; the one of the whole repository unless named. */
  application(name?: string): Promise<JsonObject>;
  /** What a forge's webhook does: look now, past the cache. */
  refresh(name?: string): Promise<void>;
  annotate(annotations: JsonObject): Promise<void>;
  /** Changes an Application's spec. */
  patch(spec: JsonObject, name: string): Promise<void>;
  /** Kills the application-controller and starts it again. */
  restart(): Promise<void>;
}

export async function argocdKinds(programs: ReadonlyMap<string, string>): Promise<readonly KubeObject[]> {
  const files = ["application-crd.yaml", "applicationset-crd.yaml", "appproject-crd.yaml"];
  const texts = await Promise.all(files.map((name) => Deno.readTextFile(programs.get(name) ?? name)));
  return texts.flatMap(objectsIn);
}

export interface ArgoCdOptions {
  readonly processes: Processes;
  readonly programs: ReadonlyMap<string, string>;
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly repositoryUrl: string;
  /** Where the Application's objects without a namespace go. */
  readonly destination: string;
  /** Overlays that are applied, by the name of their Application; the whole repository when left out. */
  readonly overlays?: Readonly<Record<string, string>>;
}

export async function startArgoCd(options: ArgoCdOptions): Promise<ArgoCd> {
  const { plane } = options;
  for (const object of await objects(options)) await plane.cluster.apply(object);
  const startController = await startProcesses(options);
  let controller = await startController();
  const patch = async (body: JsonObject, name = APPLICATION): Promise<void> => {
    const contentType = "application/merge-patch+json";
    const answer = await callApi(plane.admin, { method: "PATCH", path: pathOf(name), contentType, body });
    if (answer.status !== 200) throw new Error(`Cannot change the Application: ${JSON.stringify(answer.body)}`);
  };
  const annotate = (annotations: JsonObject, name?: string): Promise<void> =>
    patch({ metadata: { annotations } }, name);
  return {
    annotate,
    application: async (name = APPLICATION) =>
      objectAt(await callApi(plane.admin, { method: "GET", path: pathOf(name) }), "body"),
    async restart() {
      await controller.kill();
      controller = await startController();
    },
    refresh: (name) => annotate({ "argocd.argoproj.io/refresh": "hard" }, name),
    patch: (spec, name) => patch({ spec }, name),
  };
}

/** Whether the Application is in sync with a commit. */
export function isSynced(application: JsonObject, commit: string): boolean {
  return stringAt(application, "status", "sync", "status") === "Synced" &&
    stringAt(application, "status", "sync", "revision") === commit;
}

/** Starts redis and the repo-server. @returns what starts the application-controller */
async function startProcesses(
  { processes, programs, folder, plane }: ArgoCdOptions,
): Promise<() => Promise<Running>> {
  const redisProgram = programs.get("redis-server") ?? "redis-server";
  const redis = processes.start({
    name: "redis",
    path: redisProgram,
    args: ["--port", String(REDIS.port), "--bind", REDIS.host, "--save", "", "--appendonly", "no"],
    // Libraries that the machine lacks lie beside it.
    env: { LD_LIBRARY_PATH: redisProgram.slice(0, redisProgram.lastIndexOf("/")) },
  });
  await untilUp(redis, async () => {
    (await Deno.connect({ hostname: REDIS.host, port: REDIS.port })).close();
    return true;
  });
  const named = async (name: string): Promise<string> => {
    await Deno.symlink(programs.get("argocd") ?? "argocd", `${folder}/${name}`);
    return `${folder}/${name}`;
  };
  await Deno.mkdir(`${folder}/argocd-tmp`, { recursive: true });
  const env = {
    ARGOCD_GPG_ENABLED: "false",
    TMPDIR: `${folder}/argocd-tmp`,
    HOME: folder,
    KUBECONFIG: plane.kubeconfig,
    GIT_CONFIG_GLOBAL: "/dev/null",
    // It renders overlays with the kustomize that it finds there.
    PATH: [...foldersOf(programs, ["kustomize"]), Deno.env.get("PATH")].join(":"),
  };
  const redisAt = `--redis=${REDIS.host}:${REDIS.port}`;
  const repoServer = processes.start({
    name: "argocd-repo-server",
    path: await named("argocd-repo-server"),
    args: [
      redisAt,
      `--port=${REPO_SERVER.port}`,
      `--metrics-port=${REPO_SERVER.metrics}`,
      `--address=${REPO_SERVER.host}`,
      `--metrics-address=${REPO_SERVER.host}`,
      "--disable-tls",
    ],
    env,
  });
  await untilUp(repoServer, () => answersOk(`http://${REPO_SERVER.host}:${REPO_SERVER.metrics}/metrics`));
  const controllerPath = await named("argocd-application-controller");
  return async () => {
    const controller = processes.start({
      name: "argocd-application-controller",
      path: controllerPath,
      args: [
        `--kubeconfig=${plane.kubeconfig}`,
        `--namespace=${ARGOCD_NAMESPACE}`,
        redisAt,
        `--repo-server=${REPO_SERVER.host}:${REPO_SERVER.port}`,
        "--repo-server-plaintext",
        "--app-resync=10",
        `--metrics-port=${CONTROLLER_METRICS}`,
      ],
      env,
    });
    await untilUp(controller, () => answersOk(`http://127.0.0.1:${CONTROLLER_METRICS}/metrics`));
    return controller;
  };
}

/** What an installation brings, with this cluster under its own address: outside a cluster there is no other. */
async function objects(options: ArgoCdOptions): Promise<readonly KubeObject[]> {
  const { plane } = options;
  const partOf = { "app.kubernetes.io/part-of": "argocd" };
  const server = `https://${plane.address.host}:${plane.address.port}`;
  const caData = btoa(await Deno.readTextFile(plane.caFile));
  const sources: Readonly<Record<string, JsonObject>> = options.overlays === undefined
    ? { [APPLICATION]: { path: ".", directory: { recurse: true } } }
    : Object.fromEntries(Object.entries(options.overlays).map(([name, path]) => [name, { path }]));
  const config = JSON.stringify({ bearerToken: plane.adminToken, tlsClientConfig: { caData } });
  const map = (name: string, data: Readonly<Record<string, string>> = {}): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: ARGOCD_NAMESPACE, labels: partOf },
    data,
  });
  const secret = (
    name: string,
    labels: Readonly<Record<string, string>>,
    values: Readonly<Record<string, string>>,
  ): KubeObject => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: ARGOCD_NAMESPACE, labels },
    data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, btoa(value)])),
  });
  return [
    map("argocd-cm", { "timeout.reconciliation": "10s" }),
    map("argocd-cmd-params-cm"),
    map("argocd-gpg-keys-cm"),
    secret("argocd-secret", partOf, { "server.secretkey": crypto.randomUUID() }),
    secret("cluster-e2e", { "argocd.argoproj.io/secret-type": "cluster" }, { name: "e2e", server, config }),
    {
      apiVersion: "argoproj.io/v1alpha1",
      kind: "AppProject",
      metadata: { name: "default", namespace: ARGOCD_NAMESPACE },
      spec: {
        sourceRepos: ["*"],
        destinations: [{ server: "*", namespace: "*" }],
        clusterResourceWhitelist: [{ group: "*", kind: "*" }],
      },
    },
    ...Object.entries(sources).map(([name, source]) => ({
      apiVersion: "argoproj.io/v1alpha1",
      kind: "Application",
      metadata: { name, namespace: ARGOCD_NAMESPACE },
      spec: {
        project: "default",
        source: { repoURL: options.repositoryUrl, targetRevision: "main", ...source },
        destination: { server, namespace: options.destination },
        // Until the last retry has failed, no newer commit is synced: unless told otherwise that takes minutes.
        syncPolicy: {
          automated: { prune: true, selfHeal: true },
          retry: { limit: 2, backoff: { duration: "5s", factor: 1, maxDuration: "5s" } },
        },
      },
    })),
  ];
}

/** Folders of programs, for a PATH; those that this run has not are left out. */
export function foldersOf(programs: ReadonlyMap<string, string>, names: readonly string[]): readonly string[] {
  return names.flatMap((name) => programs.get(name)?.replace(/\/[^/]*$/, "") ?? []);
}
