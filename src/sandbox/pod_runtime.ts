/**
 * How the embedded cluster runs a pod. The cluster's node agent asks a runtime to start one process a pod and tells
 * the API what came of it; what a pod serves, how long it takes to get ready and when it dies is the runtime's own
 * business. This page must not know of the API, nor of the mesh that implements it.
 */
import type { KubeObject } from "../core/kube_object.ts";

/** Starts pods: one process a call, never two at once for the same pod. */
export interface PodRuntime {
  /**
   * Starts what the pod's containers say. The pod has `metadata.uid` and all defaults.
   *
   * @returns as soon as the address is known; readiness comes later
   * @throws whatever went wrong; the node agent shows it as a container that waits with reason "RunContainerError"
   */
  start(pod: KubeObject): Promise<PodProcess>;
}

/** One running pod. */
export interface PodProcess {
  /** Where it listens. Loopback is allowed, with a port of its own for each pod. */
  readonly address: { readonly hostname: string; readonly port: number };
  /** Resolves true when the readiness probe passes, false when it never will. */
  readonly ready: Promise<boolean>;
  /** Resolves when the process has ended, be it by itself (a crash) or by `stop`. */
  readonly exited: Promise<void>;
  /** Takes no new connections, lets requests in flight end for at most `graceMs`, then resolves. May be called twice. */
  stop(graceMs: number): Promise<void>;
}
