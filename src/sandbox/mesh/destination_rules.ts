/** Istio DestinationRules: what they would change and this mesh does not do stops the routes to their hosts. */
import type { KubeObject } from "../../core/kube_object.ts";
import { objectAt, stringAt } from "../../core/kube_object.ts";
import type { ObjectSource } from "../object_source.ts";
import { DESTINATION_RULES, listAll } from "./api_objects.ts";
import { fullServiceHost, serviceOfHost } from "./hosts.ts";
import type { Rule } from "./route_model.ts";
import { objectOf, wordOf } from "./strict_fields.ts";

/** @throws {RouteProblem} a rule's destination has a traffic policy that the mesh does not act on */
export function checkDestinationRules(rules: readonly Rule[], objects: ObjectSource): void {
  const destinations = new Set(
    rules.flatMap((rule) => [...rule.backends, ...rule.mirrors]).map(({ service }) => fullServiceHost(service)),
  );
  for (const object of listAll(objects, DESTINATION_RULES)) {
    const service = serviceOfHost(stringAt(object, "spec", "host") ?? "", object.metadata.namespace ?? "default");
    if (service !== undefined && destinations.has(fullServiceHost(service))) checkPolicy(object);
  }
}

function checkPolicy(object: KubeObject): void {
  const path = `DestinationRule ${object.metadata.namespace}/${object.metadata.name}: spec.trafficPolicy`;
  const policy = objectOf(objectAt(object, "spec")["trafficPolicy"], path, ["tls", "loadBalancer"]);
  const tls = objectOf(policy["tls"], `${path}.tls`, ["mode"]);
  wordOf(tls["mode"], `${path}.tls.mode`, ["DISABLE", "ISTIO_MUTUAL"], "DISABLE");
  const balancer = objectOf(policy["loadBalancer"], `${path}.loadBalancer`, ["simple"]);
  const known = ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "UNSPECIFIED"] as const;
  wordOf(balancer["simple"], `${path}.loadBalancer.simple`, known, "UNSPECIFIED");
}
