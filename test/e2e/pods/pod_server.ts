/**
 * One pod as a real HTTP server at its own address, as good or bad as its image's tag says. It ends as a well-behaved
 * container does: it goes on serving until nobody routes to it any more, then lets requests in flight end.
 */
import type { Clock } from "../../../src/ports/clock.ts";
import { createAppMetrics } from "../../../src/sandbox/apps/app_metrics.ts";
import { type Behaviour, drawLatencyMs } from "../../../src/sandbox/apps/behaviour.ts";

export interface PodServer {
  /** Resolves true when it is ready to serve, false when it never will be. */
  readonly ready: Promise<boolean>;
  /** Resolves when it has ended, by itself or by `stop`. */
  readonly exited: Promise<void>;
  /** A SIGTERM, and a SIGKILL after the grace period. */
  stop(graceMs: number): Promise<void>;
}

export interface PodServerOptions {
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  readonly behaviour: Behaviour;
  readonly clock: Clock;
}

/** Proxies hear of a pod's end a moment after it was told: the `preStop` sleep that production pods have. */
const LAME_DUCK_MS = 2_000;

export function startPodServer(options: PodServerOptions): PodServer {
  const { behaviour, clock, hostname, port } = options;
  const metrics = createAppMetrics();
  const end = new AbortController();

  async function answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/metrics") {
      return new Response(await metrics.page(), { headers: { "content-type": "text/plain; version=0.0.4" } });
    }
    const startMs = clock.monotonic();
    await request.body?.cancel();
    const latencyMs = drawLatencyMs(behaviour.latencyMs, () => clock.random());
    if (latencyMs >= 1) await clock.sleep(latencyMs, end.signal).catch(() => {});
    const status = clock.random() < behaviour.errorRate ? 500 : 200;
    metrics.record({ method: request.method, path: "root", status }, (clock.monotonic() - startMs) / 1000);
    const { namespace, name } = options;
    const body = { version: behaviour.version, pod: name, namespace, path: pathname + search };
    return Response.json(body, { status, headers: { "x-app-version": behaviour.version } });
  }

  const server = Deno.serve({ hostname, port, signal: end.signal, onListen() {} }, answer);
  const slept = (ms: number, signal: AbortSignal): Promise<boolean> =>
    clock.sleep(ms, signal).then(() => true, () => false);

  async function terminate(graceMs: number): Promise<void> {
    await slept(Math.min(LAME_DUCK_MS, graceMs), end.signal);
    const drained = new AbortController();
    const killed = slept(graceMs - LAME_DUCK_MS, AbortSignal.any([end.signal, drained.signal]));
    const isDrained = await Promise.race([server.shutdown().then(() => true), killed.then(() => false)]);
    drained.abort();
    // Aborting a server that has shut down already is an error of the runtime.
    if (!isDrained) end.abort();
    await server.finished;
  }

  if (behaviour.crashAfterMs !== undefined) {
    void slept(behaviour.crashAfterMs, end.signal).then(() => end.abort());
  }
  let stopping: Promise<void> | undefined;
  return {
    ready: slept(behaviour.startupMs, end.signal).then((started) => started && behaviour.neverReady !== true),
    exited: server.finished,
    stop(graceMs) {
      stopping ??= terminate(graceMs);
      return stopping;
    },
  };
}
