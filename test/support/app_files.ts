/** Files of one application for a stage's repository: a Deployment, its ConfigMap, and a Canary with short waits. */
import { stringify } from "yaml";
import type { JsonObject } from "../../src/core/kube_object.ts";

export interface AppFiles {
  readonly name: string;
  /** "gatewayapi:v1" unless told otherwise. */
  readonly provider?: string;
  /** Put over the Canary's spec, key by key. */
  readonly spec?: JsonObject;
  /** Put over `spec.analysis`, key by key. */
  readonly analysis: JsonObject;
  /** Put over `spec.service`, key by key. */
  readonly service?: JsonObject;
  /** Tag of the first release; "1.0.0" unless told otherwise. */
  readonly tag?: string;
  /** Replicas in the manifest; none unless told otherwise. */
  readonly replicas?: number;
  readonly container?: JsonObject;
  /** Put over the Deployment's spec, key by key. */
  readonly deployment?: JsonObject;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Namespace of every application of a stage. */
export const NAMESPACE = "demo";

export function manifestOf(name: string): string {
  return `apps/${name}/deployment.yaml`;
}

export function canaryFileOf(name: string): string {
  return `apps/${name}/canary.yaml`;
}

export function hostOf(name: string): string {
  return `${name}.example.com`;
}

/** Path to text. */
export function appFiles(...apps: readonly AppFiles[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    apps.flatMap((app) => [
      [manifestOf(app.name), stringify(deploymentOf(app))],
      [`apps/${app.name}/config.yaml`, stringify(configOf(app.name, "hello from Git"))],
      [canaryFileOf(app.name), stringify(canaryOf(app))],
    ]),
  );
}

export function configOf(name: string, greeting: string): JsonObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: NAMESPACE },
    data: { greeting },
  };
}

export function imageOf(name: string, tag: string): string {
  return `registry.example/${name}:${tag}`;
}

export function deploymentOf(
  app: Pick<AppFiles, "name" | "tag" | "replicas" | "container" | "annotations" | "deployment">,
) {
  const { name, tag = "1.0.0", replicas } = app;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: { app: name },
      ...(app.annotations === undefined ? {} : { annotations: app.annotations }),
    },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      ...app.deployment,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [{
            name: "app",
            image: imageOf(name, tag),
            ports: [{ name: "http", containerPort: 9898 }],
            env: [{ name: "GREETING", valueFrom: { configMapKeyRef: { name, key: "greeting" } } }],
            ...app.container,
          }],
        },
      },
    },
  } satisfies JsonObject;
}

export const METRICS = [
  { name: "request-success-rate", thresholdRange: { min: 95 }, interval: "3s" },
  { name: "request-duration", thresholdRange: { max: 5000 }, interval: "3s" },
];

function canaryOf(app: AppFiles): JsonObject {
  const { name, provider = "gatewayapi:v1" } = app;
  const doors: JsonObject = provider.startsWith("gatewayapi")
    ? { hosts: [hostOf(name)], gatewayRefs: [{ name: "public", namespace: NAMESPACE }] }
    : {};
  return {
    apiVersion: "serin.dev/v1",
    kind: "Canary",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      provider,
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      progressDeadlineSeconds: 60,
      service: { port: 80, targetPort: 9898, ...doors, ...app.service },
      promotion: { settle: "200ms" },
      ...app.spec,
      analysis: { interval: "1s", threshold: 3, metrics: METRICS, ...app.analysis },
    },
  };
}
