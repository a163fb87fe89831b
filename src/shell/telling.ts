/** How the shell tells people and machines what happened; the composition root supplies it from `src/telemetry/`. */
import type { Announcement } from "../core/action.ts";
import type { Canary } from "../core/canary.ts";
import type { CheckResult } from "../core/observation.ts";
import type { State } from "../core/state.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface RecentEvent {
  readonly at: number;
  readonly kind: string;
  readonly severity: string;
  readonly message: string;
}

export interface Telling {
  /** After the state is stored: log line, Kubernetes event, notices. Never fails for an outside fault. */
  announce(canary: Canary, state: State, announcement: Announcement): Promise<void>;
  measured(canary: Canary, check: CheckResult): void;
  /** After every turn, with the state it left. */
  turned(state: State, tookMs: number): void;
  fetched(source: string, tookMs: number): void;
  pushed(source: string, outcome: "pushed" | "conflict" | "refused" | "unavailable"): void;
  forgotten(key: string): void;
  recent(key: string): readonly RecentEvent[];
  log(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void;
}
