/** A real control plane: etcd, kube-apiserver with an audit log, controller-manager and scheduler, and one node. */
import { machineClock } from "../../../adapters/platform/clock.ts";
import { stringAt } from "../../../src/core/kube_object.ts";
import type { KubeEndpoint } from "../../../adapters/platform/kube/config.ts";
import { type OpenCluster, openCluster } from "../../../adapters/platform/kube.ts";
import type { ApiServer } from "../../wire/api_case.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import { FIRST_SITE, hostOf, type Site } from "../site.ts";

export interface ControlPlane {
  /** As the certificate names it: an address that is not loopback. */
  readonly address: { readonly host: string; readonly port: number };
  /** As an administrator, for cases. */
  readonly admin: ApiServer;
  /** As an administrator, through the product's client. */
  readonly cluster: OpenCluster;
  readonly adminToken: string;
  readonly caFile: string;
  /** An administrator's, for kubectl and for servers that want a file. */
  readonly kubeconfig: string;
  readonly auditLog: string;
  /** Kills the API server, and starts it again after a pause, on the same etcd; resolves when it is ready. */
  restartApiServer(pauseMs: number): Promise<void>;
  /** Times in which an API server was starting: until its rules are loaded it refuses what it allows. */
  readonly starts: readonly { readonly fromMs: number; readonly toMs: number }[];
  /** Has etcd forget all revisions but the present one. */
  compact(): Promise<void>;
  /** Controllers and scheduler, where they were not wanted at the start. */
  startControllers(): Promise<void>;
  /** One more API server on the same etcd, with more flags, as the administrator reaches it. */
  startSecond(options: { readonly port: number; readonly flags: readonly string[] }): Promise<{
    readonly url: string;
    readonly running: Running;
  }>;
  /** Closes clients; the processes belong to the run. */
  close(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly processes: Processes;
  /** Where programs are, by name. */
  readonly programs: ReadonlyMap<string, string>;
  readonly folder: string;
  /** Controllers and scheduler too; a contract suite needs none. */
  readonly controllers: boolean;
  /** The first one unless told otherwise. */
  readonly site?: Site;
  /** Requests a second that each of those may send; their own default (20 to 50) unless told otherwise. */
  readonly controllersQps?: number;
}

const PORT = 6443;

/** Exact names; one that is not known stops the controller-manager. */
const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "daemonset-controller",
  "statefulset-controller",
  "endpointslice-controller",
  "garbage-collector-controller",
  "horizontal-pod-autoscaler-controller",
  "namespace-controller",
  "serviceaccount-controller",
];

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { processes, folder, site = FIRST_SITE } = options;
  const program = (name: string): string => options.programs.get(name) ?? name;
  const host = hostOf(site);
  await Deno.mkdir(`${folder}/certs`, { recursive: true });
  const adminToken = crypto.randomUUID();
  await Deno.writeTextFile(`${folder}/tokens.csv`, `${adminToken},admin,1,"system:masters"\n`);
  await Deno.writeTextFile(`${folder}/audit.yaml`, AUDIT_POLICY);
  await writeKeyPair(folder);
  const etcd = processes.start({ name: "etcd", path: program("etcd"), args: etcdArgs(folder, site) });
  const startApiServer = (): Running =>
    processes.start({ name: "kube-apiserver", path: program("kube-apiserver"), args: apiserverArgs(folder, site) });
  let apiserver = startApiServer();
  const starts: { fromMs: number; toMs: number }[] = [];
  await untilUp(etcd, () => answersOk(`${etcdUrl(site)}/health`));
  const caFile = `${folder}/certs/apiserver.crt`;
  await untilUp(apiserver, async () => (await Deno.stat(caFile)).isFile);
  const caPem = await Deno.readTextFile(caFile);
  const url = `https://${host}:${PORT}`;
  const client = Deno.createHttpClient({ caCerts: [caPem] });
  const headers = { authorization: `Bearer ${adminToken}` };
  const ready = (): Promise<void> => untilUp(apiserver, () => answersOk(`${url}/readyz`, { client, headers }));
  await ready();
  const kubeconfig = `${folder}/admin.kubeconfig`;
  await Deno.writeTextFile(kubeconfig, kubeconfigText(url, caPem, adminToken));
  const endpoint: KubeEndpoint = {
    baseUrl: url,
    caPem,
    token: () => Promise.resolve(adminToken),
    namespace: "default",
  };
  const cluster = openCluster({ endpoint, clock: machineClock, fieldManager: "installer" });
  const controllers = { processes, program, kubeconfig, address: site.loopback, qps: options.controllersQps };
  if (options.controllers) await startControllers(controllers);
  return {
    address: { host, port: PORT },
    admin: { url, headers, client },
    cluster,
    adminToken,
    caFile,
    kubeconfig,
    auditLog: `${folder}/audit.log`,
    async restartApiServer(pauseMs) {
      await apiserver.kill();
      await machineClock.sleep(pauseMs);
      const fromMs = machineClock.now();
      apiserver = startApiServer();
      await ready();
      starts.push({ fromMs, toMs: machineClock.now() });
    },
    starts,
    compact: () => compact(etcdUrl(site)),
    startControllers: () => startControllers(controllers),
    async startSecond({ port, flags }) {
      const args = [...apiserverArgs(folder, site), `--secure-port=${port}`, ...flags];
      const running = processes.start({ name: `kube-apiserver-${port}`, path: program("kube-apiserver"), args });
      const second = `https://${host}:${port}`;
      await untilUp(running, () => answersOk(`${second}/readyz`, { client, headers }));
      return { url: second, running };
    },
    async close() {
      await cluster.close();
      client.close();
    },
  };
}

