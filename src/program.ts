/** The running agent: composed, with telemetry and its HTTP server. The program and the demo start it in the same way. */
import type { KubeEndpoint } from "../adapters/platform/kube/config.ts";
import { compose, type Composed } from "./compose.ts";
import type { AgentConfig } from "./config/agent_config.ts";
import { InvalidSpecError } from "./errors.ts";
import type { Clock } from "./ports/clock.ts";
import { createServer } from "./server/server.ts";
import type { Telling } from "./shell/telling.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { thisProcess, watchLoopLag } from "./telemetry/process.ts";
import { createTelling } from "./telling.ts";

export interface ProgramOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly endpoint: KubeEndpoint;
  /** Unique among replicas: the pod's name. */
  readonly identity: string;
  readonly version: string;
  readonly readText: (path: string) => Promise<string>;
  /** Takes log lines with their newline. */
  readonly write: (line: string) => void;
  /** Hears announcements too, for the demo. */
  readonly overhear?: (telling: Telling) => Telling;
}

export interface Program {
  readonly composed: Composed;
  /** Where the HTTP server listens. */
  readonly url: string;
  readonly log: Log;
  /** Resolves when everything has ended after `stop`. */
  readonly finished: Promise<void>;
  stop(): Promise<void>;
}

export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { config, clock, version } = options;
  const stop = new AbortController();
  const log = createLog({ clock, level: config.logLevel, write: options.write });
  const alertUrl = config.alerts === null ? null : (await options.readText(config.alerts.urlFile)).trim();
  const made: { composed: Composed | null; metrics: Metrics | null } = { composed: null, metrics: null };
  const metrics = createMetrics({
    version,
    cluster: config.cluster,
    provider: config.provider,
    flagger: config.flaggerMetrics,
    process: thisProcess,
    lag: watchLoopLag(clock, stop.signal),
    kubeRequests: () => made.composed?.cluster.requests ?? new Map(),
    isLeader: () => made.composed?.agent.leading ?? false,
    queueDepth: () => made.composed?.agent.queued ?? 0,
  });
  try {
    const composed = await compose(config, {
      clock,
      endpoint: options.endpoint,
      identity: options.identity,
      readText: options.readText,
      telling(clients) {
        const { telling } = createTelling({ ...clients, clock, log, metrics, config, alertUrl, signal: stop.signal });
        return options.overhear?.(telling) ?? telling;
      },
    });
    made.composed = composed;
    metrics.follow(() => composed.agent.canaries());
    return await serve(options, { composed, metrics, log, stop });
  } catch (error) {
    stop.abort();
    throw error;
  }
}

async function serve(
  options: ProgramOptions,
  parts: { readonly composed: Composed; readonly metrics: Metrics; readonly log: Log; readonly stop: AbortController },
): Promise<Program> {
  const { config, clock } = options;
  const { composed, log, stop } = parts;
  const webhooks = config.sources.flatMap(({ name, webhookSecretFile }) =>
    webhookSecretFile === null ? [] : [[name, async () => (await options.readText(webhookSecretFile)).trim()] as const]
  );
  const server = createServer({
    agent: composed.agent,
    tokens: config.tokens,
    publicRead: config.publicRead,
    webhooks: new Map(webhooks),
    registry: parts.metrics.registry,
    clock,
    cluster: config.cluster,
    version: options.version,
    log,
  });
  const { hostname, port } = config.listen;
  let listener: Deno.HttpServer<Deno.NetAddr>;
  try {
    listener = Deno.serve({ hostname, port, onListen: () => {} }, (request, info) => server.fetch(request, info));
  } catch (error) {
    stop.abort();
    await composed.run(stop.signal);
    throw new InvalidSpecError(
      `Cannot listen on ${hostname}:${port}: ${error instanceof Error ? error.message : error}`,
      {
        fix: "Set listen to a free address",
        cause: error,
      },
    );
  }
  log.info("started", {
    version: options.version,
    cluster: config.cluster,
    port: listener.addr.port,
    mode: config.mode,
  });
  const finished = composed.run(stop.signal).finally(() => listener.shutdown());
  return {
    composed,
    url: `http://${hostname === "0.0.0.0" ? "127.0.0.1" : hostname}:${listener.addr.port}`,
    log,
    finished,
    async stop() {
      stop.abort();
      await finished;
    },
  };
}
