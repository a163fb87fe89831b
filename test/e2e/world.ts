/**
 * Everything around the agent, real: control plane, a node whose pods serve, Contour and Envoy, Prometheus, a Git server
 * that is stock git, and the agent beside them as it is installed. A suite asks for it with the files of a repository.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { type KubeObject, listAt, refOf, stringAt } from "../../src/core/kube_object.ts";
import { CANARY, HOST, REPOSITORY } from "../../src/demo/stage.ts";
import { type Clone, cloneRepository } from "../../src/demo/clone.ts";
import type { CanaryDetail } from "../../src/ports/agent.ts";
import { type GitServer, startGitServer } from "../../src/sandbox/git/git_server.ts";
import type { Behaviour } from "../../src/sandbox/apps/behaviour.ts";
import { type Load, type LoadOptions, startLoad } from "../../src/sandbox/load/load_generator.ts";
import { callApi } from "../wire/api_case.ts";
import type { Processes } from "./processes.ts";
import { objectsIn } from "../support/rbac.ts";
import { until } from "../support/until.ts";
import { agentHost, agentObjects, type InstalledAgent, type Replica, startAgent } from "./servers/agent.ts";
import { type ControlPlane, startControlPlane } from "./servers/control_plane.ts";
import { type DataPlane, dataPlaneObjects, startDataPlane } from "./servers/data_plane.ts";
import { type Prometheus, startPrometheus } from "./servers/prometheus.ts";
import { FIRST_SITE, type Site } from "./site.ts";
import { checkPrivileges } from "./privileges.ts";
import type { Run } from "./suite.ts";

export interface World {
  readonly plane: ControlPlane;
  readonly data: DataPlane;
  readonly prometheus: Prometheus;
  readonly git: GitServer;
  readonly clone: Clone;
  /** The agent that runs, or ran last. */
  readonly agent: InstalledAgent;
  /** @param settings more lines of its configuration @param replica which of several, if not the first one */
  startAgent(settings?: string, replica?: Partial<Replica>): Promise<InstalledAgent>;
  /** Waits until the canary's view fulfils a condition; the view is in the error when it does not in time. */
  see(what: string, condition: (view: CanaryDetail) => boolean, timeoutMs?: number): Promise<CanaryDetail>;
  /** The same for a canary of another name. */
  seeOf(name: string, ...wanted: Parameters<World["see"]>): Promise<CanaryDetail>;
  /** Real requests to the host of the demo through Envoy, unless told otherwise; ended with the world. */
  load(ratePerSecond: number, options?: Partial<LoadOptions>): Load;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly files: Readonly<Record<string, string>>;
  readonly engine: "self" | "flux" | "argocd";
  /** Files of deploy/rbac, without their ending. */
  readonly rights: readonly string[];
  /** The only namespaces it may work in, and is told to; the whole cluster when left out. */
  readonly onlyNamespaces?: readonly string[];
  /** More namespaces, made first. */
  readonly namespaces?: readonly string[];
  /** More CRDs. */
  readonly kinds?: readonly KubeObject[];
  /** What else is there before the agent starts. */
  readonly prepare?: (plane: ControlPlane, git: GitServer) => Promise<void>;
  /** More hosts that the agent may call. */
  readonly allowedHosts?: readonly string[];
  /** More lines of the agent's configuration, at its first start. */
  readonly settings?: string;
  /** Patches of deploy/overlays that it is installed with, and folders of the programs that those need. */
  readonly installed?: { readonly overlays: readonly string[]; readonly programFolders: readonly string[] };
  /** What runs as the agent unless a start says otherwise. */
  readonly replica?: Partial<Replica>;
  /** How often the agent asks Git for its tip; "1s" unless told otherwise. */
  readonly pollInterval?: string;
  /** Where it stands; the first one unless told otherwise. A second world logs into a folder of its own. */
  readonly site?: Site;
  /** Its name in the agent's configuration; "e2e" unless told otherwise. */
  readonly cluster?: string;
  /** Another world's Git server and its repository; `files` are not used then. */
  readonly git?: GitServer;
  /** A repository on another server than stock git: what the agent follows, and what the person clones. */
  readonly forge?: { readonly url: string; readonly cloneUrl: string };
  /** Images that behave otherwise in this cluster than their tags say. */
  readonly behaviours?: Readonly<Record<string, Partial<Behaviour>>>;
}

const NODE = "node-1";

