/**
 * The agent as it is installed: its own process, with the Deno flags of deploy/base/deployment.yaml, a token of its own
 * service account where a pod finds it, the rights of deploy/rbac, and nothing else.
 */
import { parse } from "yaml";
import { machineClock } from "../../../adapters/platform/clock.ts";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { render } from "../../../deploy/render.ts";
import { hashOf } from "../../../src/server/tokens.ts";
import { runTool } from "../../servers/commands.ts";
import { callApi } from "../../wire/api_case.ts";
import { patched } from "../../support/json_patch.ts";
import { objectsIn } from "../../support/rbac.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import { FIRST_SITE, type Site } from "../site.ts";
import type { AgentOrders } from "../agent_main.ts";
import type { ControlPlane } from "./control_plane.ts";

export interface AgentOptions {
  readonly processes: Processes;
  readonly plane: ControlPlane;
  readonly folder: string;
  /** The configuration's text beside cluster, tokens and listen. */
  readonly settings: string;
  /** Hosts that it may call beside the API server, host:port. */
  readonly allowedHosts: readonly string[];
  /** Its cluster's name; "e2e" unless told otherwise. */
  readonly cluster?: string;
  /** The first one unless told otherwise. */
  readonly site?: Site;
  readonly replica?: Partial<Replica>;
  /** Patches of the Deployment, files of deploy/overlays without their ending. */
  readonly overlays?: readonly string[];
  /** Folders of programs that the image has beside the usual ones. */
  readonly programFolders?: readonly string[];
}

/** One of several agents of a cluster, and the program that it runs. */
export interface Replica {
  /** Its pod's name, which is its identity: "serin-0" unless told otherwise. */
  readonly pod: string;
  readonly port: number;
  /** The program as it is installed, or the one that a suite can give orders. */
  readonly entry: "src/main.ts" | "test/e2e/agent_main.ts";
}

export interface InstalledAgent {
  readonly url: string;
  readonly apiToken: string;
  readonly running: Running;
  /** What tells its requests from another one's of the same account in the audit log. */
  readonly credential: string;
  /** Tells the program that takes orders what is wanted from now on. */
  order(orders: AgentOrders): Promise<void>;
  canary(namespace: string, name: string): Promise<CanaryDetail | undefined>;
  /** A command as a person gives it. @returns the status of the answer */
  command(namespace: string, name: string, command: string): Promise<number>;
  /** Says that canaries which left Git at once are meant to be gone. @returns the status of the answer */
  confirmRemoval(): Promise<number>;
  /** What Prometheus gets. */
  metrics(): Promise<string>;
}

const DEPLOY = new URL("../../../deploy/", import.meta.url);
const ROOT = new URL("../../../", import.meta.url).pathname;
/** Files of deploy/rbac that `render` takes by itself. */
const IN_EVERY_INSTALLATION = ["base", "identity", "leader_election"];
const ACCOUNT = { namespace: "serin", name: "serin" };
const ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Two agents of one run have an account each, though both find it in the same folder. */
const WITH_ACCOUNT = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';

const REPLICA: Replica = { pod: "serin-0", port: 8090, entry: "src/main.ts" };

/** "ADDRESS:PORT" where the agent of a site listens. */
export function agentHost({ loopback }: Site = FIRST_SITE, port = REPLICA.port): string {
  return `${loopback}:${port}`;
}

/**
 * The agent's namespace, account and rights, as `kubectl apply` would bring them from deploy/.
 *
 * @param namespaces those it may work in; none for the whole cluster
 */
export async function agentObjects(
  rights: readonly string[],
  namespaces: readonly string[] = [],
): Promise<readonly KubeObject[]> {
  if (namespaces.length > 0) return await narrowedObjects(rights, namespaces);
  const files = ["base/namespace.yaml", "base/service_account.yaml", ...rights.map((name) => `rbac/${name}.yaml`)];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(new URL(file, DEPLOY))));
  return texts.flatMap(objectsIn);
}

/** What `deploy/render.ts` makes for some namespaces only, but for what a pod is made of. */
async function narrowedObjects(
  rights: readonly string[],
  namespaces: readonly string[],
): Promise<readonly KubeObject[]> {
  const parts = rights.filter((name) => !IN_EVERY_INSTALLATION.includes(name));
  const objects = objectsIn(await render(DEPLOY, { namespaces, parts }));
  return objects.filter(({ apiVersion, kind }) =>
    apiVersion.startsWith("rbac.authorization.k8s.io/") || kind === "Namespace" || kind === "ServiceAccount"
  );
}