async function compact(etcd: string): Promise<void> {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${etcd}${path}`, { method: "POST", body: JSON.stringify(body) });
    const answer = await response.json();
    if (response.status !== 200) throw new Error(`Cannot compact etcd: ${JSON.stringify(answer)}`);
    return answer;
  };
  const key = btoa("/registry/");
  const revision = stringAt(
    await post("/v3/kv/range", { key, range_end: btoa("/registry0"), count_only: true }),
    "header",
    "revision",
  );
  await post("/v3/kv/compaction", { revision, physical: true });
}

function etcdUrl({ loopback }: Site): string {
  return `http://${loopback}:2379`;
}

function etcdArgs(folder: string, site: Site): readonly string[] {
  const [url, peer] = [etcdUrl(site), `http://${site.loopback}:2380`];
  return [
    "--unsafe-no-fsync",
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    "--log-level=warn",
  ];
}

function apiserverArgs(folder: string, site: Site): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl(site)}`,
    `--secure-port=${PORT}`,
    `--bind-address=${hostOf(site)}`,
    // There is no default route to guess it from.
    `--advertise-address=${hostOf(site)}`,
    "--endpoint-reconciler-type=none",
    `--cert-dir=${folder}/certs`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${folder}/sa.pub`,
    `--service-account-signing-key-file=${folder}/sa.key`,
    "--authorization-mode=RBAC",
    `--token-auth-file=${folder}/tokens.csv`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--disable-admission-plugins=ServiceAccount",
    `--audit-policy-file=${folder}/audit.yaml`,
    `--audit-log-path=${folder}/audit.log`,
  ];
}

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    userGroups: [system:nodes]
  - level: Metadata
`;

async function startControllers(parts: {
  readonly processes: Processes;
  readonly program: (name: string) => string;
  readonly kubeconfig: string;
  readonly address: string;
  readonly qps: number | undefined;
}): Promise<void> {
  const { kubeconfig, address, qps } = parts;
  const limits = qps === undefined ? [] : [`--kube-api-qps=${qps}`, `--kube-api-burst=${2 * qps}`];
  const common = [`--kubeconfig=${kubeconfig}`, "--leader-elect=false", `--bind-address=${address}`, ...limits];
  const manager = parts.processes.start({
    name: "kube-controller-manager",
    path: parts.program("kube-controller-manager"),
    args: [...common, `--controllers=${CONTROLLERS.join(",")}`, "--concurrent-deployment-syncs=10"],
  });
  const scheduler = parts.processes.start({
    name: "kube-scheduler",
    path: parts.program("kube-scheduler"),
    args: common,
  });
  // Their certificates are their own, and only their health is asked: that they listen is enough.
  const listens = async (port: number): Promise<boolean> => {
    (await Deno.connect({ hostname: parts.address, port })).close();
    return true;
  };
  await untilUp(manager, () => listens(10257));
  await untilUp(scheduler, () => listens(10259));
}

function kubeconfigText(server: string, caPem: string, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "e2e", cluster: { server, "certificate-authority-data": btoa(caPem) } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "e2e", context: { cluster: "e2e", user: "admin" } }],
    "current-context": "e2e",
  });
}

/** The pair that service account tokens are signed and checked with. */
async function writeKeyPair(folder: string): Promise<void> {
  const algorithm = {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  await Deno.writeTextFile(`${folder}/sa.key`, pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", privateKey)));
  await Deno.writeTextFile(`${folder}/sa.pub`, pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", publicKey)));
}

function pem(label: string, der: ArrayBuffer): string {
  const lines = btoa(String.fromCharCode(...new Uint8Array(der))).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
