/** The demo's stage: a sandbox with the demo's repository, and an agent beside it, all in this process. */
import type { KubeEndpoint } from "../../adapters/platform/kube/config.ts";
import { compose, type Composed } from "../compose.ts";
import type { AgentConfig } from "../config/agent_config.ts";
import { loadConfig } from "../config/load_config.ts";
import { InvalidSpecError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import { clusterObjects, type Sandbox, type SandboxOptions, startSandbox } from "../sandbox/sandbox.ts";
import { sentence } from "../shell/views.ts";

/** Name of the repository, of its canary, and of the host that users ask for. */
export const REPOSITORY = "fleet";
export const CANARY = { namespace: "demo", name: "podinfo" };
export const HOST = "podinfo.example.com";
export const MANIFEST = "apps/podinfo/deployment.yaml";

const AGENT_NAMESPACE = "serin-system";

export interface Stage {
  readonly sandbox: Sandbox;
  /** The agent that runs, or ran last. */
  readonly composed: Composed;
  readonly config: AgentConfig;
  /** Ends the agent as a kill does: what it was about to do is not done. The sandbox goes on. */
  stopAgent(): Promise<void>;
  /** Starts an agent anew, with nothing but the cluster and Git to go by. */
  startAgent(): Promise<void>;
  /** Ends the agent, then the sandbox. */
  close(): Promise<void>;
}

export interface StageOptions {
  readonly clock: Clock;
  readonly dir: string;
  readonly files: Readonly<Record<string, string>>;
  readonly token: { readonly name: string; readonly hash: string };
  readonly telling: Parameters<typeof compose>[1]["telling"];
  /** Bound on the agent's requests to the API server; 15 s unless told otherwise. */
  readonly requestTimeoutMs?: number;
  /** Path of the program that renders kustomizations; none is needed where none asks for it. */
  readonly kustomize?: string;
  /** More lines of the configuration, as YAML. */
  readonly settings?: string;
  /** "sandbox" unless told otherwise. */
  readonly cluster?: string;
  /** "self" unless told otherwise; "detect" leaves it out of the configuration. */
  readonly engine?: "self" | "flux" | "argocd" | "detect";
  /** A repository that is there already, on another stage's Git server; `files` are not used then. */
  readonly repositoryUrl?: string;
  readonly sandbox?: Partial<SandboxOptions>;
  /** What happens in the cluster before the agent starts. */
  readonly prepare?: (sandbox: Sandbox) => Promise<void> | void;
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const sandbox = await openSandbox(options);
  try {
    await options.prepare?.(sandbox);
    const config = configFor(sandbox, options);
    let running = await runAgent(sandbox, config, options);
    return {
      sandbox,
      config,
      get composed() {
        return running.composed;
      },
      stopAgent: () => running.stop(),
      async startAgent() {
        await running.stop();
        running = await runAgent(sandbox, config, options);
      },
      async close() {
        await running.stop();
        await sandbox.stop();
      },
    };
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

/** A sandbox with the namespaces, the Gateway and the repository that the demo's canary needs. */
export async function openSandbox(
  options: Pick<StageOptions, "clock" | "dir" | "files" | "repositoryUrl" | "sandbox">,
): Promise<Sandbox> {
  const { clock, dir, files } = options;
  const sandbox = await startSandbox({ clock, dir: `${dir}/server`, ...options.sandbox });
  const own = { apiVersion: "v1", kind: "Namespace", metadata: { name: AGENT_NAMESPACE } };
  for (const object of [own, ...clusterObjects(CANARY.namespace, "public")]) sandbox.api.store.create(object);
  if (options.repositoryUrl === undefined) await sandbox.git.createRepository(REPOSITORY, files);
  return sandbox;
}

export function endpointOf(sandbox: Sandbox): KubeEndpoint {
  return { baseUrl: sandbox.api.url, namespace: AGENT_NAMESPACE, token: () => Promise.resolve(undefined) };
}

async function runAgent(
  sandbox: Sandbox,
  config: AgentConfig,
  options: StageOptions,
): Promise<{ readonly composed: Composed; stop(): Promise<void> }> {
  const composed = await compose(config, {
    clock: options.clock,
    endpoint: endpointOf(sandbox),
    identity: "serin-demo",
    readText: (path) => Deno.readTextFile(path),
    telling: options.telling,
    ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
    ...(options.kustomize === undefined ? {} : { kustomize: options.kustomize }),
  });
  const stop = new AbortController();
  const running = composed.run(stop.signal);
  return {
    composed,
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** The agent's configuration against a sandbox, read as a user's file is. */
export function configFor(
  sandbox: Sandbox,
  options: Pick<StageOptions, "token" | "settings" | "cluster" | "engine" | "repositoryUrl">,
): AgentConfig {
  const { engine = "self" } = options;
  const text = `cluster: ${options.cluster ?? "sandbox"}
provider: gatewayapi:v1
metricsServer: ${sandbox.metrics.url}
${engine === "detect" ? "" : `engine: ${engine}\n`}leaderElection: { enabled: false }
tokens:
  - { name: ${options.token.name}, hash: "${options.token.hash}", roles: [admin] }
sources:
  - name: fleet
    url: ${options.repositoryUrl ?? sandbox.git.urlOf(REPOSITORY)}
    branch: main
    pollInterval: 1s
${options.settings ?? ""}`;
  const { config, complaints } = loadConfig({ text, file: "serin.yaml", flags: new Map(), env: {} });
  if (config === null) throw new InvalidSpecError(complaints.map(sentence).join("\n"));
  return config;
}

/** Files of a folder by path below it, for a first commit. */
export async function filesOf(folder: URL, below = ""): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {};
  for await (const entry of Deno.readDir(new URL(below, folder))) {
    const path = `${below}${entry.name}`;
    if (entry.isDirectory) Object.assign(files, await filesOf(folder, `${path}/`));
    else files[path] = await Deno.readTextFile(new URL(path, folder));
  }
  return files;
}
