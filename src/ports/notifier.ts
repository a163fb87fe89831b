/** Places to tell people. */
import type { Severity } from "../core/canary.ts";
import type { HttpRequest } from "./http.ts";

export interface Notice {
  /** "shop.prod", as Flagger writes it. */
  readonly subject: string;
  readonly severity: Severity;
  readonly message: string;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** Stable: a repeat after a crash carries the same id. */
  readonly id: string;
  readonly canary: { readonly namespace: string; readonly name: string };
  readonly phase: string;
  readonly revision: string;
}

export interface NotifierTarget {
  readonly url: string;
  readonly token: string | null;
  readonly channel: string;
  readonly username: string;
  readonly proxyUrl: string | null;
}

export interface NotifierAdapter {
  /** `spec.type` of an AlertProvider. */
  readonly id: string;
  readonly request: (notice: Notice, target: NotifierTarget) => HttpRequest;
}
