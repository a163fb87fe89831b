/**
 * The kinds this server speaks, one row each: names, subresources, schema. A kind that is not here (or was left out by
 * option) answers 404, as on a cluster without its CRD.
 */
import type { Json, JsonObject } from "../../core/kube_object.ts";
import { objectAt } from "../../core/kube_object.ts";
import { compileSchema, type Schema } from "./schema.ts";
import kubernetes from "./schemas/kubernetes.json" with { type: "json" };
import gateway from "./schemas/gateway.json" with { type: "json" };
import httpRoute from "./schemas/httproute.json" with { type: "json" };
import virtualService from "./schemas/virtualservice.json" with { type: "json" };
import destinationRule from "./schemas/destinationrule.json" with { type: "json" };
import canary from "./schemas/canary.json" with { type: "json" };
import metricTemplate from "./schemas/metrictemplate.json" with { type: "json" };
import alertProvider from "./schemas/alertprovider.json" with { type: "json" };

export interface Kind {
  readonly group: string;
  /** Served versions, the preferred one first. All versions share one schema. */
  readonly versions: readonly string[];
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly status: boolean;
  readonly scale: boolean;
  /** Defined by a CRD, with the differences that makes to decoding, validation and media types. */
  readonly custom: boolean;
  /** The CRD states CEL rules, which this server does not evaluate. */
  readonly rules: boolean;
  /** What bumps `metadata.generation`; "none" leaves the field out. */
  readonly generation: "none" | "spec" | "spec-and-annotations";
  readonly schema: Schema;
  /** What an empty object of this kind serialises as: fields that exist before anybody set them. */
  readonly zero: JsonObject;
}

const cache = new Map<string, Schema>();
const definitions = objectAt(kubernetes);

function builtInSchema(name: string): Schema {
  return compileSchema({ $ref: `io.k8s.api.${name}` }, definitions, cache);
}

