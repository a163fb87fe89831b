/** `MetricTemplate.spec` and `AlertProvider.spec`, for both API groups. */
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
import type { Api } from "./schema_canary.ts";
import { dnsName } from "./schema_service.ts";

/** Every value that Flagger's CRD allows for a template's `provider.type`, in its order. */
export const FLAGGER_METRIC_PROVIDERS = [
  "prometheus",
  "influxdb",
  "datadog",
  "externalmetrics",
  "stackdriver",
  "cloudwatch",
  "newrelic",
  "graphite",
  "dynatrace",
  "keptn",
  "splunk",
] as const;

/** Those that only `serin.dev` has. */
export const SERIN_METRIC_PROVIDERS = ["web", "kubernetes"] as const;

/** Every value that Flagger's CRD allows for an AlertProvider's `type`. */
export const FLAGGER_ALERT_TYPES = ["slack", "msteams", "discord", "rocket", "gchat"] as const;

/** Also plain JSON, for receivers of one's own: `serin.dev` alone has it. */
export const ALERT_TYPES = [...FLAGGER_ALERT_TYPES, "webhook"] as const;

const secretRef = object({ name: required(dnsName, "Name of the Secret, in the object's own namespace.") });

function templateSpec(types: readonly string[]): ObjectSchema {
  return object({
    provider: required(
      object({
        type: required(oneOf(...types), "Kind of the metrics server."),
        address: field(httpUrl, "Base URL of the metrics server."),
        headers: field(mapOf(listOf(text)), "Headers to send along (prometheus)."),
        secretRef: field(secretRef, "The Secret with the credentials."),
        region: field(nonEmptyText, "Region (cloudwatch)."),
        insecureSkipVerify: field(bool, "Whether the server's certificate is not checked.", { default: false }),
        replicas: field(
          int({ min: 1, max: 10 }),
          "Replicas of the metrics server behind the address, which must agree.",
          {
            only: "annotation",
            default: 1,
          },
        ),
      }),
      "Where the query is sent.",
    ),
    query: required(nonEmptyText, "The query, a Go template."),
  });
}

const serinTemplate = objectFor("serin", templateSpec([...FLAGGER_METRIC_PROVIDERS, ...SERIN_METRIC_PROVIDERS]));
const flaggerTemplate = objectFor("flagger", templateSpec(FLAGGER_METRIC_PROVIDERS));

/** The spec's schema for one API. */
export function metricTemplateSpecOf(api: Api): ObjectSchema {
  return api === "serin.dev/v1" ? serinTemplate : flaggerTemplate;
}

function providerSpec(types: readonly string[]): ObjectSchema {
  return object({
    type: required(oneOf(...types), "Kind of the place."),
    channel: field(text, "Channel to write to.", { default: "general" }),
    username: field(text, "Name to write under.", { default: "flagger" }),
    address: field(httpUrl, "URL of the webhook."),
    proxy: field(httpUrl, "Proxy to use."),
    secretRef: field(secretRef, "The Secret whose key `address` holds the URL."),
  }, {
    rules: [{
      type: "one-of",
      sets: [["type", "address"], ["type", "secretRef"]],
      fix: 'Give exactly one of "address" and "secretRef"',
    }],
  });
}

const serinProvider = providerSpec(ALERT_TYPES);
const flaggerProvider = providerSpec(FLAGGER_ALERT_TYPES);

/** The spec's schema for one API. */
export function alertProviderSpecOf(api: Api): ObjectSchema {
  return api === "serin.dev/v1" ? serinProvider : flaggerProvider;
}
