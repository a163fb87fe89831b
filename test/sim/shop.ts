/** One canary of a simulated world: the files its users wrote, and what its images are really like. */
import type { ObjectRef } from "../../src/core/kube_object.ts";
import type { Dice } from "./dice.ts";

export const NAMESPACE = "prod";
export const CLUSTER = { name: "eu", uid: "uid-eu" };

/**
 * - `good`: as it should be. `slow`: good, and takes its time to start.
 * - `bad`: answers with errors. `crashing`: never gets ready.
 * - `primary-crashing`: good as a canary, and never ready as the primary.
 */
export type Quality = "good" | "slow" | "bad" | "crashing" | "primary-crashing";

export type Router = "gatewayapi:v1" | "istio" | "kubernetes";

export interface ShopOptions {
  readonly name: string;
  readonly router: Router;
  readonly strategy: "weights" | "step-weights" | "mirror" | "ab" | "blue-green" | "slow-back";
  readonly threshold: number;
  readonly counting: "cumulative" | "consecutive";
  readonly replicas: number;
  readonly hooks: readonly HookType[];
  readonly skipAnalysis: boolean;
}

export type HookType =
  | "confirm-rollout"
  | "pre-rollout"
  | "rollout"
  | "confirm-traffic-increase"
  | "confirm-promotion"
  | "post-rollout"
  | "rollback";

const HOOKS: readonly HookType[] = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "post-rollout",
  "rollback",
];

export const SETTLE_MS = 2_000;
export const INTERVAL_MS = 10_000;
export const DEADLINE_MS = 60_000;

export function drawShop(name: string, dice: Dice): ShopOptions {
  const router = dice.pick<Router>(["gatewayapi:v1", "gatewayapi:v1", "istio", "kubernetes"]);
  const strategies: readonly ShopOptions["strategy"][] = router === "kubernetes"
    ? ["blue-green"]
    : ["weights", "weights", "step-weights", "slow-back", "mirror", "ab", "blue-green"];
  return {
    name,
    router,
    strategy: dice.pick(strategies),
    threshold: dice.int(1, 3),
    counting: dice.pick(["cumulative", "consecutive"]),
    replicas: dice.int(1, 5),
    hooks: HOOKS.filter(() => dice.chance(0.15)),
    skipAnalysis: dice.chance(0.05),
  };
}

export function imageOf(name: string, tag: string): string {
  return `registry.example.com/${name}:${tag}`;
}

export function deploymentPath(name: string): string {
  return `apps/${name}/deployment.yaml`;
}

export function canaryPath(name: string): string {
  return `apps/${name}/canary.yaml`;
}

export interface ShopRefs {
  readonly target: ObjectRef;
  readonly primary: ObjectRef;
  readonly state: ObjectRef;
  readonly apex: ObjectRef;
  readonly primaryService: ObjectRef;
  readonly canaryService: ObjectRef;
  readonly route: ObjectRef | null;
}

export function refsOfShop({ name, router }: Pick<ShopOptions, "name" | "router">): ShopRefs {
  const ref = (apiVersion: string, kind: string, object: string): ObjectRef => ({
    apiVersion,
    kind,
    namespace: NAMESPACE,
    name: object,
  });
  const route = router === "istio"
    ? ref("networking.istio.io/v1beta1", "VirtualService", name)
    : router === "gatewayapi:v1"
    ? ref("gateway.networking.k8s.io/v1", "HTTPRoute", name)
    : null;
  return {
    target: ref("apps/v1", "Deployment", name),
    primary: ref("apps/v1", "Deployment", `${name}-primary`),
    state: ref("v1", "ConfigMap", `serin-${name}`),
    apex: ref("v1", "Service", name),
    primaryService: ref("v1", "Service", `${name}-primary`),
    canaryService: ref("v1", "Service", `${name}-canary`),
    route,
  };
}

export function deploymentText({ name, replicas }: Pick<ShopOptions, "name" | "replicas">, tag: string): string {
  return `# The team's own words stay.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: ${NAMESPACE}
spec:
  replicas: ${replicas}
  progressDeadlineSeconds: ${DEADLINE_MS / 1000}
  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      containers:
        - name: app
          image: "${imageOf(name, tag)}" # bump here
          ports: [{name: http, containerPort: 8080}]
`;
}

export function canaryText(shop: ShopOptions, suspend = false): string {
  const routing = shop.router === "gatewayapi:v1"
    ? `\n    hosts: [${shop.name}.example.com]\n    gatewayRefs: [{name: public, namespace: gateways}]`
    : "";
  const hooks = shop.hooks.map((type) =>
    `\n      - {name: ${type}, type: ${type}, url: "http://gates.example.com/${shop.name}/${type}"}`
  );
  return `apiVersion: serin.dev/v1
kind: Canary
metadata:
  name: ${shop.name}
  namespace: ${NAMESPACE}
spec:
  provider: ${shop.router}${suspend ? "\n  suspend: true" : ""}
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: ${shop.name}}
  progressDeadlineSeconds: ${DEADLINE_MS / 1000}
  skipAnalysis: ${shop.skipAnalysis}
  promotion: {settle: ${SETTLE_MS / 1000}s}
  service:
    port: 80
    targetPort: 8080${routing}
  analysis:
    interval: ${INTERVAL_MS / 1000}s
    threshold: ${shop.threshold}
    failureCounting: ${shop.counting}
${strategyText(shop.strategy)}
    metrics:
      - {name: request-success-rate, interval: 20s, thresholdRange: {min: 99}}${
    hooks.length === 0 ? "" : `\n    webhooks:${hooks.join("")}`
  }
`;
}

function strategyText(strategy: ShopOptions["strategy"]): string {
  switch (strategy) {
    case "weights":
      return "    stepWeight: 25\n    maxWeight: 50";
    case "step-weights":
      return "    stepWeights: [1, 34, 80]";
    case "slow-back":
      return "    stepWeight: 50\n    maxWeight: 50\n    stepWeightPromotion: 25";
    case "mirror":
      return "    mirror: true\n    stepWeight: 30\n    maxWeight: 60";
    case "ab":
      return '    iterations: 3\n    match: [{headers: {x-beta: {exact: "1"}}}]';
    case "blue-green":
      return "    iterations: 3";
  }
}
