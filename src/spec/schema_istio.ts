/** The parts of `spec.service` that are Istio's: matches, traffic policy, CORS. Field by field as Flagger's CRD has them. */
import {
  bool,
  field,
  int,
  intOrString,
  listOf,
  mapOf,
  object,
  type ObjectSchema,
  oneOf,
  open,
  text,
} from "../schema/schema.ts";

/** An Istio string match: one form of it. `suffix` is not kept by every place of Flagger's CRD. */
function stringMatch(suffix: "everywhere" | "serin"): ObjectSchema {
  return object({
    exact: field(text, "The whole value."),
    prefix: field(text, "The value starts with this."),
    suffix: field(text, "The value ends with this.", suffix === "serin" ? { only: "serin" } : {}),
    regex: field(text, "The whole value matches this RE2 expression."),
  }, {
    title: "StringMatch",
    rules: [{
      type: "one-of",
      sets: [["exact"], ["prefix"], ["suffix"], ["regex"]],
      fix: "Give exactly one of them",
    }],
  });
}

const match = stringMatch("serin");

/** Istio's HTTPMatchRequest, as `service.match` has it. */
export const httpMatch = object({
  name: field(text, "Name of the match, for people."),
  uri: field(match, "Path of the request."),
  ignoreUriCase: field(bool, "Whether capitals in the path do not matter.", { default: false }),
  scheme: field(match, "Scheme of the request."),
  method: field(match, "Method of the request."),
  authority: field(match, "Host that was asked for."),
  headers: field(mapOf(match), "Headers of the request, by name."),
  withoutHeaders: field(mapOf(match), "Headers that must not match, by name."),
  queryParams: field(mapOf(match), "Query parameters, by name."),
  port: field(int({ min: 1, max: 65535 }), "Port that was asked for."),
  sourceLabels: field(mapOf(text), "Labels of the workload that asks; only within the mesh."),
  sourceNamespace: field(text, "Namespace of the workload that asks; only within the mesh."),
  gateways: field(listOf(text), "Gateways for which the match holds."),
}, { title: "HTTPMatch" });

/** What `analysis.match` keeps of it on flagger.app: the API server drops the rest. */
export const analysisMatch = object({
  ...Object.fromEntries(
    Object.entries(httpMatch.fields).map(([name, entry]) => [name, { ...entry, only: "serin" as const }]),
  ),
  headers: field(mapOf(stringMatch("everywhere")), "Headers of the request, by name."),
  queryParams: field(mapOf(match), "Query parameters, by name."),
  sourceLabels: field(mapOf(text), "Labels of the workload that asks; only within the mesh."),
}, { title: "AnalysisMatch" });

const headerOperations = object({
  set: field(mapOf(text), "Headers to set, by name."),
  add: field(mapOf(text), "Headers to add, by name."),
  remove: field(listOf(text), "Names of headers to remove."),
}, { title: "HeaderOperations" });

/** `service.headers`. */
export const headers = object({
  request: field(headerOperations, "Operations on requests."),
  response: field(headerOperations, "Operations on responses."),
});

/** `service.corsPolicy`. */
export const corsPolicy = object({
  allowOrigin: field(listOf(text), "Origins that may ask."),
  allowOrigins: field(listOf(match), "Patterns of origins that may ask."),
  allowMethods: field(listOf(text), "Methods that may be used."),
  allowHeaders: field(listOf(text), "Headers that may be used."),
  exposeHeaders: field(listOf(text), "Headers that a browser may read."),
  maxAge: field(text, "How long a preflight answer is kept."),
  allowCredentials: field(bool, "Whether credentials may be sent."),
});

const connectionPool = object({
  http: field(
    object({
      h2UpgradePolicy: field(
        oneOf("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
        "Whether HTTP/1.1 connections become HTTP/2.",
      ),
      http1MaxPendingRequests: field(int(), "Requests that may wait."),
      http2MaxRequests: field(int(), "Requests at once."),
      idleTimeout: field(text, "When an unused connection is closed."),
      maxRequestsPerConnection: field(int(), "Requests a connection."),
      maxRetries: field(int(), "Retries at once."),
    }),
    "HTTP connections.",
  ),
  tcp: field(open, "TCP connections.", { only: "serin" }),
});

const consistentHash = object({
  httpHeaderName: field(text, "Hash of this header."),
  httpCookie: field(
    object({
      name: field(text, "Name of the cookie."),
      path: field(text, "Path of the cookie."),
      ttl: field(text, "Life of the cookie."),
    }),
    "Hash of a cookie.",
  ),
  useSourceIp: field(bool, "Hash of the source address."),
  httpQueryParameterName: field(text, "Hash of this query parameter."),
  minimumRingSize: field(int({ min: 0 }), "Least number of virtual nodes on the ring."),
}, {
  rules: [{
    type: "one-of",
    sets: [["httpHeaderName"], ["httpCookie"], ["useSourceIp"], ["httpQueryParameterName"]],
    fix: "Name exactly one thing to hash",
  }],
});

const localityLbSetting = object({
  enabled: field(bool, "Whether locality counts."),
  distribute: field(
    listOf(object({ from: field(text, "Locality of the caller."), to: field(mapOf(int()), "Weights by locality.") })),
    "Shares by locality.",
  ),
  failover: field(
    listOf(object({ from: field(text, "Region of the caller."), to: field(text, "Region to go to.") })),
    "Where to go when a region fails.",
  ),
  failoverPriority: field(listOf(text), "Labels that order endpoints.", { only: "serin" }),
});

const loadBalancer = object({
  simple: field(oneOf("ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"), "A plain algorithm."),
  consistentHash: field(consistentHash, "Hash of the request."),
  localityLbSetting: field(localityLbSetting, "Preference by locality."),
  warmupDurationSecs: field(text, "How long a new endpoint is warmed up."),
}, {
  rules: [{
    type: "one-of",
    sets: [["simple"], ["consistentHash"]],
    fix: 'Give exactly one of "simple" and "consistentHash"',
  }],
});

const outlierDetection = object({
  consecutiveErrors: field(int(), "Errors in a row."),
  consecutiveGatewayErrors: field(int(), "Gateway errors in a row."),
  consecutive5xxErrors: field(int(), "Answers of 500 and above in a row."),
  consecutiveLocalOriginFailures: field(int(), "Local failures in a row."),
  splitExternalLocalOriginErrors: field(bool, "Whether local failures are counted apart."),
  interval: field(text, "Time between sweeps."),
  baseEjectionTime: field(text, "Shortest ejection."),
  maxEjectionPercent: field(int(), "Percent of hosts ejected at most."),
  minHealthPercent: field(int(), "Percent of hosts below which nothing is ejected."),
});

const tls = object({
  mode: field(oneOf("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"), "Kind of TLS."),
  clientCertificate: field(text, "File of the client certificate."),
  privateKey: field(text, "File of its key."),
  caCertificates: field(text, "File of the certificate authorities."),
  subjectAltNames: field(listOf(text), "Names that the server may have."),
  sni: field(text, "Name that is sent."),
});

/** `service.trafficPolicy`. */
export const trafficPolicy = object({
  connectionPool: field(connectionPool, "Connection pool."),
  loadBalancer: field(loadBalancer, "Load balancing."),
  outlierDetection: field(outlierDetection, "Ejection of unhealthy hosts."),
  tls: field(tls, "TLS to the workload."),
  portLevelSettings: field(listOf(open), "Settings by port.", { only: "serin" }),
});

/** A port number or the name of one. */
export const portNumberOrName = intOrString;
