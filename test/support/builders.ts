/**
 * Builders of canaries, releases and manifests for tests. Every field has a default, so that what a test sets is what
 * it is about. Values are as `src/spec/` would make them of a small Canary of "prod/shop" on the Kubernetes router.
 */
import type { Canary, HttpMatch, RouterTraits, Strategy } from "../../src/core/canary.ts";
import type { JsonObject, KubeObject } from "../../src/core/kube_object.ts";
import { type ConfigName, type Release, releaseOf } from "../../src/core/release.ts";

/** Any part of a value; lists and the unions of `Strategy` are replaced whole. */
export type DeepPartial<T> = T extends readonly unknown[] ? T
  : T extends Strategy ? T
  : T extends object ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
  : T;

/** What a router of everything can do; tests of one router give its own traits. */
export const ALL_TRAITS: RouterTraits = { weights: true, match: true, mirror: "percent", affinity: "primary" };

const NO_METADATA = { labels: {}, annotations: {} };

const DEFAULT_CANARY: Canary = {
  id: { namespace: "prod", name: "shop" },
  api: "flagger.app/v1beta1",
  source: { file: "apps/shop/canary.yaml", line: 1 },
  provider: "kubernetes",
  traits: ALL_TRAITS,
  metricsServer: "http://prometheus:9090",
  target: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" },
  scaler: null,
  service: {
    name: "shop",
    port: 80,
    portName: "http",
    targetPort: 8080,
    appProtocol: null,
    trafficDistribution: null,
    portDiscovery: false,
    headless: false,
    timeout: null,
    backendTimeout: null,
    gateways: [],
    gatewayRefs: [],
    hosts: [],
    delegation: false,
    trafficPolicy: null,
    match: [],
    rewrite: null,
    retries: null,
    headers: null,
    mirror: [],
    corsPolicy: null,
    meshName: null,
    backends: [],
    apex: NO_METADATA,
    primary: NO_METADATA,
    canary: NO_METADATA,
    unmanaged: { labels: [], annotations: [] },
    ingressRef: null,
    routeRef: null,
    upstreamRef: null,
  },
  analysis: {
    intervalMs: 60_000,
    threshold: 3,
    strategy: { type: "weights", steps: [10, 20, 30, 40, 50], stepWeightPromotion: 0 },
    mirror: false,
    mirrorWeight: 100,
    primaryReadyPercent: 100,
    canaryReadyPercent: 100,
    failureCounting: "cumulative",
    onInconclusive: "fail",
    onNoData: "fail",
    minSamples: 0,
    metrics: [],
    webhooks: [],
    alerts: [],
    sessionAffinity: null,
  },
  progressDeadlineMs: 600_000,
  skipAnalysis: false,
  revertOnDeletion: false,
  suspend: false,
  engine: null,
  render: "manifests",
  promotion: {
    mode: "direct",
    topology: "branch",
    settleMs: 10_000,
    allowSharedState: [],
    ignoreTemplateFields: ["metadata.annotations[kubectl.kubernetes.io/restartedAt]"],
  },
  release: { group: null, scope: "canary" },
  configTracking: "declared",
};

/** A canary; see `DEFAULT_CANARY` for what is not given. */
export function aCanary(overrides: DeepPartial<Canary> = {}): Canary {
  return merged(DEFAULT_CANARY, overrides) as Canary;
}

/** An HttpMatch that matches everything, but for the parts given. */
export function aMatch(overrides: Partial<HttpMatch> = {}): HttpMatch {
  return {
    name: null,
    uri: null,
    ignoreUriCase: false,
    scheme: null,
    method: null,
    authority: null,
    headers: {},
    withoutHeaders: {},
    queryParams: {},
    port: null,
    sourceLabels: {},
    sourceNamespace: null,
    gateways: [],
    ...overrides,
  };
}

export interface DeploymentOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly image?: string;
  /** Absent from the manifest when undefined. */
  readonly replicas?: number;
  /** Metadata of the Deployment itself. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podLabels?: Readonly<Record<string, string>>;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  /** Merged over the one container "app". */
  readonly container?: JsonObject;
  /** Merged over the pod spec. */
  readonly podSpec?: JsonObject;
  /** Merged over the Deployment's spec. */
  readonly spec?: JsonObject;
}

/** A Deployment as a user declares it: selector `app: <name>`, one container "app" that listens on 8080. */
export function aDeployment(options: DeploymentOptions = {}): KubeObject {
  const name = options.name ?? "shop";
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name,
      namespace: options.namespace ?? "prod",
      labels: options.labels ?? { app: name },
      ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
    },
    spec: {
      ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
      selector: { matchLabels: { app: name } },
      template: {
        metadata: {
          labels: { app: name, ...options.podLabels },
          ...(options.podAnnotations === undefined ? {} : { annotations: options.podAnnotations }),
        },
        spec: {
          containers: [{
            name: "app",
            image: options.image ?? "registry.example.com/shop:1.0.0",
            ports: [{ name: "http", containerPort: 8080 }],
            ...options.container,
          }],
          ...options.podSpec,
        },
      },
      ...options.spec,
    },
  };
}

/** A ConfigMap as a user declares it. */
export function aConfigMap(
  options: { readonly name?: string; readonly namespace?: string; readonly data?: Readonly<Record<string, string>> } =
    {},
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: options.name ?? "shop-config", namespace: options.namespace ?? "prod" },
    data: options.data ?? { "shop.yaml": "colour: blue" },
  };
}

export interface ReleaseOptions {
  readonly commit?: string;
  /** Default `aDeployment()`. */
  readonly target?: KubeObject;
  /** Declared ConfigMaps and Secrets, found by kind and name where the template refers to them. */
  readonly configs?: readonly KubeObject[];
  readonly scaler?: KubeObject | null;
  readonly tracking?: boolean;
}

/** The release that `releaseOf` makes of the manifests given; its revision is the real one. */
export function aRelease(options: ReleaseOptions = {}): Release {
  const declared = options.configs ?? [];
  const find = (kind: ConfigName["kind"], name: string): KubeObject | null =>
    declared.find((object) => object.kind === kind && object.metadata.name === name) ?? null;
  return releaseOf(options.commit ?? "1".repeat(40), options.target ?? aDeployment(), find, {
    scaler: options.scaler ?? null,
    tracking: options.tracking ?? true,
  });
}

/** The same value, frozen to its leaves: a function that changes its argument throws. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) frozen(part);
  }
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Maps are merged; a union's member with another `type` replaces the default whole. */
function merged(base: unknown, over: unknown): unknown {
  if (over === undefined) return base;
  if (!isRecord(base) || !isRecord(over)) return over;
  if (over["type"] !== undefined) return over;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = merged(base[key], value);
  return result;
}
