/**
 * The application of one pod: a real HTTP server on loopback that is as good or bad as its version. Answers tell which
 * version and pod gave them, and which headers arrived, so that tests see what a mesh did on the way.
 */
import type { Clock } from "../../ports/clock.ts";
import { serveLoopback } from "../loopback_server.ts";
import type { PodProcess } from "../pod_runtime.ts";
import { createAppMetrics } from "./app_metrics.ts";
import { type Behaviour, drawLatencyMs } from "./behaviour.ts";

export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
}

/** What `GET /` answers, as JSON. */
export interface AppAnswer {
  readonly version: string;
  readonly pod: string;
  readonly namespace: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** After `stop`, requests are still taken for so long: whoever routes to the pod learns of its end a moment later. */
const LAME_DUCK_MS = 250;

/** Starts serving. The address is known at once; readiness comes after `startupMs`. */
export function startPodApp(pod: PodIdentity, behaviour: Behaviour, clock: Clock): PodProcess {
  const metrics = createAppMetrics();
  const end = new AbortController();
  const exited = Promise.withResolvers<void>();
  let isReady = false;
  let stopping: Promise<void> | undefined;

  const server = serveLoopback(async (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/metrics") {
      return new Response(await metrics.page(), { headers: { "content-type": "text/plain; version=0.0.4" } });
    }
    if (url.pathname === "/healthz") return new Response("ok\n");
    if (url.pathname === "/readyz") {
      return new Response(isReady ? "ok\n" : "starting\n", { status: isReady ? 200 : 503 });
    }
    const startMs = clock.monotonic();
    await request.body?.cancel();
    const latencyMs = drawLatencyMs(behaviour.latencyMs, () => clock.random());
    if (latencyMs >= 1) await clock.sleep(latencyMs, end.signal).catch(() => {});
    const status = clock.random() < behaviour.errorRate ? 500 : 200;
    metrics.record({ method: request.method, path: "root", status }, (clock.monotonic() - startMs) / 1000);
    const answer: AppAnswer = {
      version: behaviour.version,
      pod: pod.name,
      namespace: pod.namespace,
      method: request.method,
      path: url.pathname,
      query: url.search,
      headers: Object.fromEntries(request.headers),
    };
    return Response.json(answer, { status, headers: { "x-app-version": behaviour.version } });
  });

  async function becomeReady(): Promise<boolean> {
    const started = await slept(clock, behaviour.startupMs, end.signal);
    isReady = started && behaviour.neverReady !== true;
    return isReady;
  }

  async function crash(afterMs: number): Promise<void> {
    if (await slept(clock, afterMs, end.signal)) await close();
  }

  async function close(): Promise<void> {
    end.abort(new Error("the pod has ended"));
    await server.down();
    exited.resolve();
  }

  /** Lame duck first, then requests in flight end, then everything is cut: all within the grace period. */
  async function terminate(graceMs: number): Promise<void> {
    const lameDuckMs = Math.min(LAME_DUCK_MS, graceMs);
    if (lameDuckMs > 0) await slept(clock, lameDuckMs, end.signal);
    const cut = new AbortController();
    const deadline = AbortSignal.any([cut.signal, end.signal]);
    await Promise.race([server.idle(), slept(clock, graceMs - lameDuckMs, deadline)]);
    cut.abort(new Error("drained"));
    await close();
  }

  if (behaviour.crashAfterMs !== undefined) void crash(behaviour.crashAfterMs);
  return {
    address: { hostname: server.hostname, port: server.port },
    ready: becomeReady(),
    exited: exited.promise,
    stop(graceMs) {
      stopping ??= terminate(graceMs);
      return stopping;
    },
  };
}

/** Whether the sleep came to its end. */
async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  return await clock.sleep(ms, signal).then(() => true, () => false);
}
