/**
 * What this build can do, and the agent's defaults: an argument of the parsers, so that they import no adapter. What is
 * known but not built is refused as "not supported yet", for the one canary that asks for it.
 */
import type { Canary, EngineId, MetricSpec, PromotionSpec, RouterTraits } from "../core/canary.ts";
import type { JsonObject } from "../core/kube_object.ts";

/** What is built, what is only known, and the agent's defaults. */
export interface Capabilities {
  /** Routers that are built, with what each can do. */
  readonly routers: ReadonlyMap<string, RouterTraits>;
  /** Routers that are understood, built or not. */
  readonly knownRouters: readonly string[];
  /** Those that are built; the schema refuses what is not known at all. */
  readonly metricProviders: readonly string[];
  readonly knownMetricProviders: readonly string[];
  readonly alertTypes: readonly string[];
  readonly knownAlertTypes: readonly string[];
  /** "apps/v1/Deployment"; the version must be this one. */
  readonly targetKinds: readonly string[];
  /** "autoscaling/v2/HorizontalPodAutoscaler"; a reference may name any version, this one is used. */
  readonly scalerKinds: readonly string[];
  readonly defaults: { readonly provider: string; readonly metricsServer: string };
  /** Specs of `serin.dev/canary: <profile>`, without `targetRef`, by name. */
  readonly profiles: ReadonlyMap<string, JsonObject>;
  readonly built: BuiltChoices;
}

/** Of the fields with a fixed choice of values, those values that are built. */
export interface BuiltChoices {
  readonly engines: readonly EngineId[];
  readonly renders: readonly Canary["render"][];
  readonly judges: readonly MetricSpec["judge"][];
  readonly modes: readonly PromotionSpec["mode"][];
  readonly topologies: readonly PromotionSpec["topology"][];
  readonly configTrackings: readonly Canary["configTracking"][];
  readonly scopes: readonly Canary["release"]["scope"][];
  /** Whether `spec.release.group` is built. */
  readonly releaseGroups: boolean;
}

/** What is built today. */
export const BUILT_CHOICES: BuiltChoices = {
  engines: ["self", "flux", "argocd"],
  renders: ["manifests", "kustomize", "live"],
  judges: ["threshold"],
  modes: ["direct"],
  topologies: ["branch"],
  configTrackings: ["declared", "off"],
  scopes: ["canary"],
  releaseGroups: false,
};

/** "apps/v1" and "Deployment" of "apps/v1/Deployment". */
export function splitKind(kind: string): { readonly apiVersion: string; readonly kind: string } {
  const slash = kind.lastIndexOf("/");
  return { apiVersion: kind.slice(0, slash), kind: kind.slice(slash + 1) };
}

/** "apps" of "apps/v1"; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}
