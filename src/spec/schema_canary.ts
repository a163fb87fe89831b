/** `Canary.spec`: the whole of it, for both API groups. */
import {
  bool,
  field,
  httpUrl,
  int,
  listOf,
  mapOf,
  nonEmptyText,
  object,
  objectFor,
  type ObjectSchema,
  oneOf,
  required,
  text,
} from "../schema/schema.ts";
import { FLAGGER_PROVIDERS } from "../core/flagger.ts";
import { analysis } from "./schema_analysis.ts";
import { dnsLabel, dnsName, service } from "./schema_service.ts";

/** The API groups and versions that are read. */
export const APIS = ["flagger.app/v1beta1", "serin.dev/v1"] as const;
/** An API group and version that is read. */
export type Api = (typeof APIS)[number];

/** A reference to an object of the same namespace. `kinds`: which kinds the API group allows; null for any. */
function localRef(kinds: readonly string[] | null, more: ObjectSchema["fields"] = {}): ObjectSchema {
  return object({
    apiVersion: required(nonEmptyText, "API group and version of it."),
    kind: required(kinds === null ? nonEmptyText : oneOf(...kinds), "Kind of it."),
    name: required(dnsName, "Name of it."),
    ...more,
  });
}

const autoscalerRef = localRef(["HorizontalPodAutoscaler", "ScaledObject"], {
  primaryScalerReplicas: field(
    object({
      minReplicas: field(int({ min: 1 }), "Least number of replicas."),
      maxReplicas: field(int({ min: 1 }), "Greatest number of replicas."),
    }, {
      rules: [{ type: "ordered", low: "minReplicas", high: "maxReplicas", fix: 'Make "minReplicas" the smaller one' }],
    }),
    "Replicas of the primary's scaler, where they differ from the target's.",
  ),
  primaryScalerQueries: field(mapOf(text), "Queries of the primary's KEDA triggers, by name of the trigger."),
});

const promotion = object({
  mode: field(oneOf("direct", "pull-request"), "How a promotion is written to Git.", { default: "direct" }),
  topology: field(oneOf("branch", "pull-request"), "Where a new release is proposed.", { default: "branch" }),
  settle: field(
    { type: "duration", style: "go", maxMs: 3_600_000 },
    "How long a route must have been seen before anything is scaled down.",
    {
      default: "10s",
    },
  ),
  allowSharedState: field(listOf(nonEmptyText), "Volumes that primary and canary may share."),
  ignoreTemplateFields: field(
    listOf(nonEmptyText),
    "Pod template fields that do not count when the live template is compared.",
    { default: ["metadata.annotations[kubectl.kubernetes.io/restartedAt]"] },
  ),
});

const release = object({
  group: field(nonEmptyText, "Canaries of one group are released together."),
  scope: field(oneOf("canary", "fleet"), "Whether a failure here may change what other clusters get.", {
    default: "canary",
  }),
});

const whole = object({
  provider: field(oneOf(...FLAGGER_PROVIDERS), "The router that splits traffic, and the built-in queries.", {
    defaultText: "`provider` of the agent's configuration",
  }),
  metricsServer: field(httpUrl, "Prometheus for built-in metrics and inline queries.", {
    defaultText: "`metricsServer` of the agent's configuration",
  }),
  targetRef: required(localRef(null), "The workload to release, in the canary's namespace."),
  autoscalerRef: field(autoscalerRef, "The target's scaler."),
  ingressRef: field(localRef(["Ingress"]), "The Ingress to copy (nginx, skipper)."),
  routeRef: field(localRef(["ApisixRoute"]), "The ApisixRoute to copy (apisix)."),
  upstreamRef: field(
    localRef(["Upstream"], { namespace: field(dnsLabel, "Namespace of it.", { defaultText: "the canary's" }) }),
    "The Upstream to copy settings from (gloo).",
  ),
  service: field(service, "Services and routes; required unless the target is a Knative Service."),
  analysis: required(analysis, "How the release is judged."),
  canaryAnalysis: field(analysis, "Old name of `analysis`.", {
    refused: {
      why: '"canaryAnalysis" is the old name of "analysis", which Flagger\'s API server drops',
      fix: 'Rename it to "analysis"',
    },
  }),
  progressDeadlineSeconds: field(int({ min: 1, max: 86_400 * 7 }), "Within how many seconds pods must get ready.", {
    default: 600,
  }),
  skipAnalysis: field(bool, "Whether to promote without analysis.", { default: false }),
  revertOnDeletion: field(bool, "Whether to hand back the workload when the canary is removed.", { default: false }),
  suspend: field(bool, "Whether to leave everything as it is.", { default: false }),
  engine: field(oneOf("self", "flux", "argocd"), "Who applies the target.", {
    only: "annotation",
    defaultText: "found out from the target's labels and annotations",
  }),
  render: field(
    oneOf("manifests", "kustomize", "live"),
    "How the target's manifest is made: as it is written, by kustomize, or by the engine.",
    {
      only: "annotation",
      default: "manifests",
    },
  ),
  promotion: field(promotion, "How a promotion is made.", { only: "annotation", default: {} }),
  release: field(release, "How this canary relates to others.", { only: "annotation", default: {} }),
  configTracking: field(oneOf("declared", "live", "off"), "Which ConfigMaps and Secrets make a revision.", {
    only: "annotation",
    default: "declared",
  }),
});

/** Kinds that Flagger's CRD allows as target. */
const flaggerTarget = localRef(["DaemonSet", "Deployment", "Service"]);

const flagger = objectFor("flagger", {
  ...whole,
  fields: {
    ...whole.fields,
    targetRef: required(flaggerTarget, "The workload to release, in the canary's namespace."),
  },
});

/** The spec as a `serin.dev/v1` object has it: everything. */
export const serinCanarySpec: ObjectSchema = objectFor("serin", whole);

/** The spec as a `flagger.app/v1beta1` object has it. */
export const flaggerCanarySpec: ObjectSchema = flagger;

/** The spec's schema for one API. */
export function canarySpecOf(api: Api): ObjectSchema {
  return api === "serin.dev/v1" ? serinCanarySpec : flaggerCanarySpec;
}
