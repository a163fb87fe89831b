/**
 * What an application's route said when, and whether the requests of those times went where it said. The sandbox's mesh
 * follows a route at once, so that the times of its changes are the edges of the shares.
 */
import { type KubeObject, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { LoadEntry } from "../../src/sandbox/load/load_generator.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";

export interface RouteSpan {
  readonly fromMs: number;
  readonly toMs: number;
  /** Share of the -canary Service in the last rule that names it, percent. */
  readonly weight: number;
  readonly mirror: boolean;
  readonly object: KubeObject;
}

export interface RouteHistory {
  readonly spans: readonly RouteSpan[];
  /** Weights in order, equal neighbours as one. */
  weights(): readonly number[];
  stop(): void;
}

/** Follows the HTTPRoute or VirtualService of an apex from now on. */
export function followRoute(sandbox: Sandbox, apex: string, namespace = "demo"): RouteHistory {
  const points: { readonly atMs: number; readonly weight: number; readonly mirror: boolean; object: KubeObject }[] = [];
  const take = (object: KubeObject): void => {
    if (object.kind !== "HTTPRoute" && object.kind !== "VirtualService" || object.metadata.name !== apex) return;
    if (object.metadata.namespace !== namespace) return;
    const point = { atMs: Date.now(), ...shareIn(object, `${apex}-canary`), object };
    const last = points.at(-1);
    if (last?.weight === point.weight && last.mirror === point.mirror) last.object = object;
    else points.push(point);
  };
  const { store } = sandbox.api;
  for (const kind of ["HTTPRoute", "VirtualService"]) {
    const group = kind === "HTTPRoute" ? "gateway.networking.k8s.io/v1" : "networking.istio.io/v1";
    for (const object of store.list(group, kind, namespace)) take(object);
  }
  const stop = store.watch(({ type, object }) => {
    if (type !== "DELETED") take(object);
  });
  const spans = () =>
    points.map(({ atMs, ...point }, index) => ({
      fromMs: atMs,
      toMs: points[index + 1]?.atMs ?? Number.POSITIVE_INFINITY,
      ...point,
    }));
  return {
    get spans() {
      return spans();
    },
    weights: () => spans().map(({ weight }) => weight).filter((weight, index, all) => weight !== all[index - 1]),
    stop,
  };
}

function shareIn(object: KubeObject, service: string): { readonly weight: number; readonly mirror: boolean } {
  let weight = 0;
  let mirror = false;
  for (const rule of [...listAt(object, "spec", "rules"), ...listAt(object, "spec", "http")]) {
    const backends = [...listAt(rule, "backendRefs"), ...listAt(rule, "route")];
    for (const backend of backends) {
      const name = stringAt(backend, "name") ?? stringAt(backend, "destination", "host") ?? "";
      if (name.split(".")[0] !== service) continue;
      const alone = backends.length === 1;
      weight = numberAt(backend, "weight") ?? (alone ? 100 : 0);
    }
    mirror ||= /"type":"RequestMirror"|"mirror":/.test(JSON.stringify(rule));
  }
  return { weight, mirror };
}

/** Clocks of the log and of the history count in whole milliseconds. */
const EDGE_MS = 3;

/** Requests sent and answered within a span, so that they were decided on in it; those without an answer left out. */
export function within(span: RouteSpan, log: readonly LoadEntry[]): readonly LoadEntry[] {
  return log.filter(({ atMs, ms, status }) =>
    status !== 0 && atMs > span.fromMs + EDGE_MS && atMs + ms + EDGE_MS < span.toMs
  );
}

/**
 * Pearson's chi-squared of one share, one degree of freedom: below 10.8 in 999 of 1000 fair draws. For a share of 0 or
 * 1, where one request on the wrong side is enough, infinite or 0.
 */
export function chiSquared(hits: number, of: number, share: number): number {
  const wanted = of * share;
  const variance = of * share * (1 - share);
  if (variance === 0) return hits === wanted ? 0 : Number.POSITIVE_INFINITY;
  return (hits - wanted) ** 2 / variance;
}