/** Where the node lists its pods for Prometheus. */
function podsUrl({ loopback }: Site): string {
  return `http://${loopback}:9900/pods`;
}

export const RIGHTS = ["base", "identity", "leader_election", "router_gatewayapi"] as const;

export async function openWorld(run: Run, options: WorldOptions): Promise<World> {
  const { site = FIRST_SITE } = options;
  const { programs } = run;
  const folder = site === FIRST_SITE ? run.folder : `${run.folder}/${site.loopback}`;
  await Deno.mkdir(folder, { recursive: true });
  const processes = run.processes.within(folder);
  const plane = await startControlPlane({ processes, programs, folder, controllers: true, site });
  const gateway = { namespace: CANARY.namespace, name: "public" };
  const mesh = await dataPlaneObjects({ programs, gateway });
  await installKinds(plane, [...mesh.kinds, ...await ownKinds(), ...options.kinds ?? []]);
  const namespaces = [CANARY.namespace, ...options.namespaces ?? []].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  }));
  const installed = await agentObjects(options.rights, options.onlyNamespaces);
  for (const object of [...namespaces, ...mesh.objects, ...installed]) {
    await plane.cluster.apply(object);
  }
  await startNode({ processes, folder, plane, site, behaviours: options.behaviours ?? {} });
  const data = await startDataPlane({ processes, programs, folder, plane, gateway, site });
  const targets = {
    envoy: { host: data.metricsHost, path: "/stats/prometheus" },
    serin: { host: agentHost(site), path: "/metrics" },
  };
  const prometheus = await startPrometheus({ processes, programs, folder, podsUrl: podsUrl(site), targets, site });
  const git = options.git ?? startGitServer({ dir: `${folder}/git`, clock: machineClock });
  if (options.git === undefined && options.forge === undefined) await git.createRepository(REPOSITORY, options.files);
  const clone = await cloneRepository(options.forge?.cloneUrl ?? git.urlOf(REPOSITORY), `${folder}/clone`);
  await options.prepare?.(plane, git);
  const start = (more = "", replica: Partial<Replica> = {}): Promise<InstalledAgent> => {
    const hosts = [options.forge?.url ?? git.url, prometheus.url].map((url) => new URL(url).host);
    const allowedHosts = [...hosts, ...options.allowedHosts ?? []];
    const text = `${settings(options, git, prometheus)}${more}`;
    const { cluster = "e2e" } = options;
    const given = { ...options.replica, ...replica };
    const parts = { processes, plane, folder, site, ...options.installed };
    return startAgent({ ...parts, settings: text, allowedHosts, cluster, replica: given });
  };
  let agent = await start(options.settings);
  const loads: Load[] = [];
  run.keeper.show(() => {
    const kubectl = `kubectl --kubeconfig ${plane.kubeconfig}`;
    const engine = { self: [], flux: ["kustomizations"], argocd: ["applications"] }[options.engine];
    return {
      page: new URL(agent.url),
      token: agent.apiToken,
      commands: [
        `${kubectl} get pods -A`,
        ...engine.map((kind) => `${kubectl} get ${kind} -A`),
        `curl -s -H "Host: ${HOST}" ${data.gatewayUrl}`,
        // Without traffic a bump is held.
        `sh -c 'while sleep 0.1; do curl -s -o /dev/null -H "Host: ${HOST}" ${data.gatewayUrl}; done'`,
        `git clone ${options.forge?.cloneUrl ?? git.urlOf(REPOSITORY)}`,
      ],
    };
  });
  return {
    plane,
    data,
    prometheus,
    git,
    clone,
    get agent() {
      return agent;
    },
    async startAgent(more, replica) {
      agent = await start(more, replica);
      return agent;
    },
    see: (what, condition, timeoutMs = 90_000) => see(() => agent, { name: CANARY.name, what, condition, timeoutMs }),
    seeOf: (name, what, condition, timeoutMs = 90_000) => see(() => agent, { name, what, condition, timeoutMs }),
    load(ratePerSecond, given = {}) {
      const load = startLoad({ url: data.gatewayUrl, host: HOST, ratePerSecond, clock: machineClock, ...given });
      loads.push(load);
      return load;
    },
    async close() {
      await run.keeper.keep();
      for (const load of loads) await load.stop();
      if (options.git === undefined) await git.stop();
      await checkPrivileges(run, { auditLog: plane.auditLog, objects: installed, starts: plane.starts });
      await plane.close();
    },
  };
}

