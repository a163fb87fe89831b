/**
 * Where the servers of one cluster stand. Two clusters can stand in one run: each has a loopback address for its servers,
 * so that ports are the same in both, and a network for its node and pods. The Git server belongs to neither.
 */

export interface Site {
  /** Servers that nobody but the run asks listen here: etcd, controllers, proxy, Prometheus, the agent. */
  readonly loopback: string;
  /** The first two numbers of its node's and its pods' addresses. */
  readonly network: string;
}

export const FIRST_SITE: Site = { loopback: "127.0.0.1", network: "10.244" };
export const SECOND_SITE: Site = { loopback: "127.0.0.2", network: "10.245" };

/** Address of the node, and of its API server: certificates and EndpointSlices want one that is not loopback. */
export function hostOf({ network }: Site): string {
  return `${network}.0.1`;
}
