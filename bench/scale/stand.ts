/**
 * Where the agent is measured with thousands of canaries: a real control plane in a namespace of its own, a node whose
 * pods serve nothing, a Gateway controller's statuses, stock git, a real Prometheus. What an agent that ran before would
 * have left is laid out once and kept, etcd's folder and the repository, since that takes minutes.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { openCluster } from "../../adapters/platform/kube.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import { type GitServer, startGitServer } from "../../src/sandbox/git/git_server.ts";
import type { Processes } from "../../test/e2e/processes.ts";
import { agentObjects } from "../../test/e2e/servers/agent.ts";
import { type ControlPlane, startControlPlane } from "../../test/e2e/servers/control_plane.ts";
import { installKinds, ownKinds, RIGHTS } from "../../test/e2e/world.ts";
import { objectsIn } from "../../test/support/rbac.ts";
import { until } from "../../test/support/until.ts";
import { callApi } from "../../test/wire/api_case.ts";
import { cacheFolder } from "../../test/servers/install.ts";
import { cpuMsOf } from "../process_figures.ts";
import { eachOf } from "./crowd.ts";
import { estateOf, isDerived, manifestsOf, namespacesOf } from "./estate.ts";
import { acceptedStatus, type Gateway, startGateway } from "./gateway.ts";
import { type SilentNode, startSilentNode } from "./silent_node.ts";

export const REPOSITORY = "fleet";
/** Of the agent's configuration. */
export const CLUSTER = "e2e";
/** Where Prometheus listens: it stands in the metric templates, which are kept with the estate. */
export const METRICS_URL = "http://127.0.0.1:9090";
const NODE = "node-1";
/** Controllers and scheduler with their own limits (20 to 50 a second) would be what is measured. */
const CONTROLLERS_QPS = 2_000;
const LAID_OUT_AT = 1_790_000_000_000;
const PARALLEL = 24;
const READY_MS_MAX = 900_000;
const QUIET_SECONDS_MAX = 60;

export interface StandOptions {
  readonly folder: string;
  readonly programs: ReadonlyMap<string, string>;
  readonly processes: Processes;
  readonly canaries: number;
  readonly say: (line: string) => void;
}

export interface Stand {
  readonly plane: ControlPlane;
  readonly git: GitServer;
  readonly gateway: Gateway;
  readonly node: SilentNode;
  /** Resolves when the control plane has nothing left to do. */
  quiet(): Promise<void>;
  pidOf(name: string): number;
  close(): Promise<void>;
}

