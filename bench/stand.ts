/**
 * Where the agent is measured: the sandbox in this process, its API server behind TLS as in a cluster, and the agent as
 * a process of its own with a service account's folder. What the sandbox costs is not counted with the agent.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { clusterObjects, type Sandbox, startSandbox } from "../src/sandbox/sandbox.ts";
import { createAuthority } from "../test/support/certificates.ts";
import { until } from "../test/support/until.ts";

export const WEBHOOK_SECRET = "the-webhook-secret-of-the-bench";
export const REPOSITORY = "fleet";
const TOKEN = "the-token-of-the-bench";
/** Of "reader". */
const READ_TOKEN = "the-reader-of-the-bench";
const ROOT = new URL("../", import.meta.url).pathname;
const SETTLED_MS_MAX = 300_000;

export interface AgentProcess {
  readonly pid: number;
  /** Of its HTTP server. */
  readonly url: string;
  /** From spawning it to its first "ready", milliseconds. */
  readonly readyMs: number;
  /** Pushes a signed webhook of its source. */
  hint(): Promise<void>;
  /** Resolves when all canaries are at rest, on an image that ends as given. */
  settled(canaries: number, image?: string): Promise<void>;
  stop(): Promise<void>;
}

export interface Stand {
  readonly sandbox: Sandbox;
  readonly dir: string;
  startAgent(): Promise<AgentProcess>;
  /** Requests of the agent to the API server since an index of the sandbox's log. */
  requestsSince(index: number): Sandbox["api"]["requests"];
}

export interface StandOptions {
  /** The repository's first commit. */
  readonly files: (sandbox: Sandbox) => Readonly<Record<string, string>>;
  /** "1s" unless told otherwise. */
  readonly pollInterval?: string;
}

export async function withStand<T>(options: StandOptions, body: (stand: Stand) => Promise<T>): Promise<T> {
  const dir = await Deno.makeTempDir({ prefix: "serin-bench-" });
  const sandbox = await startSandbox({ clock: machineClock, dir: `${dir}/server`, token: TOKEN });
  const agents: AgentProcess[] = [];
  const front = await startFront(sandbox.api.url);
  try {
    const own = { apiVersion: "v1", kind: "Namespace", metadata: { name: "serin-system" } };
    for (const object of [own, ...clusterObjects("demo", "public")]) sandbox.api.store.create(object);
    await sandbox.git.createRepository(REPOSITORY, options.files(sandbox));
    await writeFiles(dir, { sandbox, caPem: front.caPem, pollInterval: options.pollInterval ?? "1s" });
    return await body({
      sandbox,
      dir,
      async startAgent() {
        const agent = await startAgent(dir, front.port);
        agents.push(agent);
        return agent;
      },
      requestsSince: (index) => sandbox.api.requests.slice(index).filter(({ userAgent }) => userAgent === "serin"),
    });
  } finally {
    for (const agent of agents) await agent.stop();
    front.close();
    await sandbox.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

/** TLS before the plain API server: the bytes are handed through. */
async function startFront(
  plainUrl: string,
): Promise<{ readonly port: number; readonly caPem: string; close(): void }> {
  const authority = createAuthority("bench");
  const { certPem, keyPem } = authority.server();
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: certPem, key: keyPem });
  const target = Number(new URL(plainUrl).port);
  const serve = async (): Promise<void> => {
    for await (const inner of listener) {
      const outer = await Deno.connect({ hostname: "127.0.0.1", port: target });
      // Either side may go away at any time: that is how connections end.
      inner.readable.pipeTo(outer.writable).catch(() => undefined);
      outer.readable.pipeTo(inner.writable).catch(() => undefined);
    }
  };
  serve().catch(() => undefined);
  return await Promise.resolve({ port: listener.addr.port, caPem: authority.caPem, close: () => listener.close() });
}

