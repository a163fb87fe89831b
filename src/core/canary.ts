/**
 * The `Canary` as the core sees it: parsed, every default filled in, durations in milliseconds, provider resolved.
 * `src/spec/` makes it and is the only place that knows YAML field names; nothing here may be undefined by accident.
 */
import type { JsonObject } from "./kube_object.ts";

export interface CanaryId {
  readonly namespace: string;
  readonly name: string;
}

/** "prod/shop": the key of queues, maps, logs and the API. */
export function canaryKey(id: CanaryId): string {
  return `${id.namespace}/${id.name}`;
}

/** Integer percent, 0 to 100, of the canary; the primary has the rest. */
export type Weight = number;

/** Where a thing was read: path in the repository, 1-based line of its document's first key. */
export interface SourceRef {
  readonly file: string;
  readonly line: number;
}

export interface Canary {
  readonly id: CanaryId;
  readonly api: "flagger.app/v1beta1" | "serin.dev/v1";
  readonly source: SourceRef;
  readonly provider: string;
  /** What the provider's router can do; copied here so that pure code need not know routers. */
  readonly traits: RouterTraits;
  /** Base URL of the Prometheus for built-in metrics and inline queries. */
  readonly metricsServer: string;
  readonly target: TargetRef;
  readonly scaler: ScalerRef | null;
  readonly service: ServiceSpec;
  readonly analysis: AnalysisSpec;
  readonly progressDeadlineMs: number;
  readonly skipAnalysis: boolean;
  readonly revertOnDeletion: boolean;
  readonly suspend: boolean;
  /** null: found out from the target's labels and annotations. */
  readonly engine: EngineId | null;
  readonly render: "manifests" | "kustomize" | "live";
  readonly promotion: PromotionSpec;
  readonly release: { readonly group: string | null; readonly scope: "canary" | "fleet" };
  readonly configTracking: "declared" | "live" | "off";
}

export type EngineId = "self" | "flux" | "argocd";

export interface TargetRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

export interface ScalerRef extends TargetRef {
  readonly primaryMinReplicas: number | null;
  readonly primaryMaxReplicas: number | null;
  readonly primaryQueries: Readonly<Record<string, string>>;
}

/** What a router can do. An unsupported combination is refused when the spec is read, never routed around. */
export interface RouterTraits {
  /** Can split traffic by weight; false: the share stays at 0 and the analysis is blue/green without traffic. */
  readonly weights: boolean;
  /** Can route by request (A/B). */
  readonly match: boolean;
  readonly mirror: "none" | "all" | "percent";
  /** Can set session cookies; "primary" also on the primary. */
  readonly affinity: "none" | "canary" | "primary";
}

export interface Metadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One form of a string match, as Istio writes it. */
export type StringMatch = { readonly type: "exact" | "prefix" | "suffix" | "regex"; readonly value: string };

/** Istio's HTTPMatchRequest; absent parts match everything. Names of headers in lower case, sorted. */
export interface HttpMatch {
  readonly name: string | null;
  readonly uri: StringMatch | null;
  readonly ignoreUriCase: boolean;
  readonly scheme: StringMatch | null;
  readonly method: StringMatch | null;
  readonly authority: StringMatch | null;
  readonly headers: Readonly<Record<string, StringMatch>>;
  readonly withoutHeaders: Readonly<Record<string, StringMatch>>;
  readonly queryParams: Readonly<Record<string, StringMatch>>;
  readonly port: number | null;
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace: string | null;
  readonly gateways: readonly string[];
}

export interface HeaderOperations {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface ServiceSpec {
  /** The apex: `service.name`, or the target's name. */
  readonly name: string;
  readonly port: number;
  readonly portName: string;
  readonly targetPort: number | string;
  readonly appProtocol: string | null;
  readonly trafficDistribution: string | null;
  readonly portDiscovery: boolean;
  readonly headless: boolean;
  /** As written ("5s"), since routers copy it; null when absent. */
  readonly timeout: string | null;
  readonly backendTimeout: string | null;
  readonly gateways: readonly string[];
  readonly gatewayRefs: readonly GatewayRef[];
  readonly hosts: readonly string[];
  readonly delegation: boolean;
  /** Istio's TrafficPolicy as written, or null. */
  readonly trafficPolicy: JsonObject | null;
  readonly match: readonly HttpMatch[];
  readonly rewrite:
    | { readonly uri: string | null; readonly authority: string | null; readonly type: string | null }
    | null;
  readonly retries: {
    readonly attempts: number;
    readonly perTryTimeout: string | null;
    readonly retryOn: string | null;
  } | null;
  readonly headers: { readonly request: HeaderOperations; readonly response: HeaderOperations } | null;
  /** Permanent mirrors of the user's own (`service.mirror`), backendRefs as written with defaults. */
  readonly mirror: readonly JsonObject[];
  /** Istio's CorsPolicy as written, or null. */
  readonly corsPolicy: JsonObject | null;
  readonly meshName: string | null;
  readonly backends: readonly string[];
  readonly apex: Metadata;
  readonly primary: Metadata;
  readonly canary: Metadata;
  readonly unmanaged: { readonly labels: readonly string[]; readonly annotations: readonly string[] };
  /** ingressRef, routeRef, upstreamRef of the routers that need one. */
  readonly ingressRef: TargetRef | null;
  readonly routeRef: TargetRef | null;
  readonly upstreamRef: (TargetRef & { readonly namespace: string }) | null;
}

export interface GatewayRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | null;
  readonly sectionName: string | null;
  readonly port: number | null;
}

