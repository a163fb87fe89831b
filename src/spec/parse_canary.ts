/**
 * A `Canary` document in, the core's `Canary` or complaints out: all complaints at once, every default filled in, what
 * is understood but not built refused for this canary alone. Pure; knows no files but the document's own.
 */
import type { Canary, CanaryId, EngineId, PromotionSpec, RouterTraits, ScalerRef } from "../core/canary.ts";
import type { Complaint } from "../core/catalogue.ts";
import { at, isJsonObject, type JsonObject, numberAt, objectAt, stringAt } from "../core/kube_object.ts";
import { parseDuration } from "../schema/duration.ts";
import { listed, nearest } from "../schema/nearest.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import { readYaml } from "../schema/places.ts";
import { groupOf, splitKind } from "./capabilities.ts";
import { checkCanary } from "./check_canary.ts";
import { type Complaints, complaintsAbout, sortComplaints, sourceOf, type SpecDocument } from "./complaints.ts";
import type { SpecContext } from "./context.ts";
import { parseAnalysis } from "./parse_analysis.ts";
import { parseService, stringMapAt, stringsAt, targetRefAt } from "./parse_service.ts";
import { apiOf, checkId, idOf, readSpec } from "./read_spec.ts";
import { type Api, canarySpecOf } from "./schema_canary.ts";

/** A canary, and what is wrong with it. */
export interface ParsedCanary {
  /** null when there are errors. */
  readonly canary: Canary | null;
  /** Errors and warnings, by line. */
  readonly complaints: readonly Complaint[];
}

/** Never throws. A canary comes with warnings at most; errors mean there is none. */
export function parseCanary(document: SpecDocument, context: SpecContext): ParsedCanary {
  const id = idOf(document.value);
  const complaints = complaintsAbout(document, id);
  checkId(document, complaints);
  const api = apiOf(document, complaints);
  const read = api === null ? null : readSpec(document, api, canarySpecOf, complaints);
  if (api === null || read === null || id === null) return { canary: null, complaints: sortComplaints(complaints.all) };
  const more = complaintsAbout(document, id, (path) => read.places.get(formatPath(path)) ?? path);
  const canary = resolveCanary(read.spec, { id, api, document, context, complaints: more });
  const all = sortComplaints([...complaints.all, ...unsaid(more.all, complaints.all)]);
  return { canary: complaints.hasErrors() || more.hasErrors() ? null : canary, complaints: all };
}

/** The second half: what the schema cannot say. Also tried on a spec with errors, so that all is said at once. */
function resolveCanary(spec: JsonObject, reader: Omit<CanaryReader, "traits">): Canary | null {
  const { context, complaints } = reader;
  checkBuilt(spec, context, complaints);
  const traits = traitsOf(spec, context, complaints);
  if (traits === null) return null;
  const canary = canaryOf(spec, { ...reader, traits });
  checkCanary(canary, spec, complaints);
  return canary;
}

/** Leaves out what follows from an earlier complaint about the same field, one within it, or one around it. */
function unsaid(complaints: readonly Complaint[], earlier: readonly Complaint[]): readonly Complaint[] {
  const within = (inner: string, outer: string): boolean =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  return complaints.filter(({ field }) =>
    !earlier.some((known) => within(field, known.field) || within(known.field, field))
  );
}

/** Parses the first document of a text: for tests and the command line. */
export function parseCanaryText(content: string, file: string, context: SpecContext): ParsedCanary {
  const read = readYaml(content);
  const [document] = read.type === "documents" ? read.documents : [];
  if (document === undefined || !isJsonObject(document.value)) {
    const [line, message] = read.type === "broken" ? [read.line, read.reason] : [0, "There is no object"];
    const complaint: Complaint = {
      file,
      line,
      field: "",
      message,
      fix: "Write a Canary",
      severity: "error",
      canary: null,
    };
    return { canary: null, complaints: [complaint] };
  }
  const place = { file, document: 0, item: null, line: document.line };
  return parseCanary({ value: document.value, place, lineOf: document.lineOf }, context);
}

interface CanaryReader {
  readonly id: CanaryId;
  readonly api: Api;
  readonly traits: RouterTraits;
  readonly document: SpecDocument;
  readonly context: SpecContext;
  readonly complaints: Complaints;
}

function canaryOf(spec: JsonObject, reader: CanaryReader): Canary {
  const { id, api, traits, context, complaints } = reader;
  const engine = stringAt(spec, "engine");
  const render = stringAt(spec, "render");
  const tracking = stringAt(spec, "configTracking");
  return {
    id,
    api,
    source: sourceOf(reader.document),
    provider: providerOf(spec, context),
    traits,
    metricsServer: stringAt(spec, "metricsServer") ?? context.capabilities.defaults.metricsServer,
    target: targetRefAt(spec, "targetRef") ?? { apiVersion: "", kind: "", name: "" },
    scaler: scalerOf(spec, context),
    service: parseService(spec, id.namespace),
    analysis: parseAnalysis(spec, { id, api, traits, context, complaints }),
    progressDeadlineMs: (numberAt(spec, "progressDeadlineSeconds") ?? 600) * 1_000,
    skipAnalysis: at(spec, "skipAnalysis") === true,
    revertOnDeletion: at(spec, "revertOnDeletion") === true,
    suspend: at(spec, "suspend") === true,
    engine: isEngine(engine) ? engine : null,
    render: render === "kustomize" || render === "live" ? render : "manifests",
    promotion: promotionOf(objectAt(spec, "promotion")),
    release: {
      group: stringAt(spec, "release", "group") ?? null,
      scope: stringAt(spec, "release", "scope") === "fleet" ? "fleet" : "canary",
    },
    configTracking: tracking === "live" || tracking === "off" ? tracking : "declared",
  };
}