async function writeFiles(
  dir: string,
  parts: { readonly sandbox: Sandbox; readonly caPem: string; readonly pollInterval: string },
): Promise<void> {
  const { sandbox } = parts;
  await Deno.mkdir(`${dir}/account`);
  await Deno.writeTextFile(`${dir}/account/token`, TOKEN);
  await Deno.writeTextFile(`${dir}/account/ca.crt`, parts.caPem);
  await Deno.writeTextFile(`${dir}/account/namespace`, "serin-system");
  await Deno.writeTextFile(`${dir}/webhook`, WEBHOOK_SECRET);
  await Deno.writeTextFile(
    `${dir}/serin.yaml`,
    `cluster: sandbox
provider: gatewayapi:v1
metricsServer: ${sandbox.metrics.url}
engine: self
listen: "127.0.0.1:0"
leaderElection: { namespace: serin-system }
tokens:
  - { name: reader, hash: "sha256:${await sha256(READ_TOKEN)}", roles: [viewer] }
sources:
  - name: fleet
    url: ${sandbox.git.urlOf(REPOSITORY)}
    branch: main
    pollInterval: ${parts.pollInterval}
    webhookSecretFile: ${dir}/webhook
`,
  );
}

async function startAgent(dir: string, apiPort: number): Promise<AgentProcess> {
  const startedAt = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--frozen",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-read",
      "--allow-env",
      `${ROOT}bench/agent_main.ts`,
      `${dir}/serin.yaml`,
      `${dir}/account`,
    ],
    env: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(apiPort) },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const listening = Promise.withResolvers<number>();
  const reading = follow(child.stdout, listening);
  const url = `http://127.0.0.1:${await listening.promise}`;
  await until("the agent is ready", async () => {
    const response = await fetch(`${url}/readyz`);
    await response.body?.cancel();
    return response.ok;
  });
  const readyMs = performance.now() - startedAt;
  let stopped = false;
  return {
    pid: child.pid,
    url,
    readyMs,
    hint: () => sendHint(url),
    settled: (canaries, image = "") => settled(url, { canaries, image }),
    async stop() {
      if (stopped) return;
      stopped = true;
      child.kill("SIGTERM");
      await child.status;
      await reading;
    },
  };
}

/** Reads the agent's log to its end; the port stands in its line "started". */
async function follow(stdout: ReadableStream<Uint8Array<ArrayBuffer>>, listening: PromiseWithResolvers<number>) {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text = (text + chunk).slice(-1_000_000);
    const port = /"event":"started".*"port":(\d+)/.exec(text)?.[1];
    if (port !== undefined) listening.resolve(Number(port));
    if (Deno.env.get("BENCH_LOG") !== undefined) Deno.stderr.writeSync(new TextEncoder().encode(chunk));
  }
  listening.reject(new Error(`The agent ended before it listened: ${text}`));
}

interface Wanted {
  readonly canaries: number;
  readonly image: string;
}

async function settled(url: string, wanted: Wanted): Promise<void> {
  let last = "";
  const look = async (): Promise<boolean> => {
    const response = await fetch(`${url}/api/v1/canaries`, { headers: { authorization: `Bearer ${READ_TOKEN}` } });
    last = await response.text();
    return atRest(JSON.parse(last), wanted);
  };
  // Looks are rare, since each costs the agent a list of all canaries.
  const seldom = async (): Promise<boolean> => await look() || await machineClock.sleep(50).then(() => false);
  await until("all canaries are at rest", seldom, SETTLED_MS_MAX).catch((error) => {
    const stuck = [...last.matchAll(/"phase":"([^"]*)".*?"waitsFor":(null|"[^"]*").*?"stalled":(null|"[^"]*")/g)]
      .map(([, ...said]) => said.join(" "));
    const counts = Map.groupBy(stuck, (words) => words);
    throw new Error(`${error.message}: ${[...counts].map(([words, all]) => `${all.length} ${words}`).join("; ")}`);
  });
}

function atRest(body: unknown, { canaries, image }: Wanted): boolean {
  const list = typeof body === "object" && body !== null && "canaries" in body ? body.canaries : null;
  return isList(list) && list.length === canaries &&
    list.every((one) =>
      typeof one === "object" && one !== null && "phase" in one && one.phase === "idle" && "lockImages" in one &&
      isList(one.lockImages) && one.lockImages.every((name) => String(name).endsWith(image))
    );
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** A push webhook of source "fleet", signed with the secret of the bench. */
export async function sendHint(url: string): Promise<void> {
  const body = new TextEncoder().encode('{"ref":"refs/heads/main"}');
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(WEBHOOK_SECRET),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const signature = hex(await crypto.subtle.sign("HMAC", key, body));
  const response = await fetch(`${url}/hooks/git/fleet`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": crypto.randomUUID(),
      "x-hub-signature-256": `sha256=${signature}`,
    },
    body,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`The webhook was refused: ${response.status} ${answer}`);
}

async function sha256(text: string): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function hex(buffer: ArrayBuffer): string {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
