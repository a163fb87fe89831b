/** A `MetricTemplate` document in, the core's type or complaints out. */
import type { MetricTemplate } from "../core/canary.ts";
import type { Complaint } from "../core/catalogue.ts";
import { at, numberAt, objectAt, stringAt } from "../core/kube_object.ts";
import { complaintsAbout, sourceOf, type SpecDocument } from "./complaints.ts";
import { checkQuery } from "./query_template.ts";
import { apiOf, checkId, idOf, readSpec } from "./read_spec.ts";
import { metricTemplateSpecOf } from "./schema_others.ts";

/** Fields that a provider cannot do without. */
const NEEDS: Readonly<Record<string, "address" | "region">> = {
  prometheus: "address",
  graphite: "address",
  influxdb: "address",
  dynatrace: "address",
  splunk: "address",
  cloudwatch: "region",
};

/** A template, and what is wrong with it. */
export interface ParsedTemplate {
  /** null when there are errors. */
  readonly template: MetricTemplate | null;
  readonly complaints: readonly Complaint[];
}

/** Never throws; complaints name no canary. */
export function parseMetricTemplate(document: SpecDocument): ParsedTemplate {
  const complaints = complaintsAbout(document, null);
  checkId(document, complaints);
  const api = apiOf(document, complaints);
  const spec = api === null ? undefined : readSpec(document, api, metricTemplateSpecOf, complaints)?.spec;
  const id = idOf(document.value);
  const query = stringAt(document.value, "spec", "query") ?? "";
  for (const { reason, fix } of checkQuery(query).problems) complaints.error(["spec", "query"], reason, fix);
  if (spec === undefined || id === null || complaints.hasErrors()) {
    return { template: null, complaints: complaints.all };
  }
  const provider = objectAt(spec, "provider");
  const type = stringAt(provider, "type") ?? "";
  const need = NEEDS[type];
  if (need !== undefined && provider[need] === undefined) {
    complaints.error(["spec", "provider", need], `Is required for "${type}", and absent`, `Add "${need}"`);
  }
  if (complaints.hasErrors()) return { template: null, complaints: complaints.all };
  const headers = Object.entries(objectAt(provider, "headers")).map(([name, values]) =>
    [name, strings(values)] as const
  );
  const template: MetricTemplate = {
    id,
    source: sourceOf(document),
    provider: {
      type,
      address: stringAt(provider, "address") ?? null,
      headers: Object.fromEntries(headers),
      secretName: stringAt(provider, "secretRef", "name") ?? null,
      region: stringAt(provider, "region") ?? null,
      insecureSkipVerify: at(provider, "insecureSkipVerify") === true,
      replicas: numberAt(provider, "replicas") ?? 1,
    },
    query,
  };
  return { template, complaints: complaints.all };
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