function isEngine(value: string | undefined): value is EngineId {
  return value === "self" || value === "flux" || value === "argocd";
}

function promotionOf(promotion: JsonObject): PromotionSpec {
  return {
    mode: stringAt(promotion, "mode") === "pull-request" ? "pull-request" : "direct",
    topology: stringAt(promotion, "topology") === "pull-request" ? "pull-request" : "branch",
    settleMs: parseDuration(stringAt(promotion, "settle") ?? "") ?? 10_000,
    allowSharedState: stringsAt(promotion, "allowSharedState"),
    ignoreTemplateFields: stringsAt(promotion, "ignoreTemplateFields"),
  };
}

/** The scaler as this build reads it: whatever version was written, the one that is built. */
function scalerOf(spec: JsonObject, context: SpecContext): ScalerRef | null {
  const ref = targetRefAt(spec, "autoscalerRef");
  if (ref === null) return null;
  const built = context.capabilities.scalerKinds.map(splitKind).find(({ kind }) => kind === ref.kind);
  return {
    ...ref,
    apiVersion: built?.apiVersion ?? ref.apiVersion,
    primaryMinReplicas: numberAt(spec, "autoscalerRef", "primaryScalerReplicas", "minReplicas") ?? null,
    primaryMaxReplicas: numberAt(spec, "autoscalerRef", "primaryScalerReplicas", "maxReplicas") ?? null,
    primaryQueries: stringMapAt(spec, "autoscalerRef", "primaryScalerQueries"),
  };
}

function providerOf(spec: JsonObject, context: SpecContext): string {
  return stringAt(spec, "provider") ?? context.capabilities.defaults.provider;
}

/** What the router can do; null, with a complaint, when it is not known or not built. */
function traitsOf(spec: JsonObject, context: SpecContext, complaints: Complaints): RouterTraits | null {
  const { routers, knownRouters } = context.capabilities;
  const provider = providerOf(spec, context);
  const traits = routers.get(provider);
  if (traits !== undefined) return traits;
  const built = listed([...routers.keys()]);
  const near = nearest(provider, knownRouters);
  const [reason, fix] = knownRouters.includes(provider)
    ? [`Provider "${provider}" is not supported yet`, `Use ${built}`]
    : [
      `Provider "${provider}" is not known: supported are ${built}`,
      near === undefined ? `Use ${built}` : `Write "${near}"`,
    ];
  complaints.error(["spec", "provider"], reason, fix);
  return null;
}

/** Refuses what is understood and not built. */
function checkBuilt(spec: JsonObject, context: SpecContext, complaints: Complaints): void {
  const { built, targetKinds, scalerKinds } = context.capabilities;
  const choice = (path: readonly string[], values: readonly string[]): void => {
    const value = stringAt(spec, ...path);
    if (value === undefined || values.includes(value)) return;
    const at: FieldPath = ["spec", ...path];
    complaints.error(at, `"${value}" is not supported yet`, `Use ${listed(values)}, or remove the field`);
  };
  choice(["engine"], built.engines);
  choice(["render"], built.renders);
  choice(["configTracking"], built.configTrackings);
  choice(["promotion", "mode"], built.modes);
  choice(["promotion", "topology"], built.topologies);
  choice(["release", "scope"], built.scopes);
  choice(["analysis", "judge"], built.judges);
  if (!built.releaseGroups && at(spec, "release", "group") !== undefined) {
    complaints.error(["spec", "release", "group"], "Release groups are not supported yet", "Remove the field");
  }
  const target = targetRefAt(spec, "targetRef");
  if (target !== null && !targetKinds.includes(`${target.apiVersion}/${target.kind}`)) {
    const reason = `Target "${target.kind}" of "${target.apiVersion}" is not supported yet`;
    complaints.error(["spec", "targetRef"], reason, `Use ${listed(targetKinds)}`);
  }
  const scaler = targetRefAt(spec, "autoscalerRef");
  const isBuilt = scaler === null ||
    scalerKinds.map(splitKind).some((known) =>
      known.kind === scaler.kind && groupOf(known.apiVersion) === groupOf(scaler.apiVersion)
    );
  if (scaler !== null && !isBuilt) {
    const reason = `Scaler "${scaler.kind}" of "${scaler.apiVersion}" is not supported yet`;
    complaints.error(["spec", "autoscalerRef"], reason, `Use ${listed(scalerKinds)}, or remove the field`);
  }
}
