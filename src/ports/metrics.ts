/** Metric providers: one request out, one number back. */
import type { Canary, MetricSpec } from "../core/canary.ts";
import type { HttpAnswer, HttpRequest } from "./http.ts";

/** What a provider measured. "no-data": the query is right, there is nothing to count. */
export type Measurement =
  | { readonly type: "value"; readonly value: number }
  | { readonly type: "no-data"; readonly reason: string };

export interface MetricsQuery {
  readonly address: string;
  /** Rendered query text. */
  readonly query: string;
  readonly windowMs: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Keys of the template's Secret, decoded; empty when none is named. */
  readonly secret: Readonly<Record<string, string>>;
  readonly insecureSkipVerify: boolean;
  readonly region: string | null;
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface MetricsAdapter {
  /** `provider.type` of a MetricTemplate. */
  readonly id: string;
  readonly needsAddress: boolean;
  /** Keys the Secret must have; a set of alternatives. */
  readonly secretKeys: readonly (readonly string[])[];
  readonly request: (query: MetricsQuery) => HttpRequest;
  /**
   * @throws {UnavailableError} the provider is down or answers nonsense
   * @throws {RejectedError} the query or the credentials are refused
   */
  readonly parse: (answer: HttpAnswer, query: MetricsQuery) => Measurement;
}

/** Names of labels in built-in queries (kube-prometheus-stack says `pod` where Flagger says `kubernetes_pod_name`). */
export interface MetricLabels {
  readonly pod: string;
  readonly namespace: string;
  readonly service: string;
}

/** A metric made ready to send: which provider, and what. Values are in the metric's own unit (percent, ms). */
export interface PlannedQuery {
  readonly metric: MetricSpec;
  readonly provider: string;
  readonly query: Omit<MetricsQuery, "secret" | "now">;
  /** The value is multiplied by this (seconds to milliseconds). */
  readonly factor: number;
  /** A query that finds something where the metric's series exist, of whatever workload; null: not known. */
  readonly series: string | null;
  readonly secret: { readonly namespace: string; readonly name: string } | null;
}

export type PlanQuery = (canary: Canary, metric: MetricSpec, labels: MetricLabels) => PlannedQuery;