/** A stand with the estate on it; laid out first where no earlier run has left it. */
export async function openStand(options: StandOptions): Promise<Stand> {
  const { folder, canaries, say } = options;
  // An estate of an earlier version serves as well, as long as the agent finds it in order: that is checked.
  const given = Deno.env.get("BENCH_ESTATE");
  const kept = given ?? `${cacheFolder().replace(/servers$/, "bench")}/estate-${canaries}-${await keyOf()}`;
  if (!await exists(kept)) {
    const draft = `${folder}/draft`;
    await Deno.mkdir(draft, { recursive: true });
    await layOut({ ...options, folder: draft });
    await Deno.mkdir(kept, { recursive: true });
    await copy([`${draft}/etcd`, `${draft}/git`], kept);
    await Deno.remove(draft, { recursive: true });
  }
  say(`estate of ${canaries} canaries from ${kept}\n`);
  await copy([`${kept}/etcd`, `${kept}/git`], folder);
  return await start(options);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function copy(paths: readonly string[], to: string): Promise<void> {
  const { success } = await new Deno.Command("cp", { args: ["-R", ...paths, to], stderr: "inherit" }).output();
  if (!success) throw new Error(`Cannot copy ${paths.join(", ")} to ${to}`);
}

/** Changes with whatever the product would leave behind otherwise. */
async function keyOf(): Promise<string> {
  const files = manifestsOf(1, METRICS_URL);
  const identity = { name: CLUSTER, uid: "" };
  const [plot] = await estateOf({ files, commit: "0".repeat(40), identity, metricsUrl: METRICS_URL, now: LAID_OUT_AT });
  return digestOf(JSON.parse(JSON.stringify([files, plot ?? null])), 10);
}

async function start(options: StandOptions): Promise<Stand> {
  const { folder, programs, processes } = options;
  const plane = await startControlPlane({
    processes,
    programs,
    folder,
    controllers: true,
    controllersQps: CONTROLLERS_QPS,
  });
  const { admin, address, adminToken } = plane;
  const caPem = await Deno.readTextFile(plane.caFile);
  const baseUrl = `https://${address.host}:${address.port}`;
  const endpoint = { baseUrl, caPem, token: () => Promise.resolve(adminToken), namespace: "default" };
  const open = () => openCluster({ endpoint, clock: machineClock });
  const [forNode, forGateway] = [open(), open()];
  const git = startGitServer({ dir: `${folder}/git`, clock: machineClock });
  await kinds(options, plane);
  const node = await startSilentNode({ cluster: forNode, api: admin, clock: machineClock, nodeName: NODE });
  const gateway = await startGateway({ cluster: forGateway, api: admin, clock: machineClock });
  const pidOf = (name: string): number => {
    const found = processes.all.find((one) => one.name === name);
    if (found === undefined) throw new Error(`${name} does not run`);
    return found.pid;
  };
  return {
    plane,
    git,
    gateway,
    node,
    pidOf,
    quiet: () => quiet(["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(pidOf)),
    async close() {
      gateway.close();
      await git.stop();
      await forNode.close();
      await forGateway.close();
      await plane.close();
    },
  };
}

/** Less than a tenth of a core for three seconds; given up after a while, since others may use the machine. */
async function quiet(pids: readonly number[]): Promise<void> {
  const used = async (): Promise<number> => (await Promise.all(pids.map(cpuMsOf))).reduce((sum, ms) => sum + ms, 0);
  let before = await used();
  for (let calm = 0, seconds = 0; calm < 3 && seconds < QUIET_SECONDS_MAX; seconds += 1) {
    await machineClock.sleep(1_000);
    const now = await used();
    calm = now - before < 100 ? calm + 1 : 0;
    before = now;
  }
}

async function kinds({ programs }: StandOptions, plane: ControlPlane): Promise<void> {
  const files = ["httproutes.yaml", "gateways.yaml", "gatewayclasses.yaml"].map((name) => programs.get(name) ?? name);
  const mesh = (await Promise.all(files.map((path) => Deno.readTextFile(path)))).flatMap(objectsIn);
  await installKinds(plane, [...mesh, ...await ownKinds()]);
}

/** Everything that an earlier agent, its users and the controllers would have made; then all of it is stopped. */
async function layOut(options: StandOptions): Promise<void> {
  const { canaries, processes, say } = options;
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  const stand = await start(options);
  const { plane, git, gateway, node } = stand;
  const namespaces = namespacesOf(canaries).map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  }));
  for (const object of [...namespaces, ...await agentObjects(RIGHTS)]) await plane.cluster.apply(object);
  await makeNode(plane);
  const system = await plane.cluster.live({ apiVersion: "v1", kind: "Namespace", name: "kube-system" });
  const identity = { name: CLUSTER, uid: system?.metadata.uid ?? "" };
  const files = manifestsOf(canaries, METRICS_URL);
  const commit = await git.createRepository(REPOSITORY, files) ?? "";
  const plots = await estateOf({ files, commit, identity, metricsUrl: METRICS_URL, now: machineClock.now() });
  await git.commit(REPOSITORY, Object.assign({}, ...plots.map(({ ledger }) => ledger)));
  say(`estate of ${canaries} canaries is made after ${seconds()}; it is laid out now, which takes minutes\n`);
  await eachOf(plots, PARALLEL, async ({ objects }) => {
    for (const object of objects) await make(plane, object);
  });
  say(`all objects are there after ${seconds()}\n`);
  const isReady = (): boolean => gateway.readies.length >= canaries && node.waiting === 0;
  await until("all primaries are ready", async () => isReady() || (await machineClock.sleep(500), false), READY_MS_MAX);
  say(`all primaries are ready after ${seconds()}\n`);
  await stand.quiet();
  await stand.close();
  const etcd = processes.all.find(({ name }) => name === "etcd");
  for (const other of processes.all) if (other !== etcd) await other.kill();
  // Asked politely, it writes down what it still holds.
  etcd?.signal("SIGTERM");
  await etcd?.ended;
  say(`estate is kept after ${seconds()}\n`);
}

const RESOURCES: Readonly<Record<string, string>> = {
  ConfigMap: "configmaps",
  Deployment: "deployments",
  Service: "services",
  HTTPRoute: "httproutes",
};

/** Makes an object under the name of who made it; a route is accepted as its controller would have. */
async function make(plane: ControlPlane, object: KubeObject): Promise<void> {
  const { apiVersion, kind, metadata } = object;
  const root = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const folder = `${root}/namespaces/${metadata.namespace}/${RESOURCES[kind]}`;
  const path = `${folder}/${metadata.name}`;
  const manager = isDerived(object) ? "serin" : "kubectl";
  const answer = await callApi(plane.admin, {
    method: "POST",
    path: `${folder}?fieldManager=${manager}`,
    body: object,
  });
  if (answer.status >= 300) throw new Error(`Cannot lay out ${path}: ${JSON.stringify(answer.body)}`);
  if (kind !== "HTTPRoute") return;
  const route = { ...object, metadata: { ...metadata, generation: 1 } };
  await callApi(plane.admin, {
    method: "PATCH",
    path: `${path}/status`,
    contentType: "application/merge-patch+json",
    body: { status: acceptedStatus(route, machineClock.now()) },
  });
}

async function makeNode(plane: ControlPlane): Promise<void> {
  await plane.cluster.create({ apiVersion: "v1", kind: "Node", metadata: { name: NODE } });
  const path = `/api/v1/nodes/${NODE}`;
  const contentType = "application/merge-patch+json";
  const room = { cpu: "10000", memory: "10000Gi", pods: "60000" };
  const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady" }];
  const status = { capacity: room, allocatable: room, conditions };
  await callApi(plane.admin, { method: "PATCH", path, contentType, body: { spec: { taints: null } } });
  await callApi(plane.admin, { method: "PATCH", path: `${path}/status`, contentType, body: { status } });
}
