/** The demo's stage: a sandbox with the demo's repository, and an agent beside it, all in this process. */
import { compose, type Composed } from "../compose.ts";
import type { AgentConfig } from "../config/agent_config.ts";
import { loadConfig } from "../config/load_config.ts";
import { InvalidSpecError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import { clusterObjects, type Sandbox, startSandbox } from "../sandbox/sandbox.ts";
import { sentence } from "../shell/views.ts";
import type { Telling } from "../shell/telling.ts";

/** Name of the repository, of its canary, and of the host that users ask for. */
export const REPOSITORY = "fleet.git";
export const CANARY = { namespace: "demo", name: "podinfo" };
export const HOST = "podinfo.example.com";
export const MANIFEST = "apps/podinfo/deployment.yaml";

const AGENT_NAMESPACE = "serin-system";

export interface Stage {
  readonly sandbox: Sandbox;
  readonly composed: Composed;
  readonly config: AgentConfig;
  /** Ends the agent, then the sandbox. */
  close(): Promise<void>;
}

export interface StageOptions {
  readonly clock: Clock;
  readonly dir: string;
  readonly files: Readonly<Record<string, string>>;
  readonly token: { readonly name: string; readonly hash: string };
  readonly telling: Parameters<typeof compose>[1]["telling"];
  /** More lines of the configuration, as YAML. */
  readonly settings?: string;
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const { clock } = options;
  const sandbox = await startSandbox({ clock, dir: `${options.dir}/server` });
  const own = { apiVersion: "v1", kind: "Namespace", metadata: { name: AGENT_NAMESPACE } };
  for (const object of [own, ...clusterObjects(CANARY.namespace, "public")]) sandbox.api.store.create(object);
  await sandbox.git.createRepository(REPOSITORY, options.files);
  const config = configFor(sandbox, options);
  const composed = await compose(config, {
    clock,
    endpoint: {
      baseUrl: sandbox.api.url,
      namespace: AGENT_NAMESPACE,
      token: () => Promise.resolve(undefined),
    },
    identity: "serin-demo",
    readText: (path) => Deno.readTextFile(path),
    telling: options.telling,
  });
  const stop = new AbortController();
  const running = composed.run(stop.signal);
  return {
    sandbox,
    composed,
    config,
    async close() {
      stop.abort();
      await running;
      await sandbox.stop();
    },
  };
}

function configFor(sandbox: Sandbox, options: StageOptions): AgentConfig {
  const text = `cluster: sandbox
provider: gatewayapi:v1
metricsServer: ${sandbox.metrics.url}
engine: self
leaderElection: { enabled: false }
tokens:
  - { name: ${options.token.name}, hash: "${options.token.hash}", roles: [admin] }
sources:
  - name: fleet
    url: ${sandbox.git.urlOf(REPOSITORY)}
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

/** A telling that also hands each announcement to a listener. */
export function overheard(telling: Telling, listen: (kind: string, message: string, weight: number) => void): Telling {
  return {
    ...telling,
    async announce(canary, state, announcement) {
      listen(announcement.kind, announcement.message, announcement.weight);
      await telling.announce(canary, state, announcement);
    },
  };
}
