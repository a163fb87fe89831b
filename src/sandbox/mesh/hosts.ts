/** Host names: which pattern fits which host, where patterns overlap, and which Service a name inside the mesh means. */

const CLUSTER_DOMAIN = "svc.cluster.local";

/** "Shop.Example.com:8080" to "shop.example.com". */
export function bareHost(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "").replace(/\.$/, "");
}

/** "*" fits all, "*.example.com" every name below, anything else only itself. */
export function hostFits(pattern: string, host: string): boolean {
  if (pattern === "*") return true;
  if (!pattern.startsWith("*.")) return pattern.toLowerCase() === host;
  const suffix = pattern.slice(1).toLowerCase();
  return host.length > suffix.length && host.endsWith(suffix);
}

/** The narrower of two patterns where one lies inside the other; undefined where no host fits both. */
export function narrower(one: string, other: string): string | undefined {
  if (hostFits(one, other) || one === other) return other;
  return hostFits(other, one) ? one : undefined;
}

/** How narrow a pattern is: exact before wildcard, then the longer; larger is narrower. */
export function hostRank(pattern: string): number {
  return pattern.startsWith("*") ? pattern.length : 1_000 + pattern.length;
}

/** "shop", "shop.prod", "shop.prod.svc" and the full name; undefined for anything else. */
export function serviceOfHost(
  host: string,
  ownNamespace: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const [name = "", namespace = ownNamespace, ...rest] = host.split(".");
  if (name === "" || !["", "svc", "svc.cluster", CLUSTER_DOMAIN].includes(rest.join("."))) return undefined;
  return { namespace, name };
}

export function fullServiceHost(service: { readonly namespace: string; readonly name: string }): string {
  return `${service.name}.${service.namespace}.${CLUSTER_DOMAIN}`;
}
