/** Ways to ask "may it go on?". A gate that cannot be asked is unknown, which is neither open nor closed. */
import type { WebhookSpec, WebhookType } from "../core/canary.ts";
import type { HttpAnswer, HttpRequest } from "./http.ts";

export type GateAnswer =
  | { readonly type: "open" }
  | { readonly type: "closed"; readonly reason: string }
  | { readonly type: "unknown"; readonly reason: string };

export interface GateQuestion {
  readonly webhook: WebhookSpec;
  readonly canary: { readonly namespace: string; readonly name: string };
  /** Flagger's phase name. */
  readonly phase: string;
  readonly revision: string;
  /** Entries of an event hook: eventMessage, eventType, timestamp; user metadata may not override them. */
  readonly event: Readonly<Record<string, string>> | null;
}

export interface GateAdapter {
  /** "webhook". */
  readonly id: string;
  readonly request: (question: GateQuestion) => HttpRequest;
  /** @param type what was asked; a test that ends in an error of its own has failed, a gate that does is unknown */
  readonly parse: (answer: HttpAnswer, type?: WebhookType) => GateAnswer;
}
