/** `spec.analysis`: how a rollout is judged and how its traffic rises. */
import {
  bool,
  type DurationSchema,
  field,
  httpUrl,
  int,
  listOf,
  mapOf,
  nonEmptyText,
  number,
  object,
  oneOf,
  required,
  text,
} from "../schema/schema.ts";
import { analysisMatch } from "./schema_istio.ts";
import { dnsLabel, dnsName } from "./schema_service.ts";

/** Bounds lists that a CRD rule looks into, which the API server wants bounded. */
const ITEMS_MAX = 128;

/** The three judges of design section 6. */
export const JUDGES = ["threshold", "sequential", "mann-whitney"] as const;

const inconclusive = oneOf("fail", "hold", "pass");
const percent = int({ min: 0, max: 100 });
const window: DurationSchema = { type: "duration", style: "flagger", minMs: 1_000 };

const thresholdRange = object({
  min: field(number(), "Fails below this value."),
  max: field(number(), "Fails above this value."),
}, { rules: [{ type: "ordered", low: "min", high: "max", fix: 'Make "min" the smaller one' }] });

function reference(what: string) {
  return object({
    name: required(dnsName, `Name of the ${what}.`),
    namespace: field(dnsLabel, `Namespace of the ${what}.`, { defaultText: "the canary's" }),
  });
}

/** One entry of `analysis.metrics`. */
export const metric = object({
  name: required(nonEmptyText, "`request-success-rate`, `request-duration`, or a name of your own."),
  interval: field(window, "Window of the query.", { defaultText: "`1m`; none with `templateRef`" }),
  threshold: field(number(), "Old form of `thresholdRange`: the least success rate, or the most of anything else."),
  thresholdRange: field(thresholdRange, "Values with which the check passes, bounds included."),
  query: field(nonEmptyText, "A PromQL query against `metricsServer`; use `templateRef` instead."),
  templateRef: field(reference("MetricTemplate"), "The MetricTemplate that holds the query."),
  templateVariables: field(mapOf(text), "Values for `{{ variables.key }}` in the query."),
  judge: field(oneOf(...JUDGES), "How the number is judged.", { only: "annotation", defaultText: "`analysis.judge`" }),
  critical: field(bool, "Whether one failure ends the rollout at once.", { only: "annotation", default: false }),
  dryRun: field(bool, "Whether the check is only reported.", { only: "annotation", default: false }),
});

/** Types of `analysis.webhooks`; empty means `rollout`. */
export const WEBHOOK_TYPES = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "post-rollout",
  "rollback",
  "event",
] as const;

const webhook = object({
  name: required(nonEmptyText, "Name of the webhook."),
  url: required(httpUrl, "Where the request goes."),
  type: field(oneOf("", ...WEBHOOK_TYPES), "When it is called.", { defaultText: "`rollout`" }),
  timeout: field({ type: "duration", style: "flagger" }, "Time-out of one attempt.", { default: "10s" }),
  retries: field(int({ min: 0, max: 100 }), "Further attempts.", { default: 0 }),
  muteAlert: field(bool, "Whether alerts about this gate are left out.", { default: false }),
  metadata: field(mapOf(text), "Sent along in the request."),
  disableTLS: field(bool, "Whether the server's certificate is not checked.", { default: false }),
});

const alert = object({
  name: required(nonEmptyText, "Name of the alert."),
  severity: field(oneOf("", "info", "warn", "error"), "Least severity that is sent.", { defaultText: "`info`" }),
  providerRef: required(reference("AlertProvider"), "The AlertProvider to send to."),
});

const sessionAffinity = object({
  cookieName: required(nonEmptyText, "Name of the cookie that keeps a user on the canary."),
  primaryCookieName: field(nonEmptyText, "Name of the cookie that keeps a user on the primary."),
  maxAge: field(int({ min: 1 }), "Life of the canary cookie, in seconds.", { default: 86400, serverDefault: true }),
  domain: field(text, "Domain of the cookie."),
  path: field(text, "Path of the cookie."),
  httpOnly: field(bool, "Whether scripts cannot read the cookie.", { default: false }),
  secure: field(bool, "Whether the cookie is sent over TLS only.", { default: false }),
  partitioned: field(bool, "Whether the cookie is partitioned.", { default: false }),
  sameSite: field(oneOf("Strict", "Lax", "None"), "With which requests from other sites the cookie is sent."),
}, {
  rules: [{
    type: "different",
    fields: ["cookieName", "primaryCookieName"],
    fix: "Give the two cookies different names",
  }],
});

/** The whole of `spec.analysis`. */
export const analysis = object({
  interval: field(
    { type: "duration", style: "flagger" },
    "Time between two checks; at least 10 s on flagger.app, 1 s on serin.dev.",
  ),
  threshold: field(int({ min: 0 }), "Failed checks that end the rollout; less than 1 counts as 1."),
  iterations: field(int({ min: 0, max: 100_000 }), "Number of checks of an A/B test or a blue/green rollout."),
  match: field(listOf(analysisMatch), "Requests that go to the canary in an A/B test."),
  maxWeight: field(percent, "Weight at which the canary is promoted.", {
    defaultText: "100; the last of `stepWeights`",
  }),
  stepWeight: field(percent, "By how much the canary's weight rises after each passed analysis."),
  stepWeights: field(
    listOf(percent, { minItems: 1, maxItems: 100 }),
    "The canary's weights, one after another, rising.",
  ),
  stepWeightPromotion: field(percent, "By how much the canary's weight falls after promotion.", {
    defaultText: "all at once",
  }),
  mirror: field(bool, "Whether requests are mirrored to the canary, before the first step or while iterating.", {
    default: false,
  }),
  mirrorWeight: field(percent, "Percent of requests that are mirrored.", { defaultText: "100" }),
  primaryReadyThreshold: field(percent, "Percent of primary pods that must be available.", { default: 100 }),
  canaryReadyThreshold: field(percent, "Percent of canary pods that must be available.", { default: 100 }),
  judge: field(oneOf(...JUDGES), "How metrics are judged that do not say.", {
    only: "annotation",
    default: "threshold",
  }),
  failureCounting: field(oneOf("cumulative", "consecutive"), "Whether a passed check forgives failed ones.", {
    only: "annotation",
    defaultText: "`consecutive`; `cumulative` on flagger.app",
  }),
  onInconclusive: field(inconclusive, "What a check without an answer counts as.", {
    only: "annotation",
    default: "fail",
  }),
  onNoData: field(inconclusive, "What a query without data counts as.", { only: "annotation", default: "fail" }),
  minSamples: field(int({ min: 0 }), "Requests below which a check is inconclusive.", {
    only: "annotation",
    default: 0,
  }),
  metrics: field(listOf(metric, { maxItems: ITEMS_MAX }), "Metric checks."),
  webhooks: field(listOf(webhook, { maxItems: ITEMS_MAX }), "Webhooks: gates, tests, and events."),
  alerts: field(listOf(alert, { maxItems: ITEMS_MAX }), "Whom to tell; with any, the agent's own notifier is silent."),
  sessionAffinity: field(sessionAffinity, "Cookies that keep a user on one side."),
}, {
  rules: [{
    type: "one-of",
    sets: [
      ["interval", "threshold", "iterations"],
      ["interval", "threshold", "stepWeight"],
      ["interval", "threshold", "stepWeights"],
    ],
    fix: 'Give "interval", "threshold", and exactly one of "iterations", "stepWeight" and "stepWeights"',
  }],
});
