/**
 * The agent as a process, started with the very Deno flags that deploy/base/deployment.yaml gives it: only the folders,
 * ports and hosts are those of the test. Its log and what it asked of the runtime are kept.
 */
import { listAt } from "../../src/core/kube_object.ts";
import { objectsIn } from "./rbac.ts";

const ROOT = new URL("../../", import.meta.url);

/** What stands in the manifest, and what the test has instead. */
export interface Places {
  /** host:port of the API server. */
  readonly apiServer: string;
  /** As in the ConfigMap: host:port, separated by commas. */
  readonly allowedHosts: string;
  /** For /etc/serin. */
  readonly configFolder: string;
  readonly serviceAccountFolder: string;
  /** Where the runtime writes every permission that was asked for. */
  readonly auditFile: string;
}

export interface AgentProcess {
  /** Lines of its log so far. */
  readonly lines: readonly string[];
  /** Whether it has ended by itself. */
  readonly ended: boolean;
  /** Ends it as Kubernetes does; returns its exit code and what it wrote to stderr. */
  end(): Promise<{ readonly code: number; readonly errors: string }>;
}

/** Arguments of the container up to the program, as the manifest has them. */
export async function flagsOfDeployment(): Promise<readonly string[]> {
  const text = await Deno.readTextFile(new URL("deploy/base/deployment.yaml", ROOT));
  const args = listAt(objectsIn(text)[0], "spec", "template", "spec", "containers", 0, "args").map(String);
  return args.slice(0, args.indexOf("src/main.ts"));
}

/** The manifest's flags with the test's places in them. */
export function placed(flags: readonly string[], places: Places): readonly string[] {
  const replaced: readonly (readonly [string, string])[] = [
    ["$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)", places.apiServer],
    ["$(ALLOWED_HOSTS)", places.allowedHosts],
    ["0.0.0.0:8080", "127.0.0.1:0"],
    ["/etc/serin", places.configFolder],
    ["/var/run/secrets/kubernetes.io/serviceaccount", places.serviceAccountFolder],
  ];
  return flags.map((flag) => replaced.reduce((text, [from, to]) => text.replace(from, to), flag));
}

/** @param flags as `placed` returns them */
export function startAgentProcess(
  flags: readonly string[],
  places: Places,
  env: Readonly<Record<string, string>> = {},
): AgentProcess {
  const [host = "", port = ""] = places.apiServer.split(":");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...flags,
      "test/support/agent_main.ts",
      places.serviceAccountFolder,
      "run",
      `--config=${places.configFolder}/serin.yaml`,
    ],
    cwd: ROOT,
    env: {
      KUBERNETES_SERVICE_HOST: host,
      KUBERNETES_SERVICE_PORT: port,
      POD_NAME: "serin-0",
      DENO_AUDIT_PERMISSIONS: places.auditFile,
      NO_COLOR: "1",
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const reading = readLines(child.stdout, lines);
  const errors = new Response(child.stderr).text();
  let ended = false;
  child.status.then(() => ended = true);
  return {
    lines,
    get ended() {
      return ended;
    },
    async end() {
      try {
        child.kill("SIGTERM");
      } catch (error) {
        // It has ended by itself; its exit code tells.
        if (!(error instanceof TypeError)) throw error;
      }
      const { code } = await child.status;
      await reading;
      return { code, errors: await errors };
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
}