/** How traffic reaches the canary. Decided once, when the spec is read. */
export type Strategy =
  | { readonly type: "weights"; readonly steps: readonly Weight[]; readonly stepWeightPromotion: number }
  | { readonly type: "ab"; readonly iterations: number; readonly match: readonly HttpMatch[] }
  | { readonly type: "blue-green"; readonly iterations: number };

export type Inconclusive = "fail" | "hold" | "pass";

export interface AnalysisSpec {
  readonly intervalMs: number;
  /** Failed checks that end the rollout; at least 1. */
  readonly threshold: number;
  /** For weights: rising, non-empty steps, the last one the maximum. */
  readonly strategy: Strategy;
  readonly mirror: boolean;
  /** Percent of requests mirrored. */
  readonly mirrorWeight: number;
  readonly primaryReadyPercent: number;
  readonly canaryReadyPercent: number;
  readonly failureCounting: "cumulative" | "consecutive";
  readonly onInconclusive: Inconclusive;
  readonly onNoData: Inconclusive;
  readonly minSamples: number;
  readonly metrics: readonly MetricSpec[];
  readonly webhooks: readonly WebhookSpec[];
  readonly alerts: readonly AlertSpec[];
  readonly sessionAffinity: SessionAffinity | null;
}

export interface Range {
  readonly min: number | null;
  readonly max: number | null;
}

/** Where a metric's number comes from. */
export type MetricSource =
  | { readonly type: "builtin"; readonly name: "request-success-rate" | "request-duration" }
  | { readonly type: "inline"; readonly query: string }
  | { readonly type: "template"; readonly template: MetricTemplate };

export interface MetricSpec {
  readonly name: string;
  readonly source: MetricSource;
  /** The query window as written ("1m"), or null where a template has none. */
  readonly interval: string | null;
  readonly windowMs: number;
  readonly range: Range;
  readonly variables: Readonly<Record<string, string>>;
  readonly critical: boolean;
  readonly dryRun: boolean;
  readonly judge: "threshold" | "sequential" | "mann-whitney";
}

/** A MetricTemplate, resolved from Git when the Canary is read. */
export interface MetricTemplate {
  readonly id: CanaryId;
  readonly source: SourceRef;
  readonly provider: {
    readonly type: string;
    readonly address: string | null;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly secretName: string | null;
    readonly region: string | null;
    readonly insecureSkipVerify: boolean;
    readonly replicas: number;
  };
  readonly query: string;
}

export type WebhookType =
  | "confirm-rollout"
  | "pre-rollout"
  | "rollout"
  | "confirm-traffic-increase"
  | "confirm-promotion"
  | "post-rollout"
  | "rollback"
  | "event";

export interface WebhookSpec {
  readonly name: string;
  readonly url: string;
  readonly type: WebhookType;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly muteAlert: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly insecureSkipVerify: boolean;
}

export type Severity = "info" | "warn" | "error";

export interface AlertSpec {
  readonly name: string;
  readonly severity: Severity;
  readonly provider: AlertProvider;
}

/** An AlertProvider, resolved from Git when the Canary is read. */
export interface AlertProvider {
  readonly id: CanaryId;
  readonly source: SourceRef;
  readonly type: string;
  readonly address: string | null;
  readonly secretName: string | null;
  readonly channel: string;
  readonly username: string;
  readonly proxyUrl: string | null;
}

export interface SessionAffinity {
  readonly cookieName: string;
  readonly primaryCookieName: string | null;
  readonly maxAgeSeconds: number;
  readonly domain: string | null;
  readonly path: string | null;
  readonly httpOnly: boolean;
  readonly secure: boolean;
  readonly partitioned: boolean;
  readonly sameSite: "Strict" | "Lax" | "None" | null;
}

export interface PromotionSpec {
  readonly mode: "direct" | "pull-request";
  readonly topology: "branch" | "pull-request";
  /** How long a route must have been observed before anything is scaled down. */
  readonly settleMs: number;
  readonly allowSharedState: readonly string[];
  /** Pod template paths left out when the live template is compared, such as "metadata.annotations[kubectl.kubernetes.io/restartedAt]". */
  readonly ignoreTemplateFields: readonly string[];
}
