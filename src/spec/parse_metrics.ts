/** `spec.analysis.metrics`: each check with its source resolved, its window and its range. */
import type { CanaryId, MetricSource, MetricSpec, Range } from "../core/canary.ts";
import { at, type Json, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../core/kube_object.ts";
import { parseDuration } from "../schema/duration.ts";
import { listed } from "../schema/nearest.ts";
import type { FieldPath } from "../schema/path.ts";
import type { Complaints } from "./complaints.ts";
import type { Resolved, SpecContext } from "./context.ts";
import { missingReference } from "./references.ts";
import { stringMapAt } from "./parse_service.ts";
import { checkQuery } from "./query_template.ts";
import { JUDGES } from "./schema_analysis.ts";

const BUILTIN_INTERVAL = "1m";
/** Assumed window of a template whose metric names none; its query then has its own, which cannot be known. */
const UNKNOWN_WINDOW_MS = 60_000;

interface MetricsReader {
  readonly id: CanaryId;
  readonly context: SpecContext;
  readonly complaints: Complaints;
}

/** Metrics whose source cannot be resolved are left out, with a complaint. */
export function parseMetrics(analysis: JsonObject, reader: MetricsReader): readonly MetricSpec[] {
  const seen = new Set<string>();
  return listAt(analysis, "metrics").flatMap((entry, index) => {
    const path: FieldPath = ["spec", "analysis", "metrics", index];
    const name = stringAt(entry, "name") ?? "";
    if (seen.has(name)) {
      reader.complaints.error(
        [...path, "name"],
        `"${name}" is the name of an earlier metric`,
        "Give each metric a name of its own",
      );
    }
    seen.add(name);
    const parsed = parseMetric(entry, path, { ...reader, judge: stringAt(analysis, "judge") ?? "threshold" });
    return parsed === null ? [] : [parsed];
  });
}

function parseMetric(
  entry: Json,
  path: FieldPath,
  reader: MetricsReader & { readonly judge: string },
): MetricSpec | null {
  const { complaints, context } = reader;
  const name = stringAt(entry, "name") ?? "";
  const source = sourceAt(entry, path, reader);
  if (source === null) return null;
  const written = stringAt(entry, "interval");
  const interval = written ?? (source.type === "template" ? null : BUILTIN_INTERVAL);
  const judge = JUDGES.find((known) => known === (stringAt(entry, "judge") ?? reader.judge)) ?? "threshold";
  if (stringAt(entry, "judge") !== undefined && !context.capabilities.built.judges.includes(judge)) {
    const reason = `Judge "${judge}" is not supported yet`;
    complaints.error([...path, "judge"], reason, `Use ${listed(context.capabilities.built.judges)}`);
  }
  const range = rangeAt(entry, name, source);
  const dryRun = at(entry, "dryRun") === true;
  if (range.min === null && range.max === null && judge === "threshold" && !dryRun) {
    complaints.error(
      path,
      "Has no bounds: it would pass or fail whatever the value",
      'Give "thresholdRange" a "min" or a "max"',
    );
  }
  const variables = stringMapAt(entry, "templateVariables");
  checkVariables(source, { path, interval, variables }, complaints);
  return {
    name,
    source,
    interval,
    windowMs: interval === null ? UNKNOWN_WINDOW_MS : parseDuration(interval) ?? UNKNOWN_WINDOW_MS,
    range,
    variables,
    critical: at(entry, "critical") === true,
    dryRun,
    judge,
  };
}

/** Where the number comes from; complains and returns null where that cannot be told. */
function sourceAt(entry: Json, path: FieldPath, reader: MetricsReader): MetricSource | null {
  const { id, context, complaints } = reader;
  const name = stringAt(entry, "name") ?? "";
  const query = stringAt(entry, "query");
  const template = stringAt(entry, "templateRef", "name");
  const builtin = name === "request-success-rate" || name === "request-duration" ? name : null;
  if (query !== undefined && template !== undefined) {
    complaints.error([...path, "query"], 'Only one of "query" and "templateRef" may be given', "Remove one of them");
    return null;
  }
  if (builtin !== null && (query !== undefined || template !== undefined)) {
    const reason = `"${builtin}" is the name of a built-in metric, which is not used here, since a query is given`;
    complaints.warn([...path, "name"], reason, "Give the metric another name");
  }
  if (template !== undefined) {
    const ref: CanaryId = { namespace: stringAt(entry, "templateRef", "namespace") ?? id.namespace, name: template };
    return templateSource(ref, context, { path: [...path, "templateRef"], complaints });
  }
  if (query !== undefined) {
    for (const { reason, fix } of checkQuery(query).problems) complaints.error([...path, "query"], reason, fix);
    return { type: "inline", query };
  }
  if (builtin !== null) return { type: "builtin", name: builtin };
  complaints.error(
    path,
    `"${name}" is not a built-in metric, and has no query`,
    'Give "templateRef", or name it "request-success-rate" or "request-duration"',
  );
  return null;
}

function templateSource(
  ref: CanaryId,
  context: SpecContext,
  place: { readonly path: FieldPath; readonly complaints: Complaints },
): MetricSource | null {
  const found: Resolved<Extract<MetricSource, { type: "template" }>["template"]> = context.template(ref);
  if (found.type !== "found") {
    missingReference("MetricTemplate", ref, { ...place, found });
    return null;
  }
  const { metricProviders } = context.capabilities;
  const { type } = found.value.provider;
  if (!metricProviders.includes(type)) {
    const reason = `MetricTemplate "${ref.namespace}/${ref.name}" uses provider "${type}", which is not supported yet`;
    place.complaints.error(place.path, reason, `Use a template for ${listed(metricProviders)}`);
    return null;
  }
  return { type: "template", template: found.value };
}

/** `threshold` is the old form: the least for the success rate, the most for all else. */
function rangeAt(entry: Json, name: string, source: MetricSource): Range {
  const range = objectAt(entry, "thresholdRange");
  const min = numberAt(range, "min") ?? null;
  const max = numberAt(range, "max") ?? null;
  const whole = source.type === "builtin" && source.name === "request-duration";
  if (min !== null || max !== null) {
    // Flagger compares durations in whole milliseconds.
    const bound = (value: number | null): number | null => (value === null || !whole ? value : Math.trunc(value));
    return { min: bound(min), max: bound(max) };
  }
  const threshold = numberAt(entry, "threshold") ?? null;
  const least = source.type === "builtin" && name === "request-success-rate";
  return least ? { min: threshold, max: null } : { min: null, max: threshold };
}

function checkVariables(
  source: MetricSource,
  metric: {
    readonly path: FieldPath;
    readonly interval: string | null;
    readonly variables: Readonly<Record<string, string>>;
  },
  complaints: Complaints,
): void {
  if (source.type === "builtin") return;
  const used = checkQuery(source.type === "inline" ? source.query : source.template.query);
  for (const key of used.variables) {
    if (Object.hasOwn(metric.variables, key)) continue;
    const reason = `The query reads variable "${key}", which is not given`;
    complaints.warn([...metric.path, "templateVariables"], reason, `Give "${key}" a value in "templateVariables"`);
  }
  if (metric.interval === null && used.functions.includes("interval")) {
    complaints.warn(
      [...metric.path, "interval"],
      'Is absent: "{{ interval }}" in the query renders empty',
      'Give "interval"',
    );
  }
}
