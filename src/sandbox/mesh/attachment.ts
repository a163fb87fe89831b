/**
 * Which doors a route is heard at, and under which hosts: through a Gateway's listeners, at a Service inside the mesh,
 * or through Istio's gateways. Only plain HTTP listeners take part; the sandbox ends no TLS.
 */
import type { JsonObject, KubeObject } from "../../core/kube_object.ts";
import { isJsonObject, listAt, stringAt } from "../../core/kube_object.ts";
import type { ObjectSource } from "../object_source.ts";
import { GATEWAYS, ISTIO_GATEWAYS, listAll } from "./api_objects.ts";
import { fullServiceHost, narrower, serviceOfHost } from "./hosts.ts";
import type { Door } from "./route_model.ts";

/** What came of one parent; `reason` in the Gateway API's words. */
export interface ParentReport {
  readonly parentRef: JsonObject;
  readonly accepted: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface Attachment {
  readonly hosts: Readonly<Record<Door, readonly string[]>>;
  readonly parents: readonly ParentReport[];
}

/** Attaches an HTTPRoute to each of its parents; one that refuses it takes nothing from the others. */
export function attachHttpRoute(route: KubeObject, objects: ObjectSource): Attachment {
  const hosts: Record<Door, string[]> = { gateway: [], mesh: [] };
  const wanted = listAt(route, "spec", "hostnames").filter((host) => typeof host === "string");
  const parents = listAt(route, "spec", "parentRefs").filter(isJsonObject).map((parentRef): ParentReport => {
    const attached = parentRef["kind"] === "Service"
      ? attachToService(route, parentRef, objects)
      : attachToGateway(route, parentRef, { wanted, objects });
    if (typeof attached !== "string") {
      hosts[attached.door].push(...attached.hosts);
      return { parentRef, accepted: true, reason: "Accepted", message: "Accepted by the sandbox's mesh" };
    }
    const [reason = "", message = ""] = attached.split(": ", 2);
    return { parentRef, accepted: false, reason, message };
  });
  return { hosts, parents };
}

/** Hosts, or "Reason: why not". */
type Attached = string | { readonly door: Door; readonly hosts: readonly string[] };

function attachToService(route: KubeObject, parentRef: JsonObject, objects: ObjectSource): Attached {
  const namespace = stringAt(parentRef, "namespace") ?? route.metadata.namespace ?? "default";
  const name = stringAt(parentRef, "name") ?? "";
  if (namespace !== route.metadata.namespace) {
    return "NotAllowedByListeners: the sandbox's mesh does not know consumer routes, so the Service must be in the route's namespace";
  }
  if (!objects.list("v1", "Service", namespace).some((service) => service.metadata.name === name)) {
    return `NoMatchingParent: there is no Service "${namespace}/${name}"`;
  }
  // Host names of the route do not count here: a Service is heard under its own.
  return { door: "mesh", hosts: [fullServiceHost({ namespace, name })] };
}

function attachToGateway(
  route: KubeObject,
  parentRef: JsonObject,
  { wanted, objects }: { readonly wanted: readonly string[]; readonly objects: ObjectSource },
): Attached {
  const kind = stringAt(parentRef, "kind") ?? "Gateway";
  if (kind !== "Gateway") {
    return `InvalidKind: the sandbox's mesh knows parents of kind Gateway and Service, not ${kind}`;
  }
  const own = route.metadata.namespace ?? "default";
  const [namespace, name] = [stringAt(parentRef, "namespace") ?? own, stringAt(parentRef, "name") ?? ""];
  const gateway = listAll(objects, GATEWAYS).find(({ metadata }) =>
    metadata.namespace === namespace && metadata.name === name
  );
  if (gateway === undefined) return `NoMatchingParent: there is no Gateway "${namespace}/${name}"`;
  const section = stringAt(parentRef, "sectionName");
  const listeners = listAt(gateway, "spec", "listeners").filter(isJsonObject).filter((listener) =>
    listener["protocol"] === "HTTP" && (section === undefined || listener["name"] === section) &&
    (parentRef["port"] === undefined || parentRef["port"] === listener["port"])
  );
  if (listeners.length === 0) return "NoMatchingParent: no HTTP listener of the Gateway fits sectionName and port";
  const open = listeners.filter((listener) => {
    const from = stringAt(listener, "allowedRoutes", "namespaces", "from") ?? "Same";
    return from === "All" || (from === "Same" && namespace === own);
  });
  if (open.length === 0) return `NotAllowedByListeners: no listener takes routes from namespace "${own}"`;
  const asked = wanted.length === 0 ? ["*"] : wanted;
  const hosts = open.flatMap((listener) => {
    const limit = stringAt(listener, "hostname") ?? "*";
    return asked.flatMap((host) => narrower(host, limit) ?? []);
  });
  if (hosts.length === 0) return "NoMatchingListenerHostname: no host name of the route lies in a listener's";
  return { door: "gateway", hosts };
}

/** Attaches a VirtualService: "mesh" is the inner door, any other name an Istio Gateway. */
export function attachVirtualService(
  object: KubeObject,
  objects: ObjectSource,
): { readonly hosts: Readonly<Record<Door, readonly string[]>>; readonly problems: readonly string[] } {
  const own = object.metadata.namespace ?? "default";
  const wanted = listAt(object, "spec", "hosts").filter((host) => typeof host === "string");
  const names = listAt(object, "spec", "gateways").filter((name) => typeof name === "string");
  const hosts: Record<Door, string[]> = { gateway: [], mesh: [] };
  const problems: string[] = [];
  for (const name of names.length === 0 ? ["mesh"] : names) {
    if (name === "mesh") {
      hosts.mesh.push(...wanted.map((host) => innerHost(host, own)));
      continue;
    }
    const [first = "", second] = name.split("/");
    const [namespace, gatewayName] = second === undefined ? [own, first] : [first, second];
    const gateway = listAll(objects, ISTIO_GATEWAYS).find(({ metadata }) =>
      metadata.namespace === namespace && metadata.name === gatewayName
    );
    if (gateway === undefined) {
      problems.push(`there is no Istio Gateway "${namespace}/${gatewayName}"`);
      continue;
    }
    const limits = httpHosts(gateway, own);
    hosts.gateway.push(...wanted.flatMap((host) => limits.flatMap((limit) => narrower(host, limit) ?? [])));
  }
  return { hosts, problems };
}

/** Short names mean a Service beside the VirtualService; names with dots mean themselves. */
function innerHost(host: string, namespace: string): string {
  if (host.includes("*")) return host;
  const service = serviceOfHost(host, namespace);
  const isFull = host.endsWith(".svc.cluster.local");
  return service !== undefined && (isFull || !host.includes(".")) ? fullServiceHost(service) : host.toLowerCase();
}

/** Hosts of an Istio Gateway's HTTP servers that are open to a namespace: "host", "*\/host", "namespace/host", "./host". */
function httpHosts(gateway: KubeObject, namespace: string): readonly string[] {
  return listAt(gateway, "spec", "servers").filter((server) => stringAt(server, "port", "protocol") === "HTTP")
    .flatMap((server) => listAt(server, "hosts")).filter((host) => typeof host === "string").flatMap((text) => {
      const [first = "", second] = text.split("/");
      if (second === undefined) return [first];
      const isOpen = first === "*" || first === namespace ||
        (first === "." && gateway.metadata.namespace === namespace);
      return isOpen ? [second] : [];
    });
}
