/** `spec.service`: names, ports and routes of the objects that are derived for a canary. */
import { bool, duration, field, int, listOf, mapOf, object, oneOf, pattern, required, text } from "../schema/schema.ts";
import { corsPolicy, headers, httpMatch, portNumberOrName, trafficPolicy } from "./schema_istio.ts";

/** A DNS label, as names of Services and namespaces are. */
export const dnsLabel = pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a name of small letters, digits and dashes", 63);
/** A DNS subdomain, as names of most objects are. */
export const dnsName = pattern(
  "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
  "a name of small letters, digits, dashes and dots",
  253,
);
const apiGroup = pattern(
  "^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
  "the name of an API group, or empty",
  253,
);
const kindName = pattern("^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", "the name of a kind", 63);
const port = int({ min: 1, max: 65535 });

const metadata = object({
  labels: field(mapOf(text), "Labels to add."),
  annotations: field(mapOf(text), "Annotations to add."),
}, { title: "Metadata" });

const gatewayRef = object({
  group: field(apiGroup, "API group of the parent.", { default: "gateway.networking.k8s.io", serverDefault: true }),
  kind: field(kindName, "Kind of the parent.", { default: "Gateway", serverDefault: true }),
  namespace: field(dnsLabel, "Namespace of the parent.", { defaultText: "the canary's" }),
  name: required(pattern("^.+$", "the name of a Gateway", 253), "Name of the parent."),
  sectionName: field(dnsName, "Listener of the parent."),
  port: field(port, "Port of the parent."),
});

const mirror = object({
  backendRef: required(
    object({
      group: field(apiGroup, "API group of the backend.", { default: "", serverDefault: true }),
      kind: field(kindName, "Kind of the backend.", { default: "Service", serverDefault: true }),
      name: required(pattern("^.+$", "the name of a backend", 253), "Name of the backend."),
      namespace: field(dnsLabel, "Namespace of the backend.", { defaultText: "the canary's" }),
      port: field(port, "Port of the backend; required for a Service."),
    }, { rules: [{ type: "needs", field: "port", when: { group: "", kind: "Service" }, fix: 'Add "port"' }] }),
    "Where the copies of requests go.",
  ),
});

/** The whole of `spec.service`. */
export const service = object({
  name: field(dnsLabel, "The stable name that traffic is addressed to (the apex).", {
    defaultText: "name of the target",
  }),
  port: required(port, "Port of the Services and routes."),
  portName: field(text, "Name of that port.", { default: "http" }),
  targetPort: field(portNumberOrName, "Port of the container, by number or name.", { defaultText: "`port`" }),
  appProtocol: field(text, "Application protocol of the port; `tcp` makes Istio route TCP."),
  trafficDistribution: field(
    oneOf("PreferClose", "PreferSameZone", "PreferSameNode"),
    "Which endpoints a Service prefers.",
  ),
  portDiscovery: field(bool, "Whether the container's other ports are added to the Services.", { default: false }),
  headless: field(bool, "Whether the Services have no cluster address.", { default: false }),
  timeout: field(duration, "Time-out of a request."),
  backendTimeout: field(duration, "Time-out of a request to the backend (Gateway API)."),
  gateways: field(listOf(text), "Istio gateways of the route; with any, `mesh` is not added."),
  gatewayRefs: field(listOf(gatewayRef, { maxItems: 32 }), "Parents of the route; required for the Gateway API."),
  hosts: field(listOf(text), "Host names of the route."),
  delegation: field(bool, "Whether the Istio route is a delegate, without hosts and gateways.", { default: false }),
  trafficPolicy: field(trafficPolicy, "Istio traffic policy of primary and canary."),
  match: field(listOf(httpMatch), "Which requests the route takes."),
  rewrite: field(
    object({
      uri: field(text, "New path, or prefix of it."),
      authority: field(text, "New host."),
      type: field(text, "`ReplacePrefixMatch`, or else the full path is replaced (Gateway API)."),
    }),
    "How requests are rewritten.",
  ),
  retries: field(
    object({
      attempts: field(int({ min: 0 }), "Number of retries."),
      perTryTimeout: field(duration, "Time-out of each."),
      retryOn: field(text, "Conditions to retry on."),
    }),
    "How requests are retried.",
  ),
  headers: field(headers, "Headers to change."),
  mirror: field(listOf(mirror, { maxItems: 32 }), "Backends that always get a copy of each request (Gateway API)."),
  corsPolicy: field(corsPolicy, "Cross-origin requests."),
  meshName: field(text, "Name of the App Mesh mesh."),
  backends: field(listOf(text), "App Mesh backends."),
  apex: field(metadata, "Metadata of the apex Service and of the route."),
  primary: field(metadata, "Metadata of the primary Service."),
  canary: field(metadata, "Metadata of the canary Service."),
  unmanagedMetadata: field(
    object({
      labels: field(listOf(text), "Keys of labels."),
      annotations: field(listOf(text), "Keys of annotations."),
    }),
    "Keys of the Services' metadata that are left as they are live.",
  ),
});