/** Starts it, and anew when it was killed: everything it needs is there already then. */
export async function startAgent(options: AgentOptions): Promise<InstalledAgent> {
  const { processes, plane, folder, cluster = "e2e" } = options;
  const replica = { ...REPLICA, ...options.replica };
  const listen = agentHost(options.site, replica.port);
  const apiToken = crypto.randomUUID();
  const account = `${folder}/${replica.pod}.account`;
  const credential = await writeAccount(plane, account);
  const config = `${folder}/${replica.pod}.yaml`;
  await Deno.writeTextFile(
    config,
    `cluster: ${cluster}
listen: ${listen}
tokens:
  - { name: robin, hash: "${hashOf(apiToken)}", roles: [admin] }
${options.settings}`,
  );
  const program = await programFolder(folder);
  const { host, port } = plane.address;
  const running = processes.start({
    name: replica.pod === REPLICA.pod ? "serin" : replica.pod,
    path: "unshare",
    args: [
      ...["--mount", "sh", "-c", WITH_ACCOUNT, "sh", account, ACCOUNT_FOLDER],
      ...[Deno.execPath(), ...await flags(options, listen), replica.entry, "run", `--config=${config}`],
    ],
    cwd: program,
    env: {
      ...await settingsOfImage(),
      KUBERNETES_SERVICE_HOST: host,
      KUBERNETES_SERVICE_PORT: String(port),
      POD_NAME: replica.pod,
      NO_COLOR: "1",
      PATH: [...options.programFolders ?? [], Deno.env.get("PATH")].join(":"),
    },
  });
  const url = `http://${listen}`;
  // Seldom enough that the questions are not what it is busy with.
  const isReady = async (): Promise<boolean> => await answersOk(`${url}/readyz`) || await pause();
  await untilUp(running, isReady, 120_000);
  const headers = { authorization: `Bearer ${apiToken}` };
  const post = async (path: string, body: unknown): Promise<number> => {
    const response = await fetch(`${url}/api/v1/${path}`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  };
  return {
    url,
    apiToken,
    running,
    credential,
    order: (orders) => Deno.writeTextFile(`${config}.orders.json`, JSON.stringify(orders)),
    async canary(namespace, name) {
      const response = await fetch(`${url}/api/v1/canaries/${namespace}/${name}`, { headers });
      if (response.status !== 200) {
        await response.body?.cancel();
        return undefined;
      }
      return await response.json();
    },
    command: (namespace, name, command) =>
      post(`canaries/${namespace}/${name}/${command}`, { reason: "asked by the suite" }),
    confirmRemoval: () => post("confirm-removal", {}),
    async metrics() {
      return await (await fetch(`${url}/metrics`)).text();
    },
  };
}

async function pause(): Promise<false> {
  await machineClock.sleep(50);
  return false;
}

/** A copy of the program, taken once a run as an image is: what is edited meanwhile does not reach a restarted agent. */
async function programFolder(folder: string): Promise<string> {
  const program = `${folder}/program`;
  const isThere = await Deno.stat(program).then(() => true, () => false);
  if (isThere) return program;
  await Deno.mkdir(program);
  const parts = ["src", "adapters", "deno.json", "deno.lock"].map((name) => `${ROOT}${name}`);
  const { success, stderr } = await new Deno.Command("cp", { args: ["-R", ...parts, program] }).output();
  if (!success) throw new Error(`Cannot copy the program: ${new TextDecoder().decode(stderr)}`);
  const withOrders = "test/e2e/agent_main.ts";
  await Deno.mkdir(`${program}/test/e2e`, { recursive: true });
  await Deno.copyFile(`${ROOT}${withOrders}`, `${program}/${withOrders}`);
  // As the image's recipe does: what is started is compiled already.
  await runTool(Deno.execPath(), ["cache", "--frozen", "src/main.ts", withOrders], { cwd: program });
  return program;
}

/** Variables of the container that the Deployment gives a value itself. */
async function settingsOfImage(): Promise<Readonly<Record<string, string>>> {
  const deployment = objectsIn(await Deno.readTextFile(new URL("base/deployment.yaml", DEPLOY)))[0];
  const variables = listAt(deployment, "spec", "template", "spec", "containers", 0, "env");
  return Object.fromEntries(variables.flatMap((variable) => {
    const [name, value] = [stringAt(variable, "name"), stringAt(variable, "value")];
    return name === undefined || value === undefined ? [] : [[name, value]];
  }));
}

/** The container's arguments up to the program, with this run's places in them. */
async function flags(
  { plane, folder, allowedHosts, overlays = [] }: AgentOptions,
  listen: string,
): Promise<readonly string[]> {
  let deployment: unknown = objectsIn(await Deno.readTextFile(new URL("base/deployment.yaml", DEPLOY)))[0];
  for (const overlay of overlays) {
    deployment = patched(deployment, parse(await Deno.readTextFile(new URL(`overlays/${overlay}.yaml`, DEPLOY))));
  }
  const args = listAt(deployment, "spec", "template", "spec", "containers", 0, "args").map(String);
  const places = [
    ["$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)", `${plane.address.host}:${plane.address.port}`],
    ["$(ALLOWED_HOSTS)", allowedHosts.join(",")],
    ["0.0.0.0:8080", listen],
    ["/etc/serin", folder],
  ] as const;
  return args.slice(0, args.indexOf("src/main.ts")).map((flag) =>
    places.reduce((text, [from, to]) => text.replace(from, to), flag)
  );
}

/**
 * A bound token, as the kubelet asks for one, and what Kubernetes mounts beside it: /run is this namespace's own.
 *
 * @returns the credential's id as the audit log has it
 */
async function writeAccount(plane: ControlPlane, folder: string): Promise<string> {
  const answer = await callApi(plane.admin, {
    method: "POST",
    path: `/api/v1/namespaces/${ACCOUNT.namespace}/serviceaccounts/${ACCOUNT.name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } },
  });
  const token = stringAt(answer.body, "status", "token");
  if (token === undefined) throw new Error(`Cannot get the agent's token: ${JSON.stringify(answer.body)}`);
  for (const place of [ACCOUNT_FOLDER, folder]) await Deno.mkdir(place, { recursive: true });
  await Deno.writeTextFile(`${folder}/token`, token);
  await Deno.writeTextFile(`${folder}/namespace`, ACCOUNT.namespace);
  await Deno.writeTextFile(`${folder}/ca.crt`, await Deno.readTextFile(plane.caFile));
  const claims: unknown = JSON.parse(atob(token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? ""));
  return `JTI=${stringAt(claims, "jti") ?? ""}`;
}
