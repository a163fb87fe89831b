/** `spec.analysis` from a spec that fits the schema: interval, budget, checks, hooks and alerts. */
import type { AlertSpec, AnalysisSpec, CanaryId, RouterTraits, SessionAffinity, WebhookSpec } from "../core/canary.ts";
import { at, type Json, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../core/kube_object.ts";
import { formatDuration, parseDuration } from "../schema/duration.ts";
import { listed } from "../schema/nearest.ts";
import type { FieldPath } from "../schema/path.ts";
import type { Complaints } from "./complaints.ts";
import type { SpecContext } from "./context.ts";
import { parseMetrics } from "./parse_metrics.ts";
import { stringMapAt } from "./parse_service.ts";
import { missingReference } from "./references.ts";
import { WEBHOOK_TYPES } from "./schema_analysis.ts";
import type { Api } from "./schema_canary.ts";
import { strategyOf } from "./strategy.ts";

const FLAGGER_INTERVAL_MIN_MS = 10_000;
const SERIN_INTERVAL_MIN_MS = 1_000;
const WEBHOOK_TIMEOUT_MS = 10_000;

interface AnalysisReader {
  readonly id: CanaryId;
  readonly api: Api;
  readonly traits: RouterTraits;
  readonly context: SpecContext;
  readonly complaints: Complaints;
}

/** The result is meaningless when errors were added to `complaints`. */
export function parseAnalysis(spec: JsonObject, reader: AnalysisReader): AnalysisSpec {
  const analysis = objectAt(spec, "analysis");
  const { complaints, context, api } = reader;
  const strategy = strategyOf(analysis, reader.traits, complaints);
  const counting = stringAt(analysis, "failureCounting");
  const byDefault = api === "serin.dev/v1" ? "consecutive" : "cumulative";
  return {
    intervalMs: intervalOf(analysis, api, complaints),
    threshold: Math.max(1, numberAt(analysis, "threshold") ?? 1),
    strategy,
    mirror: at(analysis, "mirror") === true && strategy.type !== "ab",
    mirrorWeight: numberAt(analysis, "mirrorWeight") ?? 100,
    primaryReadyPercent: numberAt(analysis, "primaryReadyThreshold") ?? 100,
    canaryReadyPercent: numberAt(analysis, "canaryReadyThreshold") ?? 100,
    failureCounting: counting === "cumulative" || counting === "consecutive" ? counting : byDefault,
    onInconclusive: inconclusiveAt(analysis, "onInconclusive"),
    onNoData: inconclusiveAt(analysis, "onNoData"),
    minSamples: numberAt(analysis, "minSamples") ?? 0,
    metrics: parseMetrics(analysis, { id: reader.id, context, complaints }),
    webhooks: listAt(analysis, "webhooks").map(parseWebhook),
    alerts: listAt(analysis, "alerts").flatMap((entry, index) => parseAlert(entry, index, reader)),
    sessionAffinity: parseAffinity(at(analysis, "sessionAffinity")),
  };
}

function intervalOf(analysis: JsonObject, api: Api, complaints: Complaints): number {
  const written = stringAt(analysis, "interval") ?? "1m";
  const intervalMs = parseDuration(written) ?? 60_000;
  const path: FieldPath = ["spec", "analysis", "interval"];
  if (api === "flagger.app/v1beta1") {
    if (intervalMs >= FLAGGER_INTERVAL_MIN_MS) return intervalMs;
    const least = formatDuration(FLAGGER_INTERVAL_MIN_MS);
    complaints.warn(
      path,
      `Is raised from "${written}" to "${least}", as Flagger does`,
      `Write "${least}", or use "apiVersion: serin.dev/v1"`,
    );
    return FLAGGER_INTERVAL_MIN_MS;
  }
  if (intervalMs < SERIN_INTERVAL_MIN_MS) {
    complaints.error(path, `Must be 1s or more: current value is "${written}"`, 'Write "1s" or more');
  }
  return intervalMs;
}

function inconclusiveAt(analysis: JsonObject, key: string): AnalysisSpec["onInconclusive"] {
  const found = stringAt(analysis, key);
  return found === "hold" || found === "pass" ? found : "fail";
}

function parseWebhook(entry: Json): WebhookSpec {
  const written = stringAt(entry, "type");
  return {
    name: stringAt(entry, "name") ?? "",
    url: stringAt(entry, "url") ?? "",
    type: WEBHOOK_TYPES.find((type) => type === written) ?? "rollout",
    // Flagger takes a time-out of zero for one that is not given.
    timeoutMs: parseDuration(stringAt(entry, "timeout") ?? "") || WEBHOOK_TIMEOUT_MS,
    retries: numberAt(entry, "retries") ?? 0,
    muteAlert: at(entry, "muteAlert") === true,
    metadata: stringMapAt(entry, "metadata"),
    insecureSkipVerify: at(entry, "disableTLS") === true,
  };
}

function parseAlert(entry: Json, index: number, reader: AnalysisReader): readonly AlertSpec[] {
  const { id, context, complaints } = reader;
  const path: FieldPath = ["spec", "analysis", "alerts", index, "providerRef"];
  const ref: CanaryId = {
    namespace: stringAt(entry, "providerRef", "namespace") ?? id.namespace,
    name: stringAt(entry, "providerRef", "name") ?? "",
  };
  const found = context.alertProvider(ref);
  if (found.type !== "found") {
    missingReference("AlertProvider", ref, { path, complaints, found });
    return [];
  }
  const { alertTypes } = context.capabilities;
  if (!alertTypes.includes(found.value.type)) {
    const reason =
      `AlertProvider "${ref.namespace}/${ref.name}" is of type "${found.value.type}", which is not supported yet`;
    complaints.error(path, reason, `Use one of type ${listed(alertTypes)}`);
    return [];
  }
  const severity = stringAt(entry, "severity");
  return [{
    name: stringAt(entry, "name") ?? "",
    // Flagger promises "info" for an absent severity, and sends nothing; the promise is kept here.
    severity: severity === "warn" || severity === "error" ? severity : "info",
    provider: found.value,
  }];
}

function parseAffinity(entry: Json | undefined): SessionAffinity | null {
  const cookieName = stringAt(entry, "cookieName");
  if (cookieName === undefined) return null;
  const sameSite = stringAt(entry, "sameSite");
  return {
    cookieName,
    primaryCookieName: stringAt(entry, "primaryCookieName") ?? null,
    maxAgeSeconds: numberAt(entry, "maxAge") ?? 86_400,
    domain: stringAt(entry, "domain") ?? null,
    path: stringAt(entry, "path") ?? null,
    httpOnly: at(entry, "httpOnly") === true,
    secure: at(entry, "secure") === true,
    partitioned: at(entry, "partitioned") === true,
    sameSite: sameSite === "Strict" || sameSite === "Lax" || sameSite === "None" ? sameSite : null,
  };
}
