/**
 * The agent as it is installed: its own process, with the Deno flags of deploy/base/deployment.yaml, a token of its own
 * service account where a pod finds it, the rights of deploy/rbac, and nothing else.
 */
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { hashOf } from "../../../src/server/tokens.ts";
import { callApi } from "../../wire/api_case.ts";
import { objectsIn } from "../../support/rbac.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import type { ControlPlane } from "./control_plane.ts";

export interface AgentOptions {
  readonly processes: Processes;
  readonly plane: ControlPlane;
  readonly folder: string;
  /** The configuration's text beside cluster, tokens and listen. */
  readonly settings: string;
  /** Hosts that it may call beside the API server, host:port. */
  readonly allowedHosts: readonly string[];
}

export interface InstalledAgent {
  readonly url: string;
  readonly apiToken: string;
  readonly running: Running;
  canary(namespace: string, name: string): Promise<CanaryDetail | undefined>;
  /** A command as a person gives it. @returns the status of the answer */
  command(namespace: string, name: string, command: string): Promise<number>;
  /** What Prometheus gets. */
  metrics(): Promise<string>;
}

const DEPLOY = new URL("../../../deploy/", import.meta.url);
const ROOT = new URL("../../../", import.meta.url).pathname;
const ACCOUNT = { namespace: "serin", name: "serin" };
const ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
const LISTEN = "127.0.0.1:8090";
export const AGENT_HOST = LISTEN;

/** The agent's namespace, account and rights, as `kubectl apply` would bring them from deploy/. */
export async function agentObjects(rights: readonly string[]): Promise<readonly KubeObject[]> {
  const files = ["base/namespace.yaml", "base/service_account.yaml", ...rights.map((name) => `rbac/${name}.yaml`)];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(new URL(file, DEPLOY))));
  return texts.flatMap(objectsIn);
}

/** Starts it, and anew when it was killed: everything it needs is there already then. */
export async function startAgent(options: AgentOptions): Promise<InstalledAgent> {
  const { processes, plane, folder } = options;
  const apiToken = crypto.randomUUID();
  await mountAccount(plane);
  const config = `${folder}/serin.yaml`;
  await Deno.writeTextFile(
    config,
    `cluster: e2e
listen: ${LISTEN}
tokens:
  - { name: robin, hash: "${hashOf(apiToken)}", roles: [admin] }
${options.settings}`,
  );
  const program = await programFolder(folder);
  const { host, port } = plane.address;
  const running = processes.start({
    name: "serin",
    path: Deno.execPath(),
    args: [...await flags(options), "src/main.ts", "run", `--config=${config}`],
    cwd: program,
    env: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: String(port), POD_NAME: "serin-0", NO_COLOR: "1" },
  });
  const url = `http://${LISTEN}`;
  await untilUp(running, () => answersOk(`${url}/readyz`));
  const headers = { authorization: `Bearer ${apiToken}` };
  return {
    url,
    apiToken,
    running,
    async canary(namespace, name) {
      const response = await fetch(`${url}/api/v1/canaries/${namespace}/${name}`, { headers });
      if (response.status !== 200) {
        await response.body?.cancel();
        return undefined;
      }
      return await response.json();
    },
    async command(namespace, name, command) {
      const response = await fetch(`${url}/api/v1/canaries/${namespace}/${name}/${command}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ reason: "asked by the suite" }),
      });
      await response.body?.cancel();
      return response.status;
    },
    async metrics() {
      return await (await fetch(`${url}/metrics`)).text();
    },
  };
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
  return program;
}

/** The container's arguments up to the program, with this run's places in them. */
async function flags({ plane, folder, allowedHosts }: AgentOptions): Promise<readonly string[]> {
  const deployment = objectsIn(await Deno.readTextFile(new URL("base/deployment.yaml", DEPLOY)))[0];
  const args = listAt(deployment, "spec", "template", "spec", "containers", 0, "args").map(String);
  const places = [
    ["$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)", `${plane.address.host}:${plane.address.port}`],
    ["$(ALLOWED_HOSTS)", allowedHosts.join(",")],
    ["0.0.0.0:8080", LISTEN],
    ["/etc/serin", folder],
  ] as const;
  return args.slice(0, args.indexOf("src/main.ts")).map((flag) =>
    places.reduce((text, [from, to]) => text.replace(from, to), flag)
  );
}

/** A bound token, as the kubelet asks for one, in the folder that Kubernetes mounts: /run is this namespace's own. */
async function mountAccount(plane: ControlPlane): Promise<void> {
  const answer = await callApi(plane.admin, {
    method: "POST",
    path: `/api/v1/namespaces/${ACCOUNT.namespace}/serviceaccounts/${ACCOUNT.name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } },
  });
  const token = stringAt(answer.body, "status", "token");
  if (token === undefined) throw new Error(`Cannot get the agent's token: ${JSON.stringify(answer.body)}`);
  await Deno.mkdir(ACCOUNT_FOLDER, { recursive: true });
  await Deno.writeTextFile(`${ACCOUNT_FOLDER}/token`, token);
  await Deno.writeTextFile(`${ACCOUNT_FOLDER}/namespace`, ACCOUNT.namespace);
  await Deno.writeTextFile(`${ACCOUNT_FOLDER}/ca.crt`, await Deno.readTextFile(plane.caFile));
}
