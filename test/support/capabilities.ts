/** Capabilities for tests: every router of Flagger's with what Flagger's own can do, and a few things left unbuilt. */
import type { AlertProvider, CanaryId, MetricTemplate, RouterTraits } from "../../src/core/canary.ts";
import { canaryKey } from "../../src/core/canary.ts";
import { BUILT_CHOICES, type Capabilities } from "../../src/spec/capabilities.ts";
import type { Resolved, SpecContext } from "../../src/spec/context.ts";
import { FLAGGER_PROVIDERS } from "../../src/core/flagger.ts";
import { ALERT_TYPES, FLAGGER_METRIC_PROVIDERS, SERIN_METRIC_PROVIDERS } from "../../src/spec/schema_others.ts";

const weightsOnly: RouterTraits = { weights: true, match: false, mirror: "none", affinity: "none" };

/** Traits by router; `smi:v1alpha1` and `osm` are left out, so that something is known and not built. */
export const routerTraits: ReadonlyMap<string, RouterTraits> = new Map<string, RouterTraits>([
  ["appmesh", { ...weightsOnly, match: true }],
  ["appmesh:v1beta2", { ...weightsOnly, match: true }],
  ["apisix", weightsOnly],
  ["contour", { ...weightsOnly, match: true }],
  ["gatewayapi:v1", { weights: true, match: true, mirror: "all", affinity: "primary" }],
  ["gatewayapi:v1beta1", { weights: true, match: true, mirror: "all", affinity: "canary" }],
  ["gloo", { ...weightsOnly, match: true }],
  ["istio", { weights: true, match: true, mirror: "percent", affinity: "primary" }],
  ["knative", weightsOnly],
  ["kubernetes", { ...weightsOnly, weights: false }],
  ["kuma", weightsOnly],
  ["linkerd", weightsOnly],
  ["nginx", { ...weightsOnly, match: true }],
  ["skipper", weightsOnly],
  ["smi:v1alpha2", weightsOnly],
  ["smi:v1alpha3", weightsOnly],
  ["traefik", weightsOnly],
]);

/** Capabilities of tests; what a test is about is given in `more`. */
export function testCapabilities(more: Partial<Capabilities> = {}): Capabilities {
  return {
    routers: routerTraits,
    knownRouters: FLAGGER_PROVIDERS,
    metricProviders: ["prometheus", "datadog", "graphite", "web"],
    knownMetricProviders: [...FLAGGER_METRIC_PROVIDERS, ...SERIN_METRIC_PROVIDERS],
    alertTypes: ["slack", "discord"],
    knownAlertTypes: ALERT_TYPES,
    targetKinds: ["apps/v1/Deployment", "apps/v1/DaemonSet", "apps/v1/StatefulSet", "serving.knative.dev/v1/Service"],
    scalerKinds: ["autoscaling/v2/HorizontalPodAutoscaler", "keda.sh/v1alpha1/ScaledObject"],
    defaults: { provider: "istio", metricsServer: "http://prometheus:9090" },
    profiles: new Map(),
    built: BUILT_CHOICES,
    ...more,
  };
}

/** A context with the given templates and alert providers, and nothing else beside the canary. */
export function testContext(
  more: {
    readonly capabilities?: Capabilities;
    readonly templates?: readonly MetricTemplate[];
    readonly providers?: readonly AlertProvider[];
  } = {},
): SpecContext {
  return {
    capabilities: more.capabilities ?? testCapabilities(),
    template: (id) => resolve(id, more.templates ?? []),
    alertProvider: (id) => resolve(id, more.providers ?? []),
  };
}

function resolve<T extends { readonly id: CanaryId }>(id: CanaryId, all: readonly T[]): Resolved<T> {
  const value = all.find((one) => canaryKey(one.id) === canaryKey(id));
  return value === undefined
    ? { type: "missing", known: all.map((one) => canaryKey(one.id)) }
    : { type: "found", value };
}
