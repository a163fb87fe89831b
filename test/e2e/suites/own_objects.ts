/**
 * What a user has before there is a Canary: a Deployment that serves, its Service, and the HTTPRoute of their host. And
 * looks at what becomes of it.
 */
import {
  at,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  type ObjectRef,
  stringAt,
} from "../../../src/core/kube_object.ts";
import { CANARY, HOST } from "../../../src/demo/stage.ts";
import { objectsIn } from "../../support/rbac.ts";
import type { ControlPlane } from "../servers/control_plane.ts";

const { namespace, name } = CANARY;

export const DEPLOYMENT: ObjectRef = { apiVersion: "apps/v1", kind: "Deployment", namespace, name };
export const PRIMARY: ObjectRef = { ...DEPLOYMENT, name: `${name}-primary` };
export const SERVICE: ObjectRef = { apiVersion: "v1", kind: "Service", namespace, name };
export const ROUTE: ObjectRef = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "HTTPRoute",
  namespace,
  name,
};
export const REPLICAS = 2;
/** A person's, and theirs to keep. */
const CONSENT = "serin.dev/adopt";

/** Things that a user may have, which the agent must keep: labels, a second port, a filter on the route. */
export const OWN_SERVICE: KubeObject = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace, name, labels: { team: "shop" }, annotations: { "example.com/owner": "robin" } },
  spec: {
    selector: { app: name },
    ports: [
      { name: "http", port: 80, targetPort: 9898, protocol: "TCP" },
      { name: "admin", port: 9797, targetPort: 9797, protocol: "TCP" },
    ],
  },
};

const filter = { type: "ResponseHeaderModifier", responseHeaderModifier: { set: [{ name: "x-team", value: "shop" }] } };

export const OWN_ROUTE: KubeObject = {
  apiVersion: ROUTE.apiVersion,
  kind: ROUTE.kind,
  metadata: { namespace, name, labels: { team: "shop" } },
  spec: {
    parentRefs: [{ name: "public", namespace }],
    hostnames: [HOST],
    rules: [{ filters: [filter], backendRefs: [{ name, port: 80 }] }],
  },
};

/** The objects as somebody else applies them. @param files the repository's @param image what they run */
export function ownObjects(files: Readonly<Record<string, string>>, image: string): readonly KubeObject[] {
  const declared = ["config", "deployment"].flatMap((file) => objectsIn(files[`apps/${name}/${file}.yaml`] ?? ""));
  const live = declared.map((object): KubeObject => {
    if (object.kind !== "Deployment") return object;
    const [container] = listAt(object, "spec", "template", "spec", "containers");
    const template = {
      ...objectAt(object, "spec", "template"),
      spec: { containers: [{ ...objectAt(container), image }] },
    };
    return { ...object, spec: { ...object.spec, replicas: REPLICAS, template } };
  });
  return [...live, OWN_SERVICE, OWN_ROUTE];
}

/** One look at both workloads and at what the apex Service selects. */
export interface Sight {
  readonly target: number;
  readonly targetReady: number;
  readonly primaryReady: number;
  readonly apex: string;
}

export async function sight({ cluster }: ControlPlane): Promise<Sight> {
  const [target, primary, service] = await Promise.all([DEPLOYMENT, PRIMARY, SERVICE].map((ref) => cluster.live(ref)));
  return {
    target: numberAt(target, "spec", "replicas") ?? 0,
    targetReady: numberAt(target, "status", "readyReplicas") ?? 0,
    primaryReady: numberAt(primary, "status", "readyReplicas") ?? 0,
    apex: stringAt(service, "spec", "selector", "app") ?? "",
  };
}

/** Objects of the namespace that carry a mark of the agent's, and which: labels, annotations. */
export async function marked({ cluster }: ControlPlane): Promise<readonly string[]> {
  const kinds = [
    ["apps/v1", "Deployment"],
    ["v1", "Service"],
    ["v1", "ConfigMap"],
    [ROUTE.apiVersion, ROUTE.kind],
  ] as const;
  const lists = await Promise.all(
    kinds.map(([apiVersion, kind]) => cluster.list({ apiVersion, kind, namespace })),
  );
  return lists.flat().flatMap((object) => {
    const marks = { ...object.metadata.labels, ...object.metadata.annotations };
    const ours = Object.entries(marks).filter(([key, value]) =>
      (key.startsWith("serin.dev/") && key !== CONSENT) || key.includes("toolkit.fluxcd.io") || value === "serin"
    );
    const wasOurs = object.metadata.name.startsWith(`serin-`) || object.metadata.name.startsWith(`${name}-primary`);
    return ours.length > 0 || wasOurs
      ? [`${object.kind}/${object.metadata.name}: ${ours.map(([key]) => key).sort().join(", ")}`]
      : [];
  });
}

/** What a user wrote of a Service, as the live one has it. */
export function writtenOf(service: KubeObject | undefined) {
  return {
    labels: objectAt(service, "metadata", "labels"),
    selector: objectAt(service, "spec", "selector"),
    ports: listAt(service, "spec", "ports"),
    type: at(service, "spec", "type"),
  };
}
