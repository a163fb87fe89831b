/**
 * Combinations that each make sense alone and not together. They are refused when the spec is read: a router that
 * cannot do what is asked would otherwise send all traffic to the canary, or wait for ever.
 */
import type { Canary } from "../core/canary.ts";
import { at, type JsonObject } from "../core/kube_object.ts";
import { groupOf } from "./capabilities.ts";
import type { Complaints } from "./complaints.ts";

/** References that a provider cannot do without. */
const PROVIDER_NEEDS: Readonly<Record<string, "gatewayRefs" | "ingressRef" | "routeRef" | "meshName">> = {
  "gatewayapi:v1": "gatewayRefs",
  "gatewayapi:v1beta1": "gatewayRefs",
  nginx: "ingressRef",
  skipper: "ingressRef",
  apisix: "routeRef",
  appmesh: "meshName",
};

/** Longest name that still leaves room for "-primary" in a Service's name. */
const APEX_LENGTH_MAX = 63 - "-primary".length;

/** Checks a canary that has been read; `spec` is what it was read from. */
export function checkCanary(canary: Canary, spec: JsonObject, complaints: Complaints): void {
  checkTraffic(canary, complaints);
  checkAffinity(canary, complaints);
  checkService(canary, spec, complaints);
  checkProvider(canary, complaints);
  checkRender(canary, complaints);
}

/** Of what the agent applies itself there is nothing that an engine has rendered. */
function checkRender({ render, engine }: Canary, complaints: Complaints): void {
  if (render !== "live" || engine !== "self") return;
  complaints.error(
    ["spec", "render"],
    '"live" is for a target that an engine renders, and "engine: self" says that there is none',
    'Write "manifests" or "kustomize", or let Flux or Argo CD apply the target',
  );
}

/** What the spec asks of the router, beyond weights. */
function checkTraffic(canary: Canary, complaints: Complaints): void {
  const { analysis, provider, traits } = canary;
  const tcp = canary.service.appProtocol?.toLowerCase() === "tcp";
  if (analysis.strategy.type === "ab" && (!traits.match || tcp)) {
    const who = tcp ? "TCP routing" : `Provider "${provider}"`;
    complaints.error(
      ["spec", "analysis", "match"],
      `${who} cannot route by request: all traffic would go to the canary`,
      'Remove "match" for blue/green, or give steps for weights',
    );
  }
  if (analysis.mirror && (traits.mirror === "none" || tcp)) {
    const who = tcp ? "TCP routing" : `Provider "${provider}"`;
    complaints.error(["spec", "analysis", "mirror"], `${who} cannot mirror requests`, 'Remove "mirror"');
  }
  if (analysis.mirror && traits.mirror === "all" && analysis.mirrorWeight < 100) {
    complaints.error(
      ["spec", "analysis", "mirrorWeight"],
      `Provider "${provider}" mirrors all requests or none: current value is ${analysis.mirrorWeight}`,
      'Remove "mirrorWeight"',
    );
  }
  if (analysis.strategy.type === "weights" && !traits.weights) {
    complaints.error(
      ["spec", "analysis"],
      `Provider "${provider}" cannot split traffic by weight`,
      'Give "iterations" in place of steps',
    );
  }
}

function checkAffinity(canary: Canary, complaints: Complaints): void {
  const { analysis, provider, traits, service } = canary;
  if (analysis.sessionAffinity === null) return;
  const path = ["spec", "analysis", "sessionAffinity"];
  if (traits.affinity === "none" || service.appProtocol?.toLowerCase() === "tcp") {
    const who = traits.affinity === "none" ? `Provider "${provider}"` : "TCP routing";
    complaints.error(path, `${who} cannot set session cookies`, 'Remove "sessionAffinity"');
    return;
  }
  if (analysis.sessionAffinity.primaryCookieName !== null && traits.affinity === "canary") {
    const reason = `Provider "${provider}" cannot set a cookie on the primary`;
    complaints.error([...path, "primaryCookieName"], reason, 'Remove "primaryCookieName"');
  }
  if (analysis.strategy.type !== "weights") {
    complaints.error(
      path,
      "Needs a rollout by weights: there is no share of users to keep",
      'Remove "sessionAffinity"',
    );
  }
}

function checkService(canary: Canary, spec: JsonObject, complaints: Complaints): void {
  const { service } = canary;
  const path = ["spec", "service"];
  if (at(spec, "service") === undefined && !isKnative(canary)) {
    complaints.error([...path, "port"], "Is required, and absent", 'Add "service" with the "port" of the workload');
  }
  if (service.delegation && (service.hosts.length > 0 || service.gateways.length > 0)) {
    const reason = 'A delegate has neither "hosts" nor "gateways": those stand in the route that delegates';
    complaints.error([...path, "delegation"], reason, 'Remove "hosts" and "gateways", or "delegation"');
  }
  if (service.name.length > APEX_LENGTH_MAX || !/^[a-z0-9-]+$/.test(service.name)) {
    const where = at(spec, "service", "name") === undefined ? ["spec", "targetRef", "name"] : [...path, "name"];
    const reason =
      `Must be at most ${APEX_LENGTH_MAX} small letters, digits and dashes, to name the Services: current value is "${service.name}"`;
    complaints.error(where, reason, 'Give "service.name" a shorter or simpler name');
  }
}

function isKnative(canary: Canary): boolean {
  return canary.target.kind === "Service" && groupOf(canary.target.apiVersion) === "serving.knative.dev";
}

function checkProvider(canary: Canary, complaints: Complaints): void {
  const { provider, service, scaler } = canary;
  const need = PROVIDER_NEEDS[provider];
  const given = {
    gatewayRefs: service.gatewayRefs.length > 0,
    ingressRef: service.ingressRef !== null,
    routeRef: service.routeRef !== null,
    meshName: service.meshName !== null,
  };
  if (need !== undefined && !given[need]) {
    const path = need === "ingressRef" || need === "routeRef" ? ["spec", need] : ["spec", "service", need];
    complaints.error(path, `Is required for provider "${provider}", and absent`, `Add "${need}"`);
  }
  const knativeProvider = provider === "knative";
  if (knativeProvider !== isKnative(canary)) {
    const reason = knativeProvider
      ? `Provider "knative" needs a target of serving.knative.dev/v1, kind Service: it is "${canary.target.apiVersion}", "${canary.target.kind}"`
      : `A Knative target needs provider "knative": it is "${provider}"`;
    const fix = knativeProvider ? "Name a Knative Service, or another provider" : 'Write "provider: knative"';
    complaints.error(knativeProvider ? ["spec", "targetRef"] : ["spec", "provider"], reason, fix);
  }
  if (isKnative(canary) && scaler !== null) {
    complaints.error(["spec", "autoscalerRef"], "A Knative Service scales itself", 'Remove "autoscalerRef"');
  }
}
