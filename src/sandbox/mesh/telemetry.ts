/**
 * The series that Istio's sidecars and gateways show about the requests they carried.
 *
 * @see https://istio.io/latest/docs/reference/config/metrics/
 */
import { Counter, Histogram, Registry } from "prom-client";

export interface CarriedRequest {
  /** Who saw it: the sender's proxy, or the receiver's. */
  readonly reporter: "source" | "destination";
  readonly source: { readonly workload: string; readonly namespace: string };
  /** "unknown" where no pod was reached. */
  readonly workload: string;
  readonly service: { readonly namespace: string; readonly name: string };
  /** 0 when the sender went away before there was an answer. */
  readonly status: number;
  /**
   * Envoy's flags: "-" none, UH no healthy endpoint, UF connection failed, UC connection lost, UT timed out, NC no such
   * Service, NR no route, DC sender gone.
   */
  readonly flags: string;
  readonly ms: number;
}

export interface Telemetry {
  record(request: CarriedRequest): void;
  page(): Promise<string>;
}

/** Envoy's default buckets, in milliseconds. */
const BUCKETS = [
  0.5,
  1,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1_000,
  2_500,
  5_000,
  10_000,
  30_000,
  60_000,
  300_000,
  600_000,
  1_800_000,
  3_600_000,
];

const LABELS = [
  "reporter",
  "source_workload",
  "source_workload_namespace",
  "destination_workload",
  "destination_workload_namespace",
  "destination_service",
  "destination_service_name",
  "destination_service_namespace",
  "request_protocol",
  "response_code",
  "response_flags",
] as const;

export function createTelemetry(): Telemetry {
  const registry = new Registry();
  const requests = new Counter({
    name: "istio_requests_total",
    help: "Requests carried by the mesh.",
    labelNames: LABELS,
    registers: [registry],
  });
  const durations = new Histogram({
    name: "istio_request_duration_milliseconds",
    help: "Milliseconds from request to the end of its answer.",
    labelNames: LABELS,
    buckets: BUCKETS,
    registers: [registry],
  });
  return {
    record({ reporter, source, workload, service, status, flags, ms }) {
      const labels = {
        reporter,
        source_workload: source.workload,
        source_workload_namespace: source.namespace,
        destination_workload: workload,
        destination_workload_namespace: workload === "unknown" ? "unknown" : service.namespace,
        destination_service: `${service.name}.${service.namespace}.svc.cluster.local`,
        destination_service_name: service.name,
        destination_service_namespace: service.namespace,
        request_protocol: "http",
        response_code: String(status),
        response_flags: flags,
      };
      requests.inc(labels);
      durations.observe(labels, ms);
    },
    page: () => registry.metrics(),
  };
}
