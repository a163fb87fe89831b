/** What the sandbox's mesh and metrics server need of the embedded API: to list objects, and to hear of changes. */
import type { KubeObject } from "../core/kube_object.ts";

/** The composition satisfies it from the API's store; tests from a list. */
export interface ObjectSource {
  /** All objects of a kind, in one namespace or everywhere; empty where the kind is unknown. */
  list(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[];
  /** Calls back after every change of any object. Returns a function that ends it. */
  onChange(listener: () => void): () => void;
}

/** Where a pod's process listens. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** Finds the process of a pod: pods of the sandbox share one loopback address, so `status.podIP` cannot tell. */
export type AddressOf = (namespace: string, pod: string) => Address | undefined;
