/** JSON Schemas of what the API answers and takes, with an example each; the document is made of them. */
import type { JsonObject } from "../core/kube_object.ts";
import { GATES } from "./commands.ts";

const text: JsonObject = { type: "string" };
const nullableText: JsonObject = { type: ["string", "null"] };
const whole: JsonObject = { type: "integer" };
const time: JsonObject = { type: "integer", description: "Epoch milliseconds." };
const percent: JsonObject = { type: "integer", minimum: 0, maximum: 100 };
const texts: JsonObject = { type: "array", items: text };

function shape(properties: JsonObject, required: readonly string[] = Object.keys(properties)): JsonObject {
  return { type: "object", properties, required: [...required], additionalProperties: false };
}

function listOf(items: JsonObject): JsonObject {
  return { type: "array", items };
}

function ref(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

function nullable(schema: JsonObject): JsonObject {
  return { anyOf: [schema, { type: "null" }] };
}

const PHASES = [
  "new",
  "initialising",
  "idle",
  "waiting",
  "starting",
  "progressing",
  "waiting-promotion",
  "pushing",
  "promoting",
  "finalising",
  "rolling-back",
  "reverting",
  "restoring",
  "handing-back",
  "released",
];

const gate: JsonObject = { type: "string", enum: [...GATES] };

const summaryFields: JsonObject = {
  namespace: text,
  name: text,
  phase: { type: "string", enum: PHASES },
  flaggerPhase: { ...text, description: "The phase by Flagger's name." },
  provider: text,
  target: text,
  weight: { ...percent, description: "Percent of traffic on the canary." },
  iterations: whole,
  failedChecks: whole,
  threshold: whole,
  candidate: { ...nullableText, description: "Revision on its way." },
  candidateImages: texts,
  lock: { ...nullableText, description: "Revision that users are on." },
  lockImages: texts,
  waitsFor: nullableText,
  gate: nullable(gate),
  stalled: nullableText,
  paused: nullable(shape({ by: text, at: time, reason: text })),
  phaseSince: time,
  last: nullable(shape({ outcome: text, revision: text, reason: text, at: time })),
};

const complaint = shape({
  file: text,
  line: { ...whole, description: "From 1; 0 when the whole file is meant." },
  field: text,
  message: text,
  fix: text,
  severity: { type: "string", enum: ["error", "warning"] },
  canary: nullable(shape({ namespace: text, name: text })),
});

const detailFields: JsonObject = {
  ...summaryFields,
  strategy: text,
  evidence: listOf(shape({
    name: text,
    outcome: { type: "string", enum: ["passed", "failed", "inconclusive"] },
    value: { type: ["number", "null"] },
    message: text,
    at: time,
  })),
  approvals: listOf(shape({ gate, by: text, verdict: text, reason: text, at: time })),
  complaints: listOf(ref("Complaint")),
  events: listOf(shape({ at: time, kind: text, severity: text, message: text })),
  source: shape({ name: text, file: text, commit: nullableText }),
};

/** `components.schemas` of the document. */
export const SCHEMAS: Readonly<Record<string, JsonObject>> = {
  CanarySummary: shape(summaryFields),
  CanaryDetail: shape(detailFields),
  Complaint: complaint,
  CanaryList: shape({
    cluster: text,
    version: text,
    leading: { type: "boolean", description: "Whether this replica leads; commands are taken by the leader only." },
    canaries: listOf(ref("CanarySummary")),
  }),
  SourceList: shape({
    sources: listOf(shape({
      name: text,
      url: text,
      branch: text,
      state: { type: "string", enum: ["unknown", "fresh", "stale"] },
      problem: nullableText,
      commit: nullableText,
      fetchedAt: time,
    })),
    complaints: listOf(ref("Complaint")),
  }),
  Command: shape({
    revision: { ...nullableText, description: "The revision that is meant; approve and reject must name it." },
    gate: nullable(gate),
    reason: { type: "string", maxLength: 1000 },
  }, []),
  Decision: shape({
    revision: { type: "string", minLength: 1, description: "The revision that is meant." },
    gate: nullable(gate),
    reason: { type: "string", maxLength: 1000 },
  }, ["revision"]),
  Done: shape({ message: text }),
  Problem: shape({ error: text, fix: text }),
};

const REVISION = "7d9c5f8b64a1";
const NOW = 1_767_225_600_000;

const summaryExample: JsonObject = {
  namespace: "prod",
  name: "shop",
  phase: "waiting-promotion",
  flaggerPhase: "WaitingPromotion",
  provider: "istio",
  target: "Deployment/shop",
  weight: 50,
  iterations: 5,
  failedChecks: 0,
  threshold: 3,
  candidate: REVISION,
  candidateImages: ["registry.example.com/shop:1.1.0"],
  lock: "1f00aa93cc27",
  lockImages: ["registry.example.com/shop:1.0.0"],
  waitsFor: "Canary promotion is waiting for approval.",
  gate: "confirm-promotion",
  stalled: null,
  paused: null,
  phaseSince: NOW,
  last: { outcome: "succeeded", revision: "1f00aa93cc27", reason: "", at: NOW },
};

const complaintExample: JsonObject = {
  file: "apps/shop/canary.yaml",
  line: 12,
  field: "spec.analysis.threshold",
  message: "Must be at least 1: current value is 0",
  fix: "Write a number of 1 or more",
  severity: "error",
  canary: { namespace: "prod", name: "shop" },
};

/** An example of each schema that is answered or taken whole. */
export const EXAMPLES: Readonly<Record<string, JsonObject>> = {
  CanaryList: { cluster: "eu-1", version: "1.0.0", leading: true, canaries: [summaryExample] },
  CanaryDetail: {
    ...summaryExample,
    strategy: "Weight steps: 10, 20, 30, 40, 50",
    evidence: [{ name: "request-success-rate", outcome: "passed", value: 99.8, message: "99.8 >= 99", at: NOW }],
    approvals: [{ gate: "confirm-rollout", by: "jo", verdict: "approved", reason: "Reviewed", at: NOW }],
    complaints: [complaintExample],
    events: [{ at: NOW, kind: "advanced", severity: "info", message: "Advance prod/shop weight 50" }],
    source: { name: "main", file: "apps/shop/canary.yaml", commit: "3f786850e387550fdab836ed7e6dc881de23001b" },
  },
  SourceList: {
    sources: [{
      name: "main",
      url: "https://git.example.com/apps.git",
      branch: "main",
      state: "fresh",
      problem: null,
      commit: "3f786850e387550fdab836ed7e6dc881de23001b",
      fetchedAt: NOW,
    }],
    complaints: [complaintExample],
  },
  Command: { revision: REVISION, reason: "Numbers look wrong" },
  Decision: { revision: REVISION, gate: "confirm-promotion", reason: "Looks good" },
  Done: { message: `Approved "confirm-promotion" for revision ${REVISION}.` },
  Problem: { error: 'It waits at "confirm-promotion", not at "confirm-rollout".', fix: "Look at the canary again." },
};
