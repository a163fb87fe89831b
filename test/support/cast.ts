/**
 * The agent as a process of its own beside a sandbox: the flags of deploy/base/deployment.yaml, the rights of
 * deploy/rbac behind a door that notes what is used and refused, the demo's repository behind a password.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import { type Clone, cloneRepository } from "../../src/demo/clone.ts";
import { CANARY, filesOf, HOST, REPOSITORY } from "../../src/demo/stage.ts";
import { startLoad } from "../../src/sandbox/load/load_generator.ts";
import { clusterObjects, type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { hashOf } from "../../src/server/tokens.ts";
import { type AgentProcess, flagsOfDeployment, placed, type Places, startAgentProcess } from "./agent_process.ts";
import { type Authority, createAuthority } from "./certificates.ts";
import type { Grant } from "./rbac.ts";
import { openRbacGate, type RbacGate } from "./rbac_gate.ts";

/** Whom roles are bound to. */
export const ACCOUNT = { namespace: "serin", name: "serin" };
const DEMO_FILES = new URL("../../fixtures/demo/", import.meta.url);
const API_TOKEN = "a-token-of-the-test";
const GIT = { username: "serin", password: "a-password-of-the-test" };

export interface Cast {
  readonly sandbox: Sandbox;
  readonly gate: RbacGate;
  readonly agent: AgentProcess;
  readonly clone: Clone;
  /** Deno's flags as the process has them. */
  readonly flags: readonly string[];
  readonly auditFile: string;
  /** Asks the agent's own API. */
  ask(path: string, init?: RequestInit): Promise<Response>;
}

export interface CastOptions {
  readonly grants: readonly Grant[];
  readonly change?: (files: Record<string, string>) => void;
  readonly objects?: readonly KubeObject[];
  readonly settings?: string;
  /** The agent's own namespace; "serin" unless told otherwise. */
  readonly namespace?: string;
  /** Changes the flags of the manifest, which have the test's places in them. */
  readonly flags?: (flags: readonly string[], places: Places) => readonly string[];
  /** More variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a body with the agent beside a sandbox, and takes both down. */
export async function withCast(options: CastOptions, body: (cast: Cast) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const authority = createAuthority();
  const sandbox = await startSandbox({ clock: machineClock, dir: `${dir}/server`, gitAuth: GIT });
  const certified = authority.server();
  const gate = openRbacGate({ upstream: sandbox.api.url, token: "a-bound-token", certified, grants: options.grants });
  const load = startLoad({ url: sandbox.mesh.gatewayUrl, host: HOST, ratePerSecond: 40, clock: machineClock });
  let agent: AgentProcess | undefined;
  try {
    const { namespace = ACCOUNT.namespace } = options;
    const own = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    const objects = [own, ...clusterObjects(CANARY.namespace, "public"), ...options.objects ?? []];
    for (const object of objects) sandbox.api.store.create(object);
    const files: Record<string, string> = { ...await filesOf(DEMO_FILES) };
    options.change?.(files);
    await sandbox.git.createRepository(REPOSITORY, files);
    await mount(dir, { authority, namespace }, configText(sandbox, `${dir}/etc`, options.settings ?? ""));
    const host = (url: string): string => new URL(url).host;
    const gitUrl = sandbox.git.urlOf(REPOSITORY);
    const places = {
      apiServer: `127.0.0.1:${gate.port}`,
      allowedHosts: `${host(gitUrl)},${host(sandbox.metrics.url)}`,
      configFolder: `${dir}/etc`,
      serviceAccountFolder: `${dir}/account`,
      auditFile: `${dir}/audit.jsonl`,
    };
    const given = placed(await flagsOfDeployment(), places);
    const flags = options.flags?.(given, places) ?? given;
    const running = startAgentProcess(flags, places, options.env);
    agent = running;
    const withUser = gitUrl.replace("://", `://${GIT.username}:${GIT.password}@`);
    const clone = await cloneRepository(withUser, `${dir}/clone`);
    const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
      const headers = { authorization: `Bearer ${API_TOKEN}`, "content-type": "application/json" };
      return await fetch(`http://127.0.0.1:${portOf(running)}${path}`, { ...init, headers });
    };
    await body({ sandbox, gate, agent: running, clone, flags, auditFile: places.auditFile, ask });
  } finally {
    await load.stop();
    await agent?.end();
    await gate.close();
    await sandbox.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

/** The folders that Kubernetes mounts into the pod. */
async function mount(
  dir: string,
  account: { readonly authority: Authority; readonly namespace: string },
  config: string,
): Promise<void> {
  const files = {
    "etc/serin.yaml": config,
    "etc/git/token": `${GIT.password}\n`,
    "account/token": "a-bound-token\n",
    "account/ca.crt": account.authority.caPem,
    "account/namespace": account.namespace,
  };
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${dir}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${dir}/${path}`, text);
  }
}

function configText(sandbox: Sandbox, folder: string, settings: string): string {
  return `cluster: sandbox
provider: gatewayapi:v1
metricsServer: ${sandbox.metrics.url}
engine: self
listen: 127.0.0.1:0
tokens:
  - { name: robin, hash: "${hashOf(API_TOKEN)}", roles: [admin] }
sources:
  - name: fleet
    url: ${sandbox.git.urlOf(REPOSITORY)}
    pollInterval: 1s
    auth: { username: ${GIT.username}, tokenFile: ${folder}/git/token }
${settings}`;
}

function portOf(agent: AgentProcess): number {
  const line = agent.lines.find((text) => text.includes('"event":"started"'));
  return line === undefined ? 0 : JSON.parse(line).port;
}