const metaSchema = compileSchema({ $ref: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" }, definitions, cache);

const textSchema = compileSchema({ type: "string" });

/** Gives a CRD's schema what every object has, whether the CRD names it (as most do) or leaves it out (as Istio's do). */
function customSchema(source: Json): Schema {
  const compiled = compileSchema(source);
  if (compiled.shape.type !== "struct") return compiled;
  const fields = new Map([
    ["apiVersion", textSchema] as const,
    ["kind", textSchema] as const,
    ...compiled.shape.fields,
    ["metadata", metaSchema] as const,
  ]);
  return { ...compiled, shape: { ...compiled.shape, fields } };
}

/** A custom resource of which nothing but the metadata is known. */
function openSchema(): Schema {
  return customSchema({
    type: "object",
    properties: { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" } },
    "x-kubernetes-preserve-unknown-fields": true,
  });
}

type Names = Pick<Kind, "kind" | "plural"> & Partial<Omit<Kind, "schema" | "kind" | "plural">>;

function row(groupVersions: string, names: Names, schema: Schema): Kind {
  const slash = groupVersions.indexOf("/");
  return {
    group: slash < 0 ? "" : groupVersions.slice(0, slash),
    versions: groupVersions.slice(slash + 1).split(","),
    shortNames: [],
    namespaced: true,
    status: false,
    scale: false,
    custom: false,
    rules: false,
    generation: "none",
    zero: {},
    ...names,
    schema,
  };
}

function custom(groupVersions: string, names: Names, schema: Schema = openSchema()): Kind {
  return row(groupVersions, { custom: true, status: true, generation: "spec", ...names }, schema);
}

const podTemplateZero = { template: { metadata: {}, spec: { containers: null } } };

/** All rows. */
export const kinds: readonly Kind[] = [
  row("v1", {
    kind: "Namespace",
    plural: "namespaces",
    shortNames: ["ns"],
    namespaced: false,
    status: true,
    zero: { spec: {}, status: {} },
  }, builtInSchema("core.v1.Namespace")),
  row("v1", { kind: "ConfigMap", plural: "configmaps", shortNames: ["cm"] }, builtInSchema("core.v1.ConfigMap")),
  row("v1", { kind: "Secret", plural: "secrets" }, builtInSchema("core.v1.Secret")),
  row("v1", {
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    status: true,
    zero: { spec: {}, status: { loadBalancer: {} } },
  }, builtInSchema("core.v1.Service")),
  row("v1", {
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    status: true,
    generation: "spec",
    zero: { spec: { containers: null }, status: {} },
  }, builtInSchema("core.v1.Pod")),
  row(
    "v1",
    { kind: "Event", plural: "events", shortNames: ["ev"], zero: { involvedObject: {}, source: {} } },
    builtInSchema("core.v1.Event"),
  ),
  row("apps/v1", {
    kind: "Deployment",
    plural: "deployments",
    shortNames: ["deploy"],
    status: true,
    scale: true,
    generation: "spec-and-annotations",
    zero: { spec: { ...podTemplateZero, strategy: {} }, status: {} },
  }, builtInSchema("apps.v1.Deployment")),
  row("apps/v1", {
    kind: "ReplicaSet",
    plural: "replicasets",
    shortNames: ["rs"],
    status: true,
    scale: true,
    generation: "spec",
    zero: { spec: podTemplateZero, status: { replicas: 0 } },
  }, builtInSchema("apps.v1.ReplicaSet")),
  row("autoscaling/v2", {
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    shortNames: ["hpa"],
    status: true,
    zero: { spec: { scaleTargetRef: {} }, status: { desiredReplicas: 0 } },
  }, builtInSchema("autoscaling.v2.HorizontalPodAutoscaler")),
  row(
    "coordination.k8s.io/v1",
    { kind: "Lease", plural: "leases", zero: { spec: {} } },
    builtInSchema("coordination.v1.Lease"),
  ),
  row("events.k8s.io/v1", {
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    zero: { regarding: {}, deprecatedSource: {} },
  }, builtInSchema("events.v1.Event")),
  row(
    "discovery.k8s.io/v1",
    { kind: "EndpointSlice", plural: "endpointslices", generation: "spec" },
    builtInSchema("discovery.v1.EndpointSlice"),
  ),
  custom(
    "gateway.networking.k8s.io/v1",
    { kind: "Gateway", plural: "gateways", shortNames: ["gtw"], rules: true },
    customSchema(gateway),
  ),
  custom(
    "gateway.networking.k8s.io/v1,v1beta1",
    { kind: "HTTPRoute", plural: "httproutes", rules: true },
    customSchema(httpRoute),
  ),
  custom("networking.istio.io/v1,v1beta1", {
    kind: "VirtualService",
    plural: "virtualservices",
    shortNames: ["vs"],
    rules: true,
  }, customSchema(virtualService)),
  custom("networking.istio.io/v1,v1beta1", {
    kind: "DestinationRule",
    plural: "destinationrules",
    shortNames: ["dr"],
    rules: true,
  }, customSchema(destinationRule)),
  custom("flagger.app/v1beta1", { kind: "Canary", plural: "canaries" }, customSchema(canary)),
  custom("flagger.app/v1beta1", { kind: "MetricTemplate", plural: "metrictemplates" }, customSchema(metricTemplate)),
  custom("flagger.app/v1beta1", { kind: "AlertProvider", plural: "alertproviders" }, customSchema(alertProvider)),
  custom("serin.dev/v1", { kind: "Canary", plural: "canaries" }),
  custom("serin.dev/v1", { kind: "MetricTemplate", plural: "metrictemplates" }),
  custom("serin.dev/v1", { kind: "AlertProvider", plural: "alertproviders" }),
  custom("kustomize.toolkit.fluxcd.io/v1", { kind: "Kustomization", plural: "kustomizations", shortNames: ["ks"] }),
  custom("helm.toolkit.fluxcd.io/v2", { kind: "HelmRelease", plural: "helmreleases", shortNames: ["hr"] }),
  custom("source.toolkit.fluxcd.io/v1", { kind: "GitRepository", plural: "gitrepositories", shortNames: ["gitrepo"] }),
  custom("argoproj.io/v1alpha1", {
    kind: "Application",
    plural: "applications",
    shortNames: ["app", "apps"],
    status: false,
  }),
];

/** The body of the scale subresource. */
export const scaleSchema: Schema = builtInSchema("autoscaling.v1.Scale");

/** "apps/Deployment": names a kind whatever the version. */
export function kindId(kind: Pick<Kind, "group" | "kind">): string {
  return `${kind.group}/${kind.kind}`;
}

/** "apps/v1" or "v1". */
export function groupVersion(kind: Pick<Kind, "group">, version: string): string {
  return kind.group === "" ? version : `${kind.group}/${version}`;
}
