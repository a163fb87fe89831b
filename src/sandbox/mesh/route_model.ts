/**
 * What a route says, whichever API it was written in: hosts, rules with matches, weighted backends, mirrors, edits. The
 * proxy knows only this; each API has one file that reads its objects into it.
 */
import type { ObjectRef } from "../../core/kube_object.ts";

/** Whether a value (undefined where it is absent) fits. */
export type TextTest = (value: string | undefined) => boolean;

export interface PathMatch {
  readonly type: "exact" | "prefix" | "regex";
  readonly value: string;
  readonly test: (path: string) => boolean;
}

/** All that is given must hold. */
export interface RequestMatch {
  readonly path?: PathMatch;
  readonly method?: TextTest;
  /** Names in lower case. */
  readonly headers: readonly { readonly name: string; readonly test: TextTest }[];
  readonly query: readonly { readonly name: string; readonly test: TextTest }[];
  /** The host that was asked for. */
  readonly authority?: TextTest;
}

/** Matches every request. */
export const ANY_REQUEST: RequestMatch = { headers: [], query: [] };

export interface HeaderEdits {
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export const NO_EDITS: HeaderEdits = { set: [], add: [], remove: [] };

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly port?: number;
}

export interface Backend {
  readonly service: ServiceRef;
  /** Relative to the other backends of the rule; 0 gets nothing. */
  readonly weight: number;
  readonly request: HeaderEdits;
  readonly response: HeaderEdits;
}

export interface Mirror {
  readonly service: ServiceRef;
  /** Of the rule's requests, 0 to 100. */
  readonly percent: number;
}

export interface Rewrite {
  readonly host?: string;
  /** The new path, of the old one and the match that let the request in. */
  readonly path?: (path: string, match: RequestMatch) => string;
}

export interface Retries {
  /** Extra attempts. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  /** Whether an answer with this status is tried again; transport failures always are. */
  readonly onStatus: (status: number) => boolean;
}

export interface Rule {
  /** One must hold; never empty. */
  readonly matches: readonly RequestMatch[];
  readonly backends: readonly Backend[];
  readonly mirrors: readonly Mirror[];
  readonly request: HeaderEdits;
  readonly response: HeaderEdits;
  readonly rewrite?: Rewrite;
  readonly timeoutMs?: number;
  readonly retries: Retries;
}

/**
 * Which door a request came in by: "gateway" from outside, "mesh" from a client inside with a sidecar. Their routes are
 * kept apart.
 */
export type Door = "gateway" | "mesh";

export type Dialect = "gateway-api" | "istio";

export interface Route {
  readonly ref: ObjectRef;
  readonly dialect: Dialect;
  readonly createdMs: number;
  /** Host patterns by door: "shop.example.com", "*.example.com", "*"; services in full, "shop.prod.svc.cluster.local". */
  readonly hosts: Readonly<Record<Door, readonly string[]>>;
  readonly rules: readonly Rule[];
}

/** Transport failures are tried again on another endpoint, as sidecars do unless told otherwise. */
export const DEFAULT_RETRIES: Retries = { attempts: 2, onStatus: () => false };