function settings(options: WorldOptions, git: GitServer, prometheus: Prometheus): string {
  const { onlyNamespaces = [] } = options;
  const only = onlyNamespaces.length === 0 ? "" : `kubernetes: { namespaces: [${onlyNamespaces.join(", ")}] }\n`;
  return `provider: gatewayapi:v1
metricsServer: ${prometheus.url}
engine: ${options.engine}
${only}secrets: { copy: ${options.rights.includes("secrets_copy")} }
sources:
  - name: fleet
    url: ${options.forge?.url ?? git.urlOf(REPOSITORY)}
    branch: main
    pollInterval: ${options.pollInterval ?? "1s"}
`;
}

async function see(
  agent: () => InstalledAgent,
  wanted: {
    readonly name: string;
    readonly what: string;
    readonly condition: (view: CanaryDetail) => boolean;
    readonly timeoutMs: number;
  },
): Promise<CanaryDetail> {
  let last: CanaryDetail | undefined;
  const met = async (): Promise<boolean> => {
    const seen = await agent().canary(CANARY.namespace, wanted.name).catch(() => undefined);
    if (seen === undefined) return false;
    last = seen;
    return wanted.condition(seen);
  };
  await until(wanted.what, async () => await met() || (await machineClock.sleep(100), false), wanted.timeoutMs)
    .catch((error) => {
      const said = last?.events.slice(-12).map((one) => one.message).join(" | ");
      const where = last === undefined
        ? "the agent does not know the canary"
        : `it is ${last.phase} at ${last.weight}, waits for ${last.waitsFor}, stalled: ${last.stalled}; ${said}`;
      throw new Error(`${error instanceof Error ? error.message : error}; ${where}`);
    });
  if (last === undefined) throw new Error("the agent does not know the canary");
  return last;
}

/** The CRDs of deploy/, as a user applies them. */
export async function ownKinds(): Promise<readonly KubeObject[]> {
  const folder = new URL("../../deploy/crds/", import.meta.url);
  const kinds: KubeObject[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    kinds.push(...objectsIn(await Deno.readTextFile(new URL(name, folder))));
  }
  return kinds;
}

/** Applies CRDs and waits until each is served. */
export async function installKinds(plane: ControlPlane, kinds: readonly KubeObject[]): Promise<void> {
  for (const kind of kinds) await plane.cluster.apply(kind);
  for (const kind of kinds) {
    await until(`${kind.metadata.name} is served`, async () => {
      const live = await plane.cluster.live(refOf(kind));
      return listAt(live, "status", "conditions").some((one) =>
        stringAt(one, "type") === "Established" && stringAt(one, "status") === "True"
      );
    }, 30_000);
  }
}

async function startNode(parts: {
  readonly processes: Processes;
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly site: Site;
  readonly behaviours: Readonly<Record<string, Partial<Behaviour>>>;
}): Promise<void> {
  const { processes, folder, plane, site, behaviours } = parts;
  const path = `/api/v1/nodes/${NODE}`;
  await plane.cluster.create({ apiVersion: "v1", kind: "Node", metadata: { name: NODE } });
  // A node made by hand is taken for one that is not ready yet.
  const contentType = "application/merge-patch+json";
  const room = { cpu: "1000", memory: "1000Gi", pods: "20000" };
  const ready = { type: "Ready", status: "True", reason: "KubeletReady" };
  const status = { capacity: room, allocatable: room, conditions: [ready] };
  await callApi(plane.admin, { method: "PATCH", path, contentType, body: { spec: { taints: null } } });
  const answer = await callApi(plane.admin, {
    method: "PATCH",
    path: `${path}/status`,
    contentType,
    body: { status },
  });
  if (answer.status !== 200) throw new Error(`Cannot make the node: ${JSON.stringify(answer.body)}`);
  const tokenFile = `${folder}/node.token`;
  await Deno.writeTextFile(tokenFile, plane.adminToken);
  processes.start({
    name: "node",
    path: Deno.execPath(),
    args: [
      "run",
      "--allow-all",
      new URL("pods/main.ts", import.meta.url).pathname,
      `https://${plane.address.host}:${plane.address.port}`,
      plane.caFile,
      tokenFile,
      NODE,
      podsUrl(site),
      site.network,
      JSON.stringify(behaviours),
    ],
    env: { NO_COLOR: "1" },
  });
}
