/**
 * The CRDs of both API groups, made from the schemas; `deploy/crds/` holds what this makes.
 *
 *     deno run src/spec/crds.ts flagger.app_canaries > deploy/crds/flagger.app_canaries.yaml
 */
import { stringify } from "yaml";
import type { JsonObject } from "../core/kube_object.ts";
import { openApiOf } from "../schema/open_api.ts";
import type { ObjectSchema } from "../schema/schema.ts";
import { type Api, canarySpecOf } from "./schema_canary.ts";
import { alertProviderSpecOf, metricTemplateSpecOf } from "./schema_others.ts";
import { canaryStatus } from "./schema_status.ts";

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly description: string;
  readonly columns: readonly JsonObject[];
  readonly spec: (api: Api) => ObjectSchema;
  readonly status: ObjectSchema | null;
}

/** A column of `kubectl get`; `wide` shows it with `-o wide` only. */
function column(name: string, jsonPath: string, type: string, wide: boolean): JsonObject {
  return { name, type, jsonPath, ...(wide ? { priority: 1 } : {}) };
}

const KINDS: readonly Kind[] = [
  {
    kind: "Canary",
    plural: "canaries",
    description: "How a workload is released: traffic moves to the new version step by step while it is judged.",
    columns: [
      column("Status", ".status.phase", "string", false),
      column("Weight", ".status.canaryWeight", "string", false),
      column("Suspended", ".spec.suspend", "boolean", true),
      column("FailedChecks", ".status.failedChecks", "string", true),
      column("Interval", ".spec.analysis.interval", "string", true),
      column("Mirror", ".spec.analysis.mirror", "boolean", true),
      column("StepWeight", ".spec.analysis.stepWeight", "string", true),
      column("StepWeights", ".spec.analysis.stepWeights", "string", true),
      column("MaxWeight", ".spec.analysis.maxWeight", "string", true),
      column("LastTransitionTime", ".status.lastTransitionTime", "string", false),
    ],
    spec: canarySpecOf,
    status: canaryStatus,
  },
  {
    kind: "MetricTemplate",
    plural: "metrictemplates",
    description: "A query that Canaries refer to by name.",
    columns: [column("Provider", ".spec.provider.type", "string", false)],
    spec: metricTemplateSpecOf,
    status: null,
  },
  {
    kind: "AlertProvider",
    plural: "alertproviders",
    description: "A place to tell people about rollouts.",
    columns: [column("Type", ".spec.type", "string", false)],
    spec: alertProviderSpecOf,
    status: null,
  },
];

function crd(api: Api, kind: Kind): JsonObject {
  const [group = "", version = ""] = api.split("/");
  const singular = kind.kind.toLowerCase();
  const schema = {
    description: kind.description,
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: openApiOf(kind.spec(api)),
      ...(kind.status === null ? {} : { status: openApiOf(kind.status) }),
    },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}`, annotations: { "helm.sh/resource-policy": "keep" } },
    spec: {
      group,
      names: { kind: kind.kind, listKind: `${kind.kind}List`, plural: kind.plural, singular, categories: ["all"] },
      scope: "Namespaced",
      versions: [{
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [...kind.columns],
        schema: { openAPIV3Schema: schema },
      }],
    },
  };
}

/** Every CRD by the name of its file without ".yaml", such as "serin.dev_canaries". */
export function crds(): ReadonlyMap<string, JsonObject> {
  const apis: readonly Api[] = ["flagger.app/v1beta1", "serin.dev/v1"];
  return new Map(
    apis.flatMap((api) => KINDS.map((kind) => [`${api.split("/")[0]}_${kind.plural}`, crd(api, kind)] as const)),
  );
}

/** A CRD as the text of its file; `off` is quoted, since the API server's YAML takes it for false. */
export function crdYaml(crd: JsonObject): string {
  return `# Made by src/spec/crds.ts; edit the schema, not this file.\n${
    stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" })
  }`;
}

if (import.meta.main) {
  const found = crds().get(Deno.args[0] ?? "");
  if (found === undefined) throw new Error(`Name one of ${[...crds().keys()].join(", ")}`);
  Deno.stdout.writeSync(new TextEncoder().encode(crdYaml(found)));
}
